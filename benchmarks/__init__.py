"""Measurements of Serai beside the server it is compatible with; ``python -m benchmarks`` runs them."""
