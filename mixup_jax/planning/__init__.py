"""The cost of a step on other machines: compiled ahead of time; nothing is trained."""
