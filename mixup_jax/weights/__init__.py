"""Weights of networks in and out: the files and names of other libraries."""
