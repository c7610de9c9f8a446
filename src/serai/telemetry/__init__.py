"""Spans, metrics and prices: what a server tells of its work."""
