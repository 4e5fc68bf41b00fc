"""Mixed-type wafer-map defects, learned from single-type maps."""
