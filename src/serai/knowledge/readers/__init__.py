"""Readers of documents: one module a format, each with ``read(source)``. They run in a process of their own."""
