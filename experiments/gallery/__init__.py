"""Pictures of all methods."""
