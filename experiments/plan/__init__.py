"""Plans for machines that are not here."""
