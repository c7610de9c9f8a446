"""What the model raises where a server answers 422."""

from __future__ import annotations


class RefusedError(Exception):
    """The question is not of the protocol's form."""
