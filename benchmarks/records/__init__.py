"""Records measured beside two published stores and what PostgreSQL can do; ``python -m benchmarks.records``."""
