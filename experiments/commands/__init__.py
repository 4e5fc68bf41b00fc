"""What the commands share: options, errors, running, grids, tables."""
