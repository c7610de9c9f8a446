"""Traces: what they cost runs, what other programs send, and lists of many of them."""
