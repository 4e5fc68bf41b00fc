"""The same networks and trainings in PyTorch."""
