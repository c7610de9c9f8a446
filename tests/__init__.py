"""Serai's tests; how they are divided is told in CONTRIBUTING.md."""
