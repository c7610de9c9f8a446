"""Evals of agents and teams, as the clients return them, and what a caller names when it asks for them."""

from serai.wire.evals import EvalFilterType, EvalPage, EvalSchema, EvalType

__all__ = ["EvalFilterType", "EvalPage", "EvalSchema", "EvalType"]
