"""Random questions to a collection whose records are known: filters, orders, groups and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.oracle.filters import LISTS, OPERATORS
from tests.oracle.paths import read_path
from tests.oracle.payloads import Names, member_names, names, scalars, scalars_in
from tests.oracle.record import TIMESTAMPS, Record

PAGES = st.fixed_dictionaries(
    {},
    optional={
        "page_size": st.sampled_from((None, 0, 1, 2, 3, 5, 1000, 5000)),
        "offset": st.sampled_from((None, 0, 1, 2, 7, 100)),
        "include_total": st.sampled_from((None, True, False)),
    },
)
BROKEN_FILTERS: Sequence[dict[str, Any]] = (
    {"broken": {"contains": "a"}},
    {"broken": {"EQ": 1}},
    {"broken": {"eq": 1, "": 1}},
    {"broken": {"eq": [1]}},
    {"broken": {"lte": {}}},
    {"broken": {"includes": "a"}},
    {"broken": {"excludes": [1, [2]]}},
    {"broken": {"includes": [{}]}},
    {"broken": 1},
    {"broken": None},
    {"broken": ["eq", 1]},
    {"": {"eq": 1}},
    {".broken": {"eq": 1}},
    {"broken.": {"eq": 1}},
    {"broken..a": {"eq": 1}},
    {"data.": {"eq": 1}},
    {'"broken': {"eq": 1}},
    {'"broken"a': {"eq": 1}},
    {'data."broken""': {"eq": 1}},
    {"created_at": {"gt": 0}},
    {"created_at": {"ne": False}},
    {"updated_at": {"eq": ""}},
    {"updated_at": {"excludes": ["now"]}},
    {"updated_at": {"lt": "2024-13-01"}},
    {"created_at": {"lt": "2024-01-01T25:00:00"}},
)
BROKEN_ORDERS = (
    ",",
    "{},",
    ",{}",
    "{},,created_at",
    "{} up",
    "{} desc asc",
    "{}, data.",
    "{}, .a",
    "{}, a.",
    '{}, "a',
    '{}, "a"b',
)
_DIRECTIONS = ("", "", " asc", " DESC", "\tdesc", "  Desc ")


@dataclass(frozen=True)
class Known:
    """What questions are made of: where the members of records are, and what they hold."""

    records: Sequence[Record]
    names: Sequence[Names]
    scalars: Sequence[Any]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Known:
        """Return what is known of records."""
        found = [way for record in records for way in member_names(record.data)]
        shallow = [way for way in found if len(way) == 1]
        return cls(records, [*found, *shallow, *shallow, ("v",)], list(scalars_in([record.data for record in records])))

    def operands(self, field: str) -> st.SearchStrategy[Any]:
        """Return operands for a field: most often what some record has there, else what is anywhere."""
        path = read_path(field)
        there = list(scalars_in([path.find(record.data) for record in self.records]))
        return st.one_of(*[st.sampled_from(pool) for pool in (there, there, self.scalars) if pool], scalars)


def spell(way: Names, *, prefix: bool, quoted: bool = False, in_order: bool = False) -> str:
    """Return a path as text, quoted where it must be; other paths than the payload's are never meant by it."""
    is_prefix = not prefix and len(way) > 1 and way[0] == "data"
    special = {way[0]} if is_prefix or (not prefix and len(way) == 1 and way[0] in TIMESTAMPS) else set()
    segments = [
        '"' + name.replace('"', '""') + '"' if quoted or name in special or _needs_quotes(name, in_order) else name
        for name in way
    ]
    return ".".join(["data", *segments] if prefix else segments)


def _needs_quotes(name: str, in_order: bool) -> bool:
    return name.startswith('"') or "." in name or (in_order and ("," in name or " " in name))


@st.composite
def paths(draw: st.DrawFn, known: Known, *, in_order: bool = False) -> str:
    """Draw a path, most often of a member that some record has."""
    way = draw(st.sampled_from(known.names))
    if draw(st.integers(0, 9)) == 9:
        way = (*way[:2], draw(names))
    if way[0] == "data" and len(way) > 1 and draw(st.booleans()):
        return spell(way[1:], prefix=True, in_order=in_order)  # found by way of the payload's own member
    prefix = draw(st.booleans())
    quoted = draw(st.integers(0, 5)) == 5 and way[0] != "data"
    return spell(way, prefix=prefix, quoted=quoted, in_order=in_order)


@st.composite
def instants(draw: st.DrawFn, known: Known) -> str:
    """Draw an instant at, just before or just after one of the records' own, in one of the forms it may have."""
    record = draw(st.sampled_from(known.records))
    instant = getattr(record, draw(st.sampled_from(TIMESTAMPS))) + draw(st.sampled_from((0, 0, 1, -1, 1000, -1000)))
    zone, minutes = draw(st.sampled_from((("", 0), ("Z", 0), ("+00:00", 0), ("+05:30", 330), ("-08:00", -480))))
    second, nanosecond = divmod(instant, 10**9)
    local = datetime.fromtimestamp(second, UTC) + timedelta(minutes=minutes)
    if draw(st.integers(0, 5)) == 5:
        return f"{local:%Y-%m-%d}"
    fraction = f".{nanosecond:09}" if draw(st.booleans()) else f".{nanosecond:09}".rstrip("0.")
    return f"{local:%Y-%m-%d}{draw(st.sampled_from('T '))}{local:%H:%M:%S}{fraction}{zone}"


@st.composite
def filters(draw: st.DrawFn, known: Known) -> dict[str, Any] | None:
    """Draw a filter, most often with one condition."""
    wanted: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from((1, 1, 1, 1, 1, 1, 2, 3, 0)))):
        if draw(st.integers(0, 5)) == 5:
            field = draw(st.sampled_from(TIMESTAMPS))
            operands: st.SearchStrategy[Any] = instants(known) | st.none()
        else:
            field = draw(paths(known))
            operands = known.operands(field)
        operators = draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=draw(st.sampled_from((1, 1, 1, 2)))))
        some = st.lists(operands, min_size=1, max_size=3)
        lists = st.one_of(some, some, some, st.just([]))
        wanted[field] = {name: draw(lists if name in LISTS else operands) for name in operators}
    return wanted or draw(st.sampled_from((None, {}, {"v": {}})))


@st.composite
def orders(draw: st.DrawFn, known: Known) -> str | None:
    """Draw an order of up to three fields, none of them twice."""
    member = paths(known, in_order=True)
    fields = st.one_of(member, member, st.sampled_from(TIMESTAMPS))
    smallest = draw(st.sampled_from((1, 1, 1, 0)))
    chosen = draw(
        st.lists(
            fields, min_size=smallest, max_size=3, unique_by=lambda text: text in TIMESTAMPS or read_path(text).names
        )
    )
    return _joined(draw, chosen) or draw(st.sampled_from((None, "", " ")))


@st.composite
def groupings(draw: st.DrawFn, known: Known) -> dict[str, Any]:
    """Draw the paths of groups, and an order of the groups."""
    smallest = draw(st.sampled_from((1, 1, 1, 1, 0)))
    group_by = draw(st.lists(paths(known), min_size=smallest, max_size=3, unique_by=lambda text: read_path(text).names))
    respelled = [
        spell(read_path(text).names, prefix=prefix, in_order=True) for text in group_by for prefix in (False, True)
    ]
    items = draw(st.lists(st.sampled_from(["count", *TIMESTAMPS, *respelled]), max_size=3, unique=True))
    return {
        "group_by": group_by or draw(st.sampled_from((None, []))),
        "order_by": _joined(draw, items) or None,
        "count": draw(st.sampled_from((None, True, True))),
        "first": draw(st.sampled_from((None, True, True))),
    }


def _joined(draw: st.DrawFn, items: Sequence[str]) -> str:
    comma = draw(st.sampled_from((",", ", ", " , ")))
    return comma.join(item + draw(st.sampled_from(_DIRECTIONS)) for item in items)
