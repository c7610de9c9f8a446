"""Filters of records, compiled to SQL conditions. Values and member names are always parameters, never SQL text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from serai.errors import InvalidFieldError
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.payload import Location, value_text

_LOC: Location = ("body", "filter")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass
class Arguments:
    """The parameters of a statement under construction."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any, sql_type: str) -> str:
        """Add a value and return its typed placeholder."""
        self.values.append(value)
        return f"${len(self.values)}::{sql_type}"


def compile_filter(raw: bytes, arguments: Arguments) -> str:
    """Return the condition that a filter stands for, true when it is empty.

    Args:
        raw: JSON, null or an object of field paths to objects of operators.
        arguments: receives the condition's parameters.

    Raises:
        InvalidFieldError: it has another form, an operator that is not known, or an operand that is no scalar.
    """
    if raw == b"null":
        return "true"
    conditions = []
    for path, operators in _decode_object(raw, _LOC).items():
        parsed = _parse(path)
        for operator, operand in _decode_object(operators, (*_LOC, path)).items():
            conditions.append(_compile(parsed, operator, bytes(operand), (*_LOC, path, operator), arguments))
    return " and ".join(conditions) or "true"


def _decode_object(raw: msgspec.Raw | bytes, loc: Location) -> Mapping[str, msgspec.Raw]:
    try:
        return _members.decode(raw)
    except msgspec.MsgspecError as error:
        raise InvalidFieldError.of(loc, "Input should be a valid object", kind="dict_type") from error


def _parse(text: str) -> Path:
    try:
        path = parse_path(text)
    except PathError as error:
        raise InvalidFieldError.of((*_LOC, text), str(error), kind="path_syntax", given=text) from error
    if text in TIMESTAMPS:
        raise InvalidFieldError.of((*_LOC, text), f"filters on {text} are not supported yet", kind="unsupported")
    return path


def _compile(path: Path, operator: str, operand: bytes, loc: Location, arguments: Arguments) -> str:
    if operator != "eq":
        raise InvalidFieldError.of(loc, f"the operator {operator!r} is not supported; use eq", kind="unknown_operator")
    if operand[:1] in (b"{", b"["):
        raise InvalidFieldError.of(loc, "the operand must be a number, string, boolean or null", kind="scalar_type")
    value = _value_of(path, arguments)
    if operand == b"null":
        return f"coalesce({value}, 'null') = 'null'"
    return f"{value} = {arguments.add(value_text(operand, loc=loc), 'text')}::jsonb"


def _value_of(path: Path, arguments: Arguments) -> str:
    """Return the jsonb value at a path; `->` with a text never indexes an array, unlike `#>`."""
    names = "".join(f" -> {arguments.add(segment, 'text')}" for segment in path.segments)
    return f"coalesce(data{names}, data -> 'data'{names})" if path.or_below_data else f"(data{names})"
