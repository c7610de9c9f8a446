"""Orders: the grammar of ``order_by``, and what sorts by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.oracle.record import Record, read_field
from tests.oracle.refusal import RefusedError
from tests.oracle.values import RANKS, place_in_order

Sorted = TypeVar("Sorted")

_SEGMENT = r'(?:"(?:[^"]|"")+"|[^".,\s][^.,\s]*)'
_ITEM = re.compile(rf"\s*({_SEGMENT}(?:\.{_SEGMENT})*)(?:\s+(asc|desc))?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """One item of an order, its path as it was written."""

    path: str
    descending: bool


def read_order(text: str | None) -> list[Item]:
    """Return the items of an order; none for null and for a blank text.

    Raises:
        RefusedError: the text is not of the protocol's form.
    """
    if text is None or not text.strip():
        return []
    items = []
    at = 0
    while True:
        match = _ITEM.match(text, at)
        if match is None or text[match.end() :][:1] not in ("", ","):
            raise RefusedError(text)
        items.append(Item(match[1], (match[2] or "").lower() == "desc"))
        if match.end() == len(text):
            return items
        at = match.end() + 1


def sort_records(records: Sequence[Record], order_by: str | None) -> list[Record]:
    """Return records, given in the order of insertion, as an order wants them.

    Raises:
        RefusedError: the order is not of the protocol's form.
    """
    items = read_order(order_by)
    is_oldest_first = Item("created_at", descending=False) in items
    ordered = list(records if is_oldest_first else reversed(records))
    for item in reversed(items):
        ordered = sort_by(ordered, read_field(item.path), descending=item.descending)
    return ordered


def sort_by(things: Sequence[Sorted], value_of: Callable[[Sorted], Any], *, descending: bool) -> list[Sorted]:
    """Return things by one value of each, nulls last in both directions; those that tie stay as they were."""
    keyed = [(place_in_order(value_of(thing)), thing) for thing in things]
    present = [pair for pair in keyed if pair[0][0] != RANKS["null"]]
    absent = [thing for (rank, _), thing in keyed if rank == RANKS["null"]]
    present.sort(key=lambda pair: pair[0], reverse=descending)
    return [thing for _, thing in present] + absent
