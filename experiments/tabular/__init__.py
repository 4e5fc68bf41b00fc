"""Table 4: tables of the UCI repository."""
