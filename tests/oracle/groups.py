"""Groups: who belongs together, and in which order groups come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle.orders import read_order, sort_by
from tests.oracle.paths import read_path
from tests.oracle.record import TIMESTAMPS, Record
from tests.oracle.refusal import RefusedError
from tests.oracle.values import identity, place_in_order


@dataclass(frozen=True)
class Group:
    """The records that share the values of all paths, in the order of insertion.

    Attributes:
        rank: equal for groups whose order among each other is left open.
    """

    paths: tuple[str, ...]
    values: tuple[Any, ...]
    records: tuple[Record, ...]
    rank: tuple[Any, ...] = ()

    def answer(self, *, count: bool, first: bool) -> dict[str, Any]:
        """Return the group as a server answers it."""
        return {
            "group_key": dict(zip(self.paths, self.values, strict=True)),
            "count": len(self.records) if count else None,
            "first_item": self.records[0].data if first and self.records else None,
        }


def make_groups(records: Sequence[Record], group_by: Sequence[str]) -> list[Group]:
    """Return the groups of records that are given in the order of insertion.

    Raises:
        RefusedError: a path is malformed, repeated, or a timestamp.
    """
    paths = [read_path(text) for text in group_by]
    if len(set(paths)) < len(paths) or set(group_by) & set(TIMESTAMPS):
        raise RefusedError(group_by)
    members: dict[Hashable, list[Record]] = {} if paths else {(): []}
    for record in records:
        members.setdefault(tuple(identity(path.find(record.data)) for path in paths), []).append(record)
    return [
        Group(tuple(group_by), tuple(path.find(inside[0].data) for path in paths), tuple(inside))
        for inside in members.values()
    ]


def sort_groups(groups: Sequence[Group], group_by: Sequence[str], order_by: str | None) -> list[Group]:
    """Return groups as an order wants them.

    Raises:
        RefusedError: an item is neither a group path nor a keyword.
    """
    names = [read_path(text).names for text in group_by]
    keys = [(_key_of(item.path, names), item.descending) for item in read_order(order_by)]
    keys += [(_value_at(position), False) for position in range(len(names))]
    ordered = [replace(group, rank=tuple(place_in_order(value_of(group)) for value_of, _ in keys)) for group in groups]
    for value_of, descending in reversed(keys):
        ordered = sort_by(ordered, value_of, descending=descending)
    return ordered


def _key_of(path: str, names: list[tuple[str, ...]]) -> Callable[[Group], Any]:
    wanted = read_path(path).names
    if path not in TIMESTAMPS and wanted in names:
        return _value_at(names.index(wanted))
    if path not in _KEYWORDS:
        raise RefusedError(path)
    return _KEYWORDS[path]


def _value_at(position: int) -> Callable[[Group], Any]:
    return lambda group: group.values[position]


_KEYWORDS: dict[str, Callable[[Group], Any]] = {
    "count": lambda group: len(group.records),
    "created_at": lambda group: min((record.created_at for record in group.records), default=None),
    "updated_at": lambda group: max((record.updated_at for record in group.records), default=None),
}
