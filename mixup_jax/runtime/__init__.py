"""Runs on real machines: folders, checkpoints, signals, processes, devices."""
