"""Searches of traces as conditions in SQL. Values are arguments; the texts are ours, never a caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from serai.domain.trace_filters import AllOf, AnyOf, Comparison, Membership, Not, TraceFilter, Value
from serai.domain.traces import SpanStatus, read_trace_id

_OPERATORS: Final = {"EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}

_TRACE_ID: Final = "replace(trace_id::text, '-', '')"
_EXPRESSIONS: Final = {
    "trace_id": _TRACE_ID,
    "start_time": "started_at",
    "end_time": "ended_at",
    "duration_ms": "(duration_ns / 1e6::float8)",
}
_TYPES: Final = {
    "duration_ms": "float8",
    "start_time": "timestamptz",
    "end_time": "timestamptz",
    "created_at": "timestamptz",
}


class Arguments:
    """The arguments of a statement, numbered as they come."""

    def __init__(self, *first: Any) -> None:
        self.values: list[Any] = list(first)

    def add(self, value: Any, type_name: str) -> str:
        """Take an argument and return how the text names it."""
        self.values.append(value)
        return f"${len(self.values)}::{type_name}"


def condition_of(wanted: TraceFilter, arguments: Arguments) -> str:
    """Return the condition on a row of `traces`; its values are added to the arguments."""
    match wanted:
        case Comparison():
            return _comparison(wanted, arguments)
        case Membership():
            return _membership(wanted, arguments)
        case AllOf(conditions):
            return "(" + " and ".join(condition_of(each, arguments) for each in conditions) + ")"
        case AnyOf(conditions):
            return "(" + " or ".join(condition_of(each, arguments) for each in conditions) + ")"
        case Not(condition):
            return f"not {condition_of(condition, arguments)}"


def equals(key: str, value: str, arguments: Arguments) -> str:
    """Return the condition that a column has a text; of a status it is in the text, where an index looks for it."""
    if key == "status" and value in list(SpanStatus):
        return f"(status = '{SpanStatus(value).value}')"
    return f"({key} = {arguments.add(value, 'text')})"


def _comparison(wanted: Comparison, arguments: Arguments) -> str:
    key, value = wanted.key, wanted.value
    if search := _SEARCHES.get(wanted.op):
        column = _EXPRESSIONS.get(key, key)
        return search(f"lower({column})", f"lower({arguments.add(value, 'text')})")
    if wanted.op == "EQ" and isinstance(value, str):
        return _is_trace([value], arguments) if key == "trace_id" else equals(key, value, arguments)
    return f"({_column(key)} {_OPERATORS[wanted.op]} {arguments.add(value, _TYPES.get(key, 'text'))})"


def _membership(wanted: Membership, arguments: Arguments) -> str:
    if wanted.key == "trace_id":
        return _is_trace(wanted.values, arguments)
    values = arguments.add(list(wanted.values), f"{_TYPES.get(wanted.key, 'text')}[]")
    return f"({_EXPRESSIONS.get(wanted.key, wanted.key)} = any({values}))"


def _is_trace(texts: list[Value] | tuple[Value, ...], arguments: Arguments) -> str:
    """Return that a trace has one of these ids, so that it is found by its key; what is no id names none."""
    named = ((str(text), read_trace_id(str(text))) for text in texts)
    ids = [trace_id for text, trace_id in named if trace_id is not None and trace_id.hex == text]
    return f"(trace_id = any({arguments.add(ids, 'uuid[]')}))"


def _column(key: str) -> str:
    """Return what is compared: texts by code points, in whatever order the database has."""
    expression = _EXPRESSIONS.get(key, key)
    return expression if key in _TYPES else f'{expression} collate "C"'


_SEARCHES: Final[dict[str, Callable[[str, str], str]]] = {
    "CONTAINS": lambda text, part: f"(position({part} in {text}) > 0)",
    "STARTSWITH": lambda text, part: f"starts_with({text}, {part})",
}
