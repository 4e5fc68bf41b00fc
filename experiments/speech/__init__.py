"""Figure 4: spoken words."""
