"""Photographs of any size: decoded in part, cropped, streamed from disk."""
