"""Records grouped by the values of their fields: counted, and with the earliest record of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.fields import Fields, Lanes, PayloadFields, lanes_of
from serai.records.filters import Filter, compile_filter, parse_filter
from serai.records.orders import LOC as ORDER_LOC
from serai.records.orders import OrderItem, SortKey, lane_keys, parse_order
from serai.records.paging import FIRST_PAGE, Page, bind, make_page_token, read_page_token, rows_after
from serai.records.paths import TIMESTAMPS, Path, PathError, parse_path
from serai.records.payload import Location
from serai.records.place import Place
from serai.records.render import render_group, render_items
from serai.records.shapes import Plan, Shape, shape_of
from serai.records.sources import (
    IncompleteError,
    Planner,
    Source,
    answer,
    check_whole,
    fetch_count,
    scope_of,
    source_of,
)
from serai.storage.connection import Database

MOST_PATHS = 100

# What the records are grouped by. Fenced off: PostgreSQL would take each payload for a group of its own, and sort them.
READ = "(select {read}, {times} from {table} where {condition} offset 0) as read"

# Groups with what is known of each.
GROUPS = "select {columns}, count(*) as count, {times} from {read} group by {by}"

# One page of groups, each with the earliest of its records: found through its time, which hardly two records share.
PAGE = """
with groups as ({groups}), page as (select * from groups where {after} order by {order} limit {limit} offset {offset})
select {keys}, earliest.* from page cross join lateral ({earliest}) as earliest order by {order}
"""
EARLIEST = (
    "select {shown} from records where {condition} and created_at = page.created_at and {same} order by id limit 1"
)
EARLIEST_BY_SLOTS = """
select {shown} from records where project_id = {project} and id = (
    select id from record_slots
    where {condition} and id in (select id from records where {scope} and created_at = page.created_at) and {same}
    order by id limit 1
)
"""

# How many groups there are.
COUNT_GROUPS = """
select count(*), {guard} as is_whole from (select from {read} group by {by}) as groups
"""

# All records as one group, which is there even when no record is.
WHOLE = "select count(*) as count, {guard} as is_whole, {first} as first_item from {table} where {condition}"
FIRST = """(
    select data::text from records where project_id = {project} and id = (
        select id from {table} where {condition} order by created_at, id limit 1
    )
)"""


_EXTREMES = {"created_at": "min(created_at) as created_at", "updated_at": "max(updated_at) as updated_at"}


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


async def aggregate(database: Database, planner: Planner, question: Aggregation) -> bytes:
    """Return one page of groups as JSON.

    Raises:
        InvalidFieldError: the filter, a path, the order or the page token is not valid.
    """
    terms = parse_filter(question.filter)
    paths = _parse_paths(question.group_by)
    order = parse_order(question.order_by)
    keys = _sort_keys(order, paths)
    binding = bind("aggregate", question.place, terms, order, tuple(question.group_by))

    async def ask(plan: Plan) -> bytes:
        arguments = Arguments()
        source = source_of(question.place, plan, arguments)
        condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
        if not paths:
            return await _whole(database, question, source, condition, arguments, keys, binding)
        return await _groups(database, question, source, condition, arguments, paths, keys, binding)

    return await answer(planner, question.place, _shape(terms, order, paths), ask)


async def _groups(
    database: Database,
    question: Aggregation,
    source: Source,
    condition: str,
    arguments: Arguments,
    paths: Sequence[Path],
    keys: Sequence[SortKey],
    binding: bytes,
) -> bytes:
    columns = [_columns_of(source.fields, path, index) for index, path in enumerate(paths)]
    times = ["created_at", "updated_at"] if source.table == "records" else ["created_at"]
    by = ", ".join(column.by for column in columns)
    read = READ.format(
        read=", ".join(column.read for column in columns),
        times=", ".join(times),
        table=source.table,
        condition=condition,
    )
    total = None
    if question.include_total:
        total = await fetch_count(database, COUNT_GROUPS.format(guard=source.guard, read=read, by=by), arguments)
    if not question.page.limit:
        return render_items([], next_page_token=None, total=total)
    after, offset = "true", question.page.offset
    if question.page.token is not None:
        after = " or ".join(rows_after(keys, read_page_token(question.page.token, keys, binding), arguments))
        offset = 0
    groups = GROUPS.format(
        columns=", ".join(column.columns for column in columns),
        times=", ".join(_EXTREMES[time] for time in times),
        read=read,
        by=by,
    )
    statement = PAGE.format(
        groups=groups,
        after=after,
        order=", ".join(key.clause for key in keys),
        limit=arguments.add(question.page.limit + 1, "bigint"),
        offset=arguments.add(offset, "bigint"),
        keys=", ".join(["page.count", *(f"{key.readable} as key_{index}" for index, key in enumerate(keys))]),
        earliest=_earliest(question, source, condition, arguments, paths, columns),
    )
    rows = await database.fetch(statement, *arguments.values)
    if not rows:
        await check_whole(database, source)
    limit = question.page.limit
    token = make_page_token(_ending(rows[limit - 1], keys), binding) if len(rows) > limit else None
    return render_items([_render(row, question) for row in rows[:limit]], next_page_token=token, total=total)


def _earliest(
    question: Aggregation,
    source: Source,
    condition: str,
    arguments: Arguments,
    paths: Sequence[Path],
    columns: Sequence[_GroupColumns],
) -> str:
    """Return the statement that finds the earliest record of the page's group."""
    fields = PayloadFields(arguments)
    shown = [f"{fields.value(path)}::text as shown_{index}" for index, path in enumerate(paths)]
    if question.first:
        shown.append("data::text as first_item")
    same = " and ".join(column.same for column in columns)
    if source.table == "records":
        return EARLIEST.format(shown=", ".join(shown), condition=condition, same=same)
    return EARLIEST_BY_SLOTS.format(
        shown=", ".join(shown),
        condition=condition,
        same=same,
        project=arguments.add(question.place.project_id, "text"),
        scope=scope_of(question.place, arguments),
    )


async def _whole(
    database: Database,
    question: Aggregation,
    source: Source,
    condition: str,
    arguments: Arguments,
    keys: Sequence[SortKey],
    binding: bytes,
) -> bytes:
    """Return the one group of all records that match."""
    if question.page.token is not None:
        read_page_token(question.page.token, keys, binding)
    total = 1 if question.include_total else None
    if question.page.token is not None or question.page.skip or not question.page.limit:
        return render_items([], next_page_token=None, total=total)
    first = "null"
    if question.first:
        project = arguments.add(question.place.project_id, "text")
        first = FIRST.format(project=project, table=source.table, condition=condition)
    statement = WHOLE.format(guard=source.guard, first=first, table=source.table, condition=condition)
    row = await database.fetchrow(statement, *arguments.values)
    assert row is not None
    if not row["is_whole"]:
        raise IncompleteError
    group = render_group({}, count=row["count"] if question.count else None, first_item=row["first_item"])
    return render_items([group], next_page_token=None, total=total)


@dataclass(frozen=True, slots=True)
class _GroupColumns:
    """What one path adds to the statement.

    Attributes:
        read: what is read of each record.
        by: what to group by.
        columns: what the group then has: the lanes of the value, and the value itself if it is an array or an object.
        same: the condition that a record belongs to the page's group.
    """

    read: str
    by: str
    columns: str
    same: str


def _columns_of(fields: Fields, path: Path, index: int) -> _GroupColumns:
    names = _lanes_of_group(index)
    if not isinstance(fields, PayloadFields):
        pairs = list(zip(fields.lanes(path), names, strict=True))
        return _GroupColumns(
            read=", ".join(f"{lane} as {name}" for lane, name in pairs),
            by=", ".join(names),
            columns=", ".join([*names, f"'null'::jsonb as rest_{index}"]),
            same=" and ".join(f"{lane} is not distinct from page.{name}" for lane, name in pairs),
        )
    # Two values are one group when jsonb says that they are equal: 1 and 1.0 are.
    value = f"coalesce({fields.value(path)}, 'null')"
    own = f"value_{index}"
    lanes = [f"{lane} as {name}" for lane, name in zip(lanes_of(own), names, strict=True)]
    rest = f"case when jsonb_typeof({own}) in ('array', 'object') then {own} else 'null' end as rest_{index}"
    return _GroupColumns(
        read=f"{value} as {own}", by=own, columns=", ".join([own, *lanes, rest]), same=f"{value} = page.{own}"
    )


def _shape(terms: Filter, order: Sequence[OrderItem], paths: Sequence[Path]) -> Shape:
    """Return what the question asks of the records' fields; it sorts groups, not records."""
    return shape_of(terms, [item for item in order if item.text in TIMESTAMPS], paths)


def _parse_paths(group_by: Sequence[str]) -> tuple[Path, ...]:
    if len(group_by) > MOST_PATHS:
        raise InvalidFieldError.of(
            ("body", "group_by"), f"more than {MOST_PATHS} paths: group by fewer", kind="too_long"
        )
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
            keys.extend(lane_keys(_lanes_of_group(index), descending=item.descending))
            ordered.add(index)
        elif item.text in TIMESTAMPS or item.text == "count":
            keys.append(SortKey(item.text, "bigint" if item.text == "count" else "timestamptz", item.descending))
        else:
            names = ", ".join([".".join(path.segments) for path in paths] + ["count", *TIMESTAMPS])
            msg = f"{item.text!r} is not grouped by; groups can be ordered by {names}"
            raise InvalidFieldError.of(ORDER_LOC, msg, kind="order_unknown", given=item.text)
    for index in range(len(paths)):
        if index not in ordered:
            keys.extend(lane_keys(_lanes_of_group(index), descending=False))
    # Arrays and objects are equal above; jsonb's own order tells them apart.
    keys.extend(SortKey(f"rest_{index}", "jsonb", descending=False) for index in range(len(paths)))
    return tuple(keys)


def _lanes_of_group(index: int) -> Lanes:
    return Lanes(*(f"{lane}_{index}" for lane in Lanes._fields))


def _ending(row: asyncpg.Record, keys: Sequence[SortKey]) -> list[object]:
    return [row[f"key_{index}"] for index in range(len(keys))]


def _render(row: asyncpg.Record, question: Aggregation) -> bytes:
    return render_group(
        {name: row[f"shown_{index}"] for index, name in enumerate(question.group_by)},
        count=row["count"] if question.count else None,
        first_item=row["first_item"] if question.first else None,
    )
