"""Serai against what is published: unmodified clients, and the snippets of their documentation."""
