"""Table 1: ImageNet."""
