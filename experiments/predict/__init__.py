"""Predictions of a trained network for files of one's own."""
