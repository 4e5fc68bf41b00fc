"""Devices and processes: the mesh, who joins it, the limits of chips, what XLA is told."""
