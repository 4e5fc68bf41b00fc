"""The layers that networks share."""
