"""What ``serai traces search`` looks for: words such as ``duration_ms>1000``, or the protocol's own JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

_OPERATORS: Final = {
    "=": "EQ",
    "!=": "NEQ",
    ">=": "GTE",
    "<=": "LTE",
    ">": "GT",
    "<": "LT",
    "~": "CONTAINS",
    "^=": "STARTSWITH",
}
_CONDITION: Final = re.compile(r"(?P<key>\w+)(?P<op>!=|>=|<=|\^=|=|>|<|~)(?P<value>.+)", re.DOTALL)
_NUMBERS: Final = frozenset(("duration_ms",))


def read_filter(conditions: Sequence[str], filter_text: str | None) -> dict[str, Any] | None:
    """Return the filter that conditions and JSON ask for together; None when nothing is asked.

    Raises:
        ValueError: one of them cannot be read; the message says which, and how they look.
    """
    terms = [_read_condition(text) for text in conditions]
    if filter_text is not None:
        terms.append(_read_json(filter_text))
    if len(terms) > 1:
        return {"op": "AND", "conditions": terms}
    return terms[0] if terms else None


def _read_condition(text: str) -> dict[str, Any]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no condition; write one as status=ERROR, duration_ms>1000 or name~research")
    key, op, value = match["key"], _OPERATORS[match["op"]], match["value"]
    if key in _NUMBERS:
        return {"op": op, "key": key, "value": _read_number(key, value)}
    if "," in value and op == "EQ":
        return {"op": "IN", "key": key, "values": value.split(",")}
    return {"op": op, "key": key, "value": value}


def _read_number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{key} must be compared with a number, not with {text!r}") from None
    return int(number) if number.is_integer() else number


def _read_json(text: str) -> dict[str, Any]:
    example = '{"op": "EQ", "key": "status", "value": "ERROR"}'
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--filter is no JSON ({error}); write it as {example}") from None
    if not isinstance(value, dict):
        raise ValueError(f"--filter must be a JSON object such as {example}")
    return value
