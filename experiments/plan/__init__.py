"""Plans for machines that are not at hand."""
