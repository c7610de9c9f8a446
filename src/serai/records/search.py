"""One page of the records that match a filter, in any order, and how many match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from serai.records.arguments import Arguments
from serai.records.filters import Filter, compile_filter, parse_filter
from serai.records.orders import OrderItem, SortKey, parse_order, sort_keys
from serai.records.paging import FIRST_PAGE, Page, bind, make_page_token, read_page_token, rows_after
from serai.records.place import Place
from serai.records.render import microseconds, render_found, render_items
from serai.records.shapes import Plan, SlotPlan, shape_of
from serai.records.sources import Planner, answer, check_whole, fetch_count, source_of
from serai.storage.connection import Database

COLUMNS = ", ".join(
    [
        "records.id",
        "records.data::text",
        f"{microseconds('records.created_at')} as created",
        f"{microseconds('records.updated_at')} as updated",
    ]
)
_PLAIN = {"id": "id", "created_at": "created", "updated_at": "updated"}

# One page of a collection.
PAGE = "select {columns} from records where {condition} order by {order} limit {limit}"

# One page, whose sort keys come first: what an offset leaves out is then index entries, not rows.
PAGE_OF_KEYS = """
select {columns} from (select * from ({ranges}) as ranges limit {limit}) as page
join records on records.project_id = {project} and records.id = {id}
order by {order}
"""
RANGE = "(select {keys} from {table} where {condition} order by {order} limit {limit} offset {offset})"

# How many records match.
COUNT = "select count(*), {guard} as is_whole from {table} where {condition}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A question for one page of records.

    Attributes:
        place: the collection to look in.
        filter: JSON of the filter; null finds all.
        order_by: None is the newest first.
        page: which page.
        include_total: count all matches, too.
    """

    place: Place
    filter: bytes = b"null"
    order_by: str | None = None
    page: Page = FIRST_PAGE
    include_total: bool = False


async def search(database: Database, planner: Planner, question: Search) -> bytes:
    """Return one page of records as JSON.

    Raises:
        InvalidFieldError: the filter, the order or the page token is not valid.
    """
    terms = parse_filter(question.filter)
    order = parse_order(question.order_by)
    return await answer(
        planner, question.place, shape_of(terms, order), lambda plan: _search(database, question, terms, order, plan)
    )


async def _search(
    database: Database, question: Search, terms: Filter, order: tuple[OrderItem, ...], plan: Plan
) -> bytes:
    arguments = Arguments()
    source = source_of(question.place, plan, arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    total = None
    if question.include_total:
        statement = COUNT.format(guard=source.guard, table=source.table, condition=condition)
        total = await fetch_count(database, statement, arguments)
    limit = question.page.limit
    if not limit:
        return render_items([], next_page_token=None, total=total)
    keys = sort_keys(order, source.fields)
    binding = bind("search", question.place, terms, order)
    ranges = ["true"]
    offset = question.page.offset
    if question.page.token is not None:
        ranges = rows_after(keys, read_page_token(question.page.token, keys, binding), arguments)
        offset = 0
    if not isinstance(plan, SlotPlan):
        ranges = [" or ".join(ranges)]
    parts = [f"{condition} and ({one})" for one in ranges]
    most = arguments.add(limit + 1, "bigint")  # one more tells whether another page follows
    if not isinstance(plan, SlotPlan) and not offset:
        statement = PAGE.format(columns=_columns(keys), condition=parts[0], order=_order(keys), limit=most)
    else:
        project = arguments.add(question.place.project_id, "text")
        skipped = arguments.add(offset, "bigint")
        statement = _page_of_keys(source.table, project, parts, keys, most, skipped)
    rows = await database.fetch(statement, *arguments.values)
    if not rows:
        await check_whole(database, source)
    token = make_page_token(_ending(rows[limit - 1], keys), binding) if len(rows) > limit else None
    return render_items(render_found(rows[:limit], question.place), next_page_token=token, total=total)


def _page_of_keys(
    table: str, project: str, ranges: Sequence[str], keys: Sequence[SortKey], limit: str, offset: str
) -> str:
    """Return the statement that reads ranges one after the other, each only if those before did not fill the page."""
    names = [replace(key, sql=f"page.key_{index}") for index, key in enumerate(keys)]
    selected = ", ".join(f"{key.sql} as key_{index}" for index, key in enumerate(keys))
    parts = [
        RANGE.format(keys=selected, table=table, condition=one, order=_order(keys), limit=limit, offset=offset)
        for one in ranges
    ]
    return PAGE_OF_KEYS.format(
        columns=_columns(keys, names),
        ranges=" union all ".join(parts),
        limit=limit,
        project=project,
        id=names[-1].sql,
        order=_order(names),
    )


def _columns(keys: Sequence[SortKey], names: Sequence[SortKey] | None = None) -> str:
    """Return the columns of a page: the record's, and those sort keys that are not among them."""
    extra = [
        f"{name.readable} as key_{index}"
        for index, (key, name) in enumerate(zip(keys, names or keys, strict=True))
        if key.sql not in _PLAIN
    ]
    return ", ".join([COLUMNS, *extra])


def _order(keys: Sequence[SortKey]) -> str:
    return ", ".join(key.clause for key in keys)


def _ending(row: asyncpg.Record, keys: Sequence[SortKey]) -> list[object]:
    return [row[_PLAIN.get(key.sql, f"key_{index}")] for index, key in enumerate(keys)]
