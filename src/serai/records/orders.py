"""Orders of records: from `order_by` to sort keys that make a total order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from serai.errors import InvalidFieldError
from serai.records.fields import Fields, Lanes
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.payload import Location

LOC: Location = ("body", "order_by")
MOST_ITEMS = 100
_SEGMENT = r'(?:"(?:[^"]|"")*"|[^".,\s][^.,\s]*)'
_ITEM = re.compile(rf"\s*({_SEGMENT}(?:\.{_SEGMENT})*)(?:\s+(asc|desc))?\s*(,|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OrderItem:
    """What to order by, as written and as a path (a timestamp's name is a path, too), and which way."""

    text: str
    path: Path
    descending: bool


@dataclass(frozen=True, slots=True)
class SortKey:
    """One expression of an ``order by``.

    Attributes:
        sql: the expression.
        type: its type in SQL.
        descending: greatest first.
        has_nulls: it may be null, which comes last either way; otherwise it is null for all that the keys before hold
            equal or for none of them.
    """

    sql: str
    type: str
    descending: bool
    has_nulls: bool = False

    @property
    def readable(self) -> str:
        """The expression as a page token can hold it."""
        return f"{self.sql}::text" if self.type in ("numeric", "jsonb") else self.sql

    @property
    def clause(self) -> str:
        """The item of the ``order by``."""
        last = " nulls last" if self.has_nulls or self.type in ("numeric", 'text collate "C"') else ""
        return f"{self.sql}{' desc' if self.descending else ''}{last}"


def parse_order(text: str | None) -> tuple[OrderItem, ...]:
    """Return the items of an `order_by`; the first counts of those that name one field.

    Raises:
        InvalidFieldError: it breaks the grammar.
    """
    if text is None or not text.strip():
        return ()
    items: dict[tuple[str, ...], OrderItem] = {}
    position = 0
    for _ in range(MOST_ITEMS):
        match = _ITEM.match(text, position)
        if match is None:
            rest = text[position:].strip()[:50]
            msg = f"not an order at {rest!r}: write paths, each with asc, desc or nothing, separated by commas"
            raise _malformed(text, msg)
        position = match.end()
        item = OrderItem(match[1], _parse_path(match[1], text), (match[2] or "").lower() == "desc")
        name = (item.text, "") if item.text in TIMESTAMPS else item.path.segments
        items.setdefault(name, item)
        if not match[3]:
            return tuple(items.values())
    raise _malformed(text, f"more than {MOST_ITEMS} paths: order by fewer")


def sort_keys(order: tuple[OrderItem, ...], fields: Fields) -> tuple[SortKey, ...]:
    """Return the keys of a total order: the items', then insertion, newest first unless `created_at` rises."""
    keys: list[SortKey] = []
    rises = False
    for item in order:
        if item.text in TIMESTAMPS:
            keys.append(SortKey(item.text, "timestamptz", item.descending))
            rises = rises or (item.text == "created_at" and not item.descending)
        else:
            keys.extend(lane_keys(fields.lanes(item.path), descending=item.descending))
    if all(key.sql != "created_at" for key in keys):
        keys.append(SortKey("created_at", "timestamptz", descending=True))
    return (*keys, SortKey("id", "text", descending=not rises))


def lane_keys(lanes: Lanes, *, descending: bool) -> tuple[SortKey, ...]:
    """Return the keys of one field."""
    return (
        SortKey(lanes.kind, "smallint", descending, has_nulls=True),
        SortKey(lanes.number, "numeric", descending),
        SortKey(lanes.text, 'text collate "C"', descending),
    )


def _parse_path(path: str, order: str) -> Path:
    try:
        return parse_path(path)
    except PathError as error:
        raise _malformed(order, str(error)) from error


def _malformed(order: str, msg: str) -> InvalidFieldError:
    return InvalidFieldError.of(LOC, msg, kind="order_syntax", given=order)
