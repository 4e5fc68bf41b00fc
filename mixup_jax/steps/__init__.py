"""Training steps as pure functions: no files, no clock, no devices."""
