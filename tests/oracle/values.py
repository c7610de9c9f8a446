"""JSON values as the protocol tells them apart, and their order."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import Any

RANKS = {"boolean": 0, "number": 1, "string": 2, "array": 3, "object": 3, "null": 4}


def kind_of(value: Any) -> str:
    """Return one of the six types of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def is_scalar(value: Any) -> bool:
    """Return whether a value is null, a boolean, a number or a string."""
    return not isinstance(value, list | dict)


def comparable(value: Any) -> Any:
    """Return a scalar as Python compares it; numbers are the decimals that were written."""
    return Decimal(repr(value)) if kind_of(value) == "number" else value


def identity(value: Any) -> Hashable:
    """Return what two values have in common exactly when they are deeply equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, list):
        return ("array", tuple(map(identity, value)))
    if isinstance(value, dict):
        return ("object", frozenset((name, identity(member)) for name, member in value.items()))
    return (kind_of(value), comparable(value))


def is_same(value: Any, operand: Any) -> bool:
    """Return whether a stored value equals an operand; arrays and objects equal none."""
    return is_scalar(value) and is_scalar(operand) and identity(value) == identity(operand)


def place_in_order(value: Any) -> tuple[int, Any]:
    """Return the key of the ascending order; all arrays and objects share one, and so do null and missing."""
    kind = kind_of(value)
    return (RANKS[kind], comparable(value) if kind in ("boolean", "number", "string") else 0)


def is_kept(sent: Any, answered: Any) -> bool:
    """Return whether a payload came back equal, with its integers still integers."""
    if isinstance(sent, dict):
        return (
            isinstance(answered, dict)
            and sent.keys() == answered.keys()
            and all(is_kept(member, answered[name]) for name, member in sent.items())
        )
    if isinstance(sent, list):
        return isinstance(answered, list) and len(sent) == len(answered) and all(map(is_kept, sent, answered))
    if isinstance(sent, float):
        return isinstance(answered, int | float) and not isinstance(answered, bool) and float(answered) == sent
    return type(sent) is type(answered) and bool(sent == answered)
