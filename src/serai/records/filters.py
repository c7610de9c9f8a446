"""Filters of records: from the grammar to conditions in SQL. Values and member names are always parameters.

`{path: {operator: operand, …}, …}`: all must hold. Operands are scalars; those of `includes` and `excludes` lists of
them; those of the record's timestamps ISO 8601 strings. Types never mix: 1, "1" and true are three values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.fields import Fields
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.payload import Location
from serai.records.scalars import Instant, Scalar, read_instant, read_scalar

MOST_FIELDS = 1000
LISTS = ("includes", "excludes")
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS = ("eq", "ne", *COMPARISONS, *LISTS)

_LOC: Location = ("body", "filter")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Term:
    """A condition on one member of the payload; `operands` holds one, or those of a list."""

    path: Path
    operator: str
    operands: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class TimeTerm:
    """A condition on one of the record's timestamps; None stands for null."""

    column: str
    operator: str
    operands: tuple[Instant | None, ...]


Filter = tuple[Term | TimeTerm, ...]
"""All of these hold; an empty one always does."""


def parse_filter(raw: bytes) -> Filter:
    """Return a filter as terms.

    Args:
        raw: JSON, null or an object of field paths to objects of operators.

    Raises:
        InvalidFieldError: it has another form, an operator that is not known, or an operand of the wrong type.
    """
    return () if raw == b"null" else tuple(_parse_terms(raw))


def compile_filter(terms: Filter, fields: Fields, arguments: Arguments) -> str:
    """Return the condition that a filter stands for.

    Args:
        terms: the filter.
        fields: where the rows' fields are; timestamps are columns of their own.
        arguments: receives the condition's parameters.
    """
    conditions = [
        _compile_time(term, arguments) if isinstance(term, TimeTerm) else _compile(term, fields, arguments)
        for term in terms
    ]
    return " and ".join(conditions) or "true"


def _parse_terms(raw: bytes) -> Iterator[Term | TimeTerm]:
    members = _decode_object(raw, _LOC)
    if len(members) > MOST_FIELDS:
        raise InvalidFieldError.of(_LOC, f"more than {MOST_FIELDS} fields: ask for fewer", kind="too_long")
    for name, operators in members.items():
        path = _parse_path(name)
        for operator, operand in _decode_object(operators, (*_LOC, name)).items():
            loc = (*_LOC, name, operator)
            if operator not in OPERATORS:
                msg = f"unknown operator {operator!r}; use one of {', '.join(OPERATORS)}"
                raise InvalidFieldError.of(loc, msg, kind="unknown_operator")
            operands = _decode_list(operand, loc) if operator in LISTS else [(loc, bytes(operand))]
            if name in TIMESTAMPS:
                yield TimeTerm(name, operator, tuple(read_instant(one, where) for where, one in operands))
            else:
                yield Term(path, operator, tuple(read_scalar(one, where) for where, one in operands))


def _decode_object(raw: msgspec.Raw | bytes, loc: Location) -> Mapping[str, msgspec.Raw]:
    try:
        return _members.decode(raw)
    except UnicodeDecodeError as error:
        raise InvalidFieldError.of(loc, "a name is not UTF-8", kind="json_invalid") from error
    except msgspec.MsgspecError as error:
        raise InvalidFieldError.of(loc, "Input should be a valid object", kind="dict_type") from error


def _decode_list(raw: msgspec.Raw, loc: Location) -> Sequence[tuple[Location, bytes]]:
    try:
        return [((*loc, index), bytes(one)) for index, one in enumerate(_elements.decode(raw))]
    except msgspec.MsgspecError as error:
        raise InvalidFieldError.of(loc, "Input should be a valid list", kind="list_type") from error


def _parse_path(text: str) -> Path:
    try:
        return parse_path(text)
    except PathError as error:
        raise InvalidFieldError.of((*_LOC, text), str(error), kind="path_syntax", given=text) from error


def _compile(term: Term, fields: Fields, arguments: Arguments) -> str:
    match term.operator:
        case "eq":
            return fields.equals(term.path, term.operands[0])
        case "ne":
            return f"({fields.equals(term.path, term.operands[0])}) is not true"
        case "includes":
            return fields.includes(term.path, term.operands) if term.operands else "false"
        case "excludes":
            return f"({fields.includes(term.path, term.operands)}) is not true" if term.operands else "true"
        case comparison:
            return _compare(term.path, comparison, term.operands[0], fields, arguments)


def _compare(path: Path, comparison: str, operand: Scalar, fields: Fields, arguments: Arguments) -> str:
    if operand.type == "null":
        return "false"
    sign = COMPARISONS[comparison]
    lanes = fields.lanes(path)
    match operand.type:
        case "number":
            return f"{lanes.number} {sign} {arguments.add(operand.json, 'text')}::numeric"
        case "string":
            return f"{lanes.text} {sign} {arguments.add(operand.string, 'text')}"
        case _:
            return f"({lanes.kind} <= 1 and {lanes.kind} {sign} {int(operand.json == 'true')})"


def _compile_time(term: TimeTerm, arguments: Arguments) -> str:
    if term.operator in LISTS:
        # A moment between two microseconds is no record's.
        times = [one.time for one in term.operands if one is not None and not one.is_later]
        quantifier = "= any" if term.operator == "includes" else "<> all"
        return f"{term.column} {quantifier}({arguments.add(times, 'timestamptz[]')})"
    operand = term.operands[0]
    if operand is None or (operand.is_later and term.operator in ("eq", "ne")):
        return "true" if term.operator == "ne" else "false"
    sign = {"eq": "=", "ne": "<>", **COMPARISONS}[term.operator]
    if operand.is_later:
        # A record's time is a whole microsecond: after such a moment is after its beginning, before it is up to there.
        sign = ">" if ">" in sign else "<="
    return f"{term.column} {sign} {arguments.add(operand.time, 'timestamptz')}"
