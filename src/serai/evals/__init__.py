"""Evals: how accurate, fast and reliable an agent or a team is, measured in runs of its own."""
