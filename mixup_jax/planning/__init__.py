"""What a step costs on machines that are not here: compiled ahead of time, nothing is trained."""
