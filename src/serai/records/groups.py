"""Records grouped by the values of their fields: counted, and with the earliest record of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.fields import PayloadFields, lanes_of
from serai.records.filters import Filter, compile_filter, parse_filter
from serai.records.orders import LOC as ORDER_LOC
from serai.records.orders import OrderItem, SortKey, lane_keys, parse_order
from serai.records.paging import FIRST_PAGE, Page, bind, make_page_token, read_page_token, rows_after
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.payload import Location
from serai.records.place import Place
from serai.records.render import render_group, render_items
from serai.records.sources import records_of
from serai.storage.connection import Database

# Groups with what is known of each. Two values are one group when jsonb says that they are equal: 1 and 1.0 are.
GROUPS = """
select {values}, count(*) as count, min(created_at) as created_at, max(updated_at) as updated_at
from records where {condition} group by {values_only}
"""

# One page of groups, each with the earliest of its records: found through its time, which hardly two records share.
PAGE = """
with groups as ({groups}), page as (select * from groups where {after} order by {order} limit {limit} offset {offset})
select {columns}, earliest.*
from page cross join lateral (
    select {shown} from records where {condition} and records.created_at = page.created_at and {same}
    order by id limit 1
) as earliest
order by {order}
"""

# How many groups there are.
COUNT_GROUPS = "select count(*) from (select from records where {condition} group by {values_only}) as groups"

# All records as one group, which is there even when no record is.
WHOLE = """
select count(*) as count, {first} as first_item from records where {condition}
"""
EARLIEST = "(select data::text from records where {condition} order by created_at, id limit 1)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregation:
    """A question for one page of groups.

    Attributes:
        place: the collection to look in.
        filter: JSON of the filter that chooses the records; null chooses all.
        group_by: paths as written; none makes one group of all.
        order_by: None is by the groups' values.
        count: count the records of each group.
        first: give the payload of each group's earliest record.
        page: which page.
        include_total: count the groups, too.
    """

    place: Place
    filter: bytes = b"null"
    group_by: Sequence[str] = ()
    order_by: str | None = None
    count: bool = False
    first: bool = False
    page: Page = FIRST_PAGE
    include_total: bool = False


async def aggregate(database: Database, question: Aggregation) -> bytes:
    """Return one page of groups as JSON.

    Raises:
        InvalidFieldError: the filter, a path, the order or the page token is not valid.
    """
    terms = parse_filter(question.filter)
    paths = _parse_paths(question.group_by)
    order = parse_order(question.order_by)
    keys = _sort_keys(order, paths)
    binding = bind("aggregate", question.place, terms, order, tuple(question.group_by))
    if not paths:
        return await _whole(database, question, terms, keys, binding)
    arguments = Arguments()
    source = records_of(question.place, arguments)
    fields = PayloadFields(arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    values = [f"coalesce({fields.value(path)}, 'null')" for path in paths]
    total = None
    if question.include_total:
        statement = COUNT_GROUPS.format(condition=condition, values_only=", ".join(values))
        total = await database.fetchval(statement, *arguments.values)
    if not question.page.limit:
        return render_items([], next_page_token=None, total=total)
    after = "true"
    offset = question.page.offset
    if question.page.token is not None:
        ending = read_page_token(question.page.token, keys, binding)
        after = " or ".join(rows_after(keys, ending, arguments))
        offset = 0
    shown = [f"{fields.value(path)}::text as shown_{index}" for index, path in enumerate(paths)]
    if question.first:
        shown.append("data::text as first_item")
    statement = PAGE.format(
        groups=GROUPS.format(
            values=", ".join(f"{value} as value_{index}" for index, value in enumerate(values)),
            values_only=", ".join(values),
            condition=condition,
        ),
        after=after,
        order=", ".join(key.clause for key in keys),
        limit=arguments.add(question.page.limit + 1, "bigint"),
        offset=arguments.add(offset, "bigint"),
        columns=", ".join(["page.count", *(f"{key.readable} as key_{index}" for index, key in enumerate(keys))]),
        shown=", ".join(shown),
        condition=condition,
        same=" and ".join(f"{value} = page.value_{index}" for index, value in enumerate(values)),
    )
    rows = await database.fetch(statement, *arguments.values)
    limit = question.page.limit
    token = make_page_token(_ending(rows[limit - 1], keys), binding) if len(rows) > limit else None
    return render_items([_render(row, question) for row in rows[:limit]], next_page_token=token, total=total)


async def _whole(
    database: Database, question: Aggregation, terms: Filter, keys: Sequence[SortKey], binding: bytes
) -> bytes:
    """Return the one group of all records that match."""
    if question.page.token is not None:
        read_page_token(question.page.token, keys, binding)
    total = 1 if question.include_total else None
    if question.page.token is not None or question.page.skip or not question.page.limit:
        return render_items([], next_page_token=None, total=total)
    arguments = Arguments()
    source = records_of(question.place, arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    first = EARLIEST.format(condition=condition) if question.first else "null"
    row = await database.fetchrow(WHOLE.format(first=first, condition=condition), *arguments.values)
    assert row is not None
    group = render_group({}, count=row["count"] if question.count else None, first_item=row["first_item"])
    return render_items([group], next_page_token=None, total=total)


def _parse_paths(group_by: Sequence[str]) -> tuple[Path, ...]:
    paths: list[Path] = []
    for index, text in enumerate(group_by):
        loc: Location = ("body", "group_by", index)
        if text in TIMESTAMPS:
            msg = f"{text} cannot be grouped by; a payload's own member of that name is data.{text}"
            raise InvalidFieldError.of(loc, msg, kind="path_syntax", given=text)
        try:
            path = parse_path(text)
        except PathError as error:
            raise InvalidFieldError.of(loc, str(error), kind="path_syntax", given=text) from error
        if any(path.segments == other.segments for other in paths):
            raise InvalidFieldError.of(loc, f"{text!r} is grouped by twice", kind="path_repeated", given=text)
        paths.append(path)
    return tuple(paths)


def _sort_keys(order: Sequence[OrderItem], paths: Sequence[Path]) -> tuple[SortKey, ...]:
    """Return the keys of a total order of groups: the items', then the groups' values from the least on."""
    by_segments = {path.segments: index for index, path in enumerate(paths)}
    keys: list[SortKey] = []
    ordered = set()
    for item in order:
        index = None if item.text in TIMESTAMPS else by_segments.get(item.path.segments)
        if index is not None:
            keys.extend(lane_keys(lanes_of(f"value_{index}"), descending=item.descending))
            ordered.add(index)
        elif item.text in TIMESTAMPS or item.text == "count":
            keys.append(SortKey(item.text, "bigint" if item.text == "count" else "timestamptz", item.descending))
        else:
            names = ", ".join([".".join(path.segments) for path in paths] + ["count", *TIMESTAMPS])
            msg = f"{item.text!r} is not grouped by; groups can be ordered by {names}"
            raise InvalidFieldError.of(ORDER_LOC, msg, kind="order_unknown", given=item.text)
    for index in range(len(paths)):
        if index not in ordered:
            keys.extend(lane_keys(lanes_of(f"value_{index}"), descending=False))
    # Arrays and objects are equal above; jsonb's own order tells them apart.
    keys.extend(SortKey(f"value_{index}", "jsonb", descending=False) for index in range(len(paths)))
    return tuple(keys)


def _ending(row: asyncpg.Record, keys: Sequence[SortKey]) -> list[object]:
    return [row[f"key_{index}"] for index in range(len(keys))]


def _render(row: asyncpg.Record, question: Aggregation) -> bytes:
    return render_group(
        {name: row[f"shown_{index}"] for index, name in enumerate(question.group_by)},
        count=row["count"] if question.count else None,
        first_item=row["first_item"] if question.first else None,
    )
