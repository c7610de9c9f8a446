"""Runs measured beside the server whose protocol Serai speaks; ``python -m benchmarks.runs``."""
