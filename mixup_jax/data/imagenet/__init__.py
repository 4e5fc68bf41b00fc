"""ImageNet: preparing it, reading it."""
