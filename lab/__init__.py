"""Runs the experiments, keeps their results, and says which of the notes' claims hold."""
