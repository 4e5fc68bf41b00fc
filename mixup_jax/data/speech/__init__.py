"""Spoken words, as waveforms and spectrograms."""
