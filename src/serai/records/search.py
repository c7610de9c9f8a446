"""One page of the records that match a filter, in any order, and how many match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from serai.records.arguments import Arguments
from serai.records.filters import compile_filter, parse_filter
from serai.records.orders import SortKey, parse_order, sort_keys
from serai.records.paging import FIRST_PAGE, Page, bind, make_page_token, read_page_token, rows_after
from serai.records.place import Place
from serai.records.render import microseconds, render_found, render_items
from serai.records.sources import records_of
from serai.storage.connection import Database

COLUMNS = f"id, data::text, {microseconds('created_at')} as created, {microseconds('updated_at')} as updated"
_PLAIN = {"id": "id", "created_at": "created", "updated_at": "updated"}

# One page of a collection. With an offset the ids come first: what is skipped is then index entries, not rows.
PAGE = "select {columns} from records where {condition} order by {order} limit {limit}"
DEEP_PAGE = """
select {columns} from records
join (select project_id, id from records where {condition} order by {order} limit {limit} offset {offset}) as page
using (project_id, id) order by {order}
"""

# How many records match.
COUNT = "select count(*) from records where {condition}"


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


async def search(database: Database, question: Search) -> bytes:
    """Return one page of records as JSON.

    Raises:
        InvalidFieldError: the filter, the order or the page token is not valid.
    """
    terms = parse_filter(question.filter)
    order = parse_order(question.order_by)
    arguments = Arguments()
    source = records_of(question.place, arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    total = None
    if question.include_total:
        total = await database.fetchval(COUNT.format(condition=condition), *arguments.values)
    if not question.page.limit:
        return render_items([], next_page_token=None, total=total)
    keys = sort_keys(order, source.fields)
    binding = bind("search", question.place, terms, order)
    offset = question.page.offset
    if question.page.token is not None:
        ending = read_page_token(question.page.token, keys, binding)
        condition += f" and ({' or '.join(rows_after(keys, ending, arguments))})"
        offset = 0
    statement = (DEEP_PAGE if offset else PAGE).format(
        columns=", ".join([COLUMNS, *_extra_columns(keys)]),
        condition=condition,
        order=", ".join(key.clause for key in keys),
        # One more than the page: it tells whether another follows.
        limit=arguments.add(question.page.limit + 1, "bigint"),
        offset=arguments.add(offset, "bigint") if offset else "",
    )
    rows = await database.fetch(statement, *arguments.values)
    limit = question.page.limit
    token = make_page_token(_ending(rows[limit - 1], keys), binding) if len(rows) > limit else None
    return render_items(render_found(rows[:limit], question.place), next_page_token=token, total=total)


def _extra_columns(keys: Sequence[SortKey]) -> list[str]:
    return [f"{key.readable} as key_{index}" for index, key in enumerate(keys) if key.sql not in _PLAIN]


def _ending(row: asyncpg.Record, keys: Sequence[SortKey]) -> list[object]:
    return [row[_PLAIN.get(key.sql, f"key_{index}")] for index, key in enumerate(keys)]
