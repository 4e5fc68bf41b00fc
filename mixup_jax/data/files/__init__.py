"""Archives, downloads and files that data sets come in."""
