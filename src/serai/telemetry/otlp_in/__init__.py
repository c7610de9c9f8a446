"""Spans that other programs send by OTLP: read, understood by the conventions they follow, and kept beside ours."""
