"""Damaged files for every parser: `python -m tests.fuzz --seconds 60`.

A target is a file that a parser reads. Its corpus, good files, is made here; cases are damaged copies of them. The law
of each case is in `law.py`.
"""
