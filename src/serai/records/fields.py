"""Fields of records as SQL: where a path leads, and its value in lanes that compare and sort by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from serai.records.arguments import Arguments
from serai.records.paths import Path
from serai.records.scalars import Scalar

_MOST_SOUGHT = 100  # operands that are sought one by one


class Lanes(NamedTuple):
    """SQL expressions of one field: PostgreSQL compares within one type only, and jsonb's own order is another.

    Attributes:
        kind: smallint: 0 false, 1 true, 2 number, 3 string, 4 array or object; null: null or missing.
        number: numeric: the number, else null.
        text: text: the string, else null; sorts by code point.
    """

    kind: str
    number: str
    text: str


class Fields(Protocol):
    """Where the fields of a collection's rows are to be read."""

    def lanes(self, path: Path) -> Lanes:
        """Return the lanes of a field."""

    def equals(self, path: Path, operand: Scalar) -> str:
        """Return the condition, false or null otherwise, that a field is the same as a scalar."""

    def includes(self, path: Path, operands: Sequence[Scalar]) -> str:
        """Return the condition that a field is the same as one of the scalars or is an array that holds one."""


class PayloadFields:
    """Fields read out of a payload.

    Args:
        arguments: receives member names and operands; neither ever becomes SQL text.
        row: the table's name or alias.
    """

    def __init__(self, arguments: Arguments, row: str = "records") -> None:
        self._arguments = arguments
        self._data = f"{row}.data"

    def value(self, path: Path) -> str:
        """Return the jsonb value, SQL's null when it is missing; `->` with a text never indexes an array."""
        names = "".join(f" -> {self._arguments.add(segment, 'text')}" for segment in path.segments)
        if path.or_below_data:
            return f"coalesce({self._data}{names}, {self._data} -> 'data'{names})"
        return f"({self._data}{names})"

    def lanes(self, path: Path) -> Lanes:
        """Return the lanes of a field."""
        return lanes_of(self.value(path))

    def equals(self, path: Path, operand: Scalar) -> str:
        """Return the condition that a field is the same as a scalar."""
        if operand.type == "null":
            return self._is_null(path)
        return self._either(path, lambda names: f"{self._data} @> {self._document(names, operand.json)}")

    def includes(self, path: Path, operands: Sequence[Scalar]) -> str:
        """Return the condition that a field is the same as one of the scalars, or is an array that holds one."""
        if len(operands) > _MOST_SOUGHT:
            return self._is_in(path, operands)

        def holds(names: Sequence[str]) -> str:
            documents = [_document(names, value) for o in operands for value in (o.json, f"[{o.json}]")]
            return f"{self._data} @> any({self._arguments.add(documents, 'jsonb[]')})"

        condition = self._either(path, holds)
        return f"({condition} or {self._is_null(path)})" if any(o.type == "null" for o in operands) else condition

    def _is_in(self, path: Path, operands: Sequence[Scalar]) -> str:
        """Return the same by looking up the value: it reads a payload once, not for each operand, but no index."""
        known = f"any({self._arguments.add([operand.json for operand in operands], 'jsonb[]')})"
        value = f"coalesce({self.value(path)}, 'null')"
        elements = f"jsonb_array_elements(case jsonb_typeof({value}) when 'array' then {value} end)"
        return f"({value} = {known} or exists (select from {elements} as element where element = {known}))"

    def _is_null(self, path: Path) -> str:
        return f"coalesce({self.value(path)}, 'null') = 'null'"

    def _either(self, path: Path, condition: _OnNames) -> str:
        """Return a condition on a path's names, or, where these lead nowhere, on those below `data`."""
        direct = condition(path.segments)
        if not path.or_below_data:
            return direct
        missing = f"{self.value(Path(path.segments))} is null"
        return f"({direct} or ({missing} and {condition(('data', *path.segments))}))"

    def _document(self, names: Sequence[str], value: str) -> str:
        return self._arguments.add(_document(names, value), "jsonb")


class SlotFields:
    """Fields kept in slots, as columns that hold their lanes.

    Only right for rows none of whose fields in use is an array, an object or too long a string for a slot.

    Args:
        slots: number of the slot of each field.
        arguments: receives operands.
    """

    def __init__(self, slots: Mapping[Path, int], arguments: Arguments) -> None:
        self._slots = slots
        self._arguments = arguments

    def lanes(self, path: Path) -> Lanes:
        """Return the lanes of a field."""
        slot = self._slots[path]
        return Lanes(kind=f"k{slot}", number=f"n{slot}", text=f"t{slot}")

    def equals(self, path: Path, operand: Scalar) -> str:
        """Return the condition that a field is the same as a scalar."""
        return self.includes(path, [operand])

    def includes(self, path: Path, operands: Sequence[Scalar]) -> str:
        """Return the condition that a field is the same as one of the scalars."""
        lanes = self.lanes(path)
        conditions = []
        if numbers := [operand.json for operand in operands if operand.type == "number"]:
            conditions.append(self._is_any(lanes.number, numbers, "numeric"))
        if strings := [operand.string for operand in operands if operand.type == "string"]:
            conditions.append(self._is_any(lanes.text, strings, "text"))
        if booleans := sorted({int(operand.json == "true") for operand in operands if operand.type == "boolean"}):
            conditions.append(f"{lanes.kind} in ({', '.join(map(str, booleans))})")
        if any(operand.type == "null" for operand in operands):
            conditions.append(f"{lanes.kind} is null")
        return conditions[0] if len(conditions) == 1 else f"({' or '.join(conditions)})"

    def _is_any(self, lane: str, values: Sequence[str], sql_type: str) -> str:
        if len(values) == 1:
            return f"{lane} = {self._arguments.add(values[0], 'text')}::{sql_type}"
        return f"{lane} = any({self._arguments.add(list(values), 'text[]')}::{sql_type}[])"


class _OnNames(Protocol):
    def __call__(self, names: Sequence[str], /) -> str: ...


def lanes_of(value: str) -> Lanes:
    """Return the lanes of a jsonb expression."""
    return Lanes(
        kind=f"(case jsonb_typeof({value}) when 'number' then 2 when 'string' then 3 when 'boolean' "
        f"then ({value})::boolean::int when 'array' then 4 when 'object' then 4 end)::smallint",
        number=f"(case jsonb_typeof({value}) when 'number' then ({value})::numeric end)",
        text=f"(case jsonb_typeof({value}) when 'string' then {value} #>> '{{}}' end collate \"C\")",
    )


def _document(names: Sequence[str], value: str) -> str:
    """Return the JSON object that holds a value, given as JSON, at the end of a path."""
    for name in reversed(names):
        value = f"{{{msgspec.json.encode(name).decode()}:{value}}}"
    return value
