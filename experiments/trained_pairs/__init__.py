"""Pairs of trained networks, ERM and mixup, that experiments look into."""
