"""What traces are searched by: expressions as the published protocol writes them, read and checked. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from serai.domain.stored_text import is_storable
from serai.errors import RequestError

MOST_LEVELS: Final = 10
MOST_NODES: Final = 1000
MOST_VALUES: Final = 1000
LONGEST_TEXT: Final = 1000

_LONGEST_TIME: Final = 64
_BLANK_FOR_PLUS: Final = re.compile(r"(?<=T)(.*) (\d\d:?\d\d)", re.DOTALL)


class ValueType(StrEnum):
    """What a key holds."""

    TEXT = "string"
    NUMBER = "number"
    TIME = "datetime"


KEYS: Final[Mapping[str, ValueType]] = {
    "status": ValueType.TEXT,
    "user_id": ValueType.TEXT,
    "agent_id": ValueType.TEXT,
    "team_id": ValueType.TEXT,
    "workflow_id": ValueType.TEXT,
    "session_id": ValueType.TEXT,
    "run_id": ValueType.TEXT,
    "name": ValueType.TEXT,
    "trace_id": ValueType.TEXT,
    "duration_ms": ValueType.NUMBER,
    "start_time": ValueType.TIME,
    "end_time": ValueType.TIME,
    "created_at": ValueType.TIME,
}
"""What can be asked for, and what it holds."""

COMPARISONS: Final = ("EQ", "NEQ", "GT", "GTE", "LT", "LTE")
TEXT_SEARCHES: Final = ("CONTAINS", "STARTSWITH")
_OPERATORS: Final = (*COMPARISONS, *TEXT_SEARCHES, "IN", "AND", "OR", "NOT")

Value: TypeAlias = str | float | datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """A key compared with a value: one of `COMPARISONS` or `TEXT_SEARCHES`."""

    op: str
    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Membership:
    """A key that has one of some values."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """What meets all conditions."""

    conditions: tuple[TraceFilter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What meets any of the conditions."""

    conditions: tuple[TraceFilter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not meet a condition; where the key has no value it is neither met nor not, as in SQL."""

    condition: TraceFilter


TraceFilter: TypeAlias = Comparison | Membership | AllOf | AnyOf | Not


def read_filter(expression: Any) -> TraceFilter:
    """Return what an expression asks for.

    Args:
        expression: JSON, such as ``{"op": "EQ", "key": "status", "value": "OK"}``.

    Raises:
        RequestError: it is malformed; the message says where and what is wrong.
    """
    return _Reader().read(expression, "filter", 0)


def read_time(text: str) -> datetime:
    """Return a time of ISO 8601 text, in UTC; without an offset it is in UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        if len(text) > _LONGEST_TIME:
            raise ValueError(text)
        moment = datetime.fromisoformat(_BLANK_FOR_PLUS.sub(r"\1+\2", text.strip()))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        shown = text[:100]
        raise ValueError(f"{shown!r} is no ISO 8601 time such as '2026-11-20T23:16:12Z'") from None


class _Reader:
    """Reads one expression, and counts its nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def read(self, node: Any, place: str, level: int) -> TraceFilter:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _invalid(f"it has more than {MOST_NODES} conditions")
        if level > MOST_LEVELS:
            raise _invalid(f"it is nested more than {MOST_LEVELS} levels deep")
        if not isinstance(node, dict):
            raise _invalid(f"{place} must be an object with 'op', got {_show(node)}")
        match node.get("op"):
            case "AND":
                return AllOf(self._read_all(node, place, level))
            case "OR":
                return AnyOf(self._read_all(node, place, level))
            case "NOT":
                return Not(self.read(_member(node, "condition", place), f"{place}.condition", level + 1))
            case "IN":
                return _read_membership(node, place)
            case str(op) if op in COMPARISONS or op in TEXT_SEARCHES:
                return _read_comparison(op, node, place)
            case op:
                raise _invalid(f"{place}.op must be one of {', '.join(_OPERATORS)}, got {_show(op)}")

    def _read_all(self, node: Mapping[str, Any], place: str, level: int) -> tuple[TraceFilter, ...]:
        conditions = _member(node, "conditions", place)
        if not isinstance(conditions, list) or not conditions:
            raise _invalid(f"{place}.conditions must be a list with at least one condition")
        return tuple(
            self.read(condition, f"{place}.conditions[{number}]", level + 1)
            for number, condition in enumerate(conditions)
        )


def _read_comparison(op: str, node: Mapping[str, Any], place: str) -> Comparison:
    key = _read_key(node, place)
    if op in TEXT_SEARCHES and KEYS[key] is not ValueType.TEXT:
        raise _invalid(f"{place}: {op} is about texts, and {key!r} is a {KEYS[key]}; compare it with GT, LT and others")
    return Comparison(op, key, _read_value(key, _member(node, "value", place), f"{place}.value"))


def _read_membership(node: Mapping[str, Any], place: str) -> Membership:
    key = _read_key(node, place)
    values = _member(node, "values", place)
    if not isinstance(values, list) or len(values) > MOST_VALUES:
        raise _invalid(f"{place}.values must be a list of at most {MOST_VALUES} values")
    return Membership(
        key, tuple(_read_value(key, value, f"{place}.values[{number}]") for number, value in enumerate(values))
    )


def _read_key(node: Mapping[str, Any], place: str) -> str:
    key = _member(node, "key", place)
    if not isinstance(key, str) or key not in KEYS:
        raise _invalid(f"{place}.key must be one of {', '.join(KEYS)}, got {_show(key)}")
    return key


def _read_value(key: str, value: Any, place: str) -> Value:
    match KEYS[key]:
        case ValueType.TEXT if isinstance(value, str) and len(value) <= LONGEST_TEXT and is_storable(value):
            return value
        case ValueType.TEXT:
            raise _invalid(f"{place} must be a text of at most {LONGEST_TEXT} characters, got {_show(value)}")
        case ValueType.NUMBER:
            if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
                return float(value)
            raise _invalid(f"{place} must be a number, got {_show(value)}")
        case ValueType.TIME:
            if not isinstance(value, str):
                raise _invalid(f"{place} must be an ISO 8601 time, got {_show(value)}")
            try:
                return read_time(value)
            except ValueError as error:
                raise _invalid(f"{place}: {error}") from None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _member(node: Mapping[str, Any], name: str, place: str) -> Any:
    if (value := node.get(name)) is None:
        raise _invalid(f"{place} needs {name!r}")
    return value


def _show(value: Any) -> str:
    return repr(value)[:100] if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"


def _invalid(reason: str) -> RequestError:
    return RequestError(f"Invalid filter expression: {reason}")
