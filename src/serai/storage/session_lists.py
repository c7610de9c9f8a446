"""Lists of sessions: pages in any order, how many there are, and those that are called so. Never reads a run.

The texts are made of the parts below by what is asked, never of what a caller wrote: values are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from functools import cache
from typing import Any, Final, NamedTuple

import asyncpg

from serai.domain.search_text import fold, pieces_to_find
from serai.domain.sessions import SessionPage, SessionQuestion, SessionRecord
from serai.storage.connection import Database
from serai.storage.pages import FAR, Listing, far_page, far_page_by_days, first_page, first_rows

MOST_COUNTED: Final = 1000
"""How many a search counts."""

ORDERS: Final = {
    "created_at": "created_at {d}, id {d}",
    "updated_at": "updated_at {d}, id {d}",
    "session_id": "id {d}",
    "session_name": "coalesce(nullif(name, ''), first_message, '') {d}, id {d}",
}
"""The orders there are; only the first and the third read no more than the page when there are many sessions."""

COLUMNS: Final = """
id, user_id, kind, component_id, name, first_message, state, metadata, summary, input_tokens, output_tokens,
first_run_key is not null as has_runs, created_at, updated_at"""
"""What a `SessionRecord` is made of, in its order."""

_WIDTH: Final = len(SessionRecord._fields)

_SORTED_BY: Final = "id, created_at, updated_at, name, first_message"

# How many sessions a list has: those that were counted, and those whose deltas are not folded yet.
_TOTAL = """
coalesce((select sessions from session_counts where project_id = $1 and {counted}), 0)
+ coalesce((select sum(listed) from usage_deltas where project_id = $1{filters}), 0)"""

_ONLY_TOTAL = "select {total} as total"

# How many sessions were made on each day.
_DAYS = """
select day, sessions as number from session_days where project_id = $1 and {counted_days}
union all
select day, listed from usage_deltas where project_id = $1{filters}"""

# Sessions whose name holds a text: of all in a list, or of all names, by the index of pieces if the text has any.
_WALKED = """
select {sorted_by} from sessions cross join lateral (
    select from session_names
    where project_id = $1 and session_id = sessions.id and strpos(folded, {text}) > 0 offset 0) as named
where project_id = $1{filters}"""
_FOUND = """
select sessions.* from session_names cross join lateral (
    select {sorted_by} from sessions
    where project_id = $1 and id = session_names.session_id{filters} offset 0) as sessions
where session_names.project_id = $1{indexed} and strpos(folded, {text}) > 0"""

# A page of some that were found, and how many those are.
_SEARCH = """
with matched as materialized ({matched} limit {most}), page as (
    select id from matched order by {order} limit {limit} offset {offset}
)
select total, page.*
from (select count(*) as total from matched) as counted left join lateral (
    select stored.* from page cross join lateral (
        select {columns} from sessions where project_id = $1 and sessions.id = page.id offset 0) as stored
) as page on true
order by {order}"""

# A page of what many sessions are called: found in the list's own order.
_COMMON = """
select page.* from ({matched} order by {order} limit {limit} offset {offset}) as found cross join lateral (
    select {columns} from sessions where project_id = $1 and sessions.id = found.id offset 0) as page
order by {order}"""


class _Shape(NamedTuple):
    """What the text of a statement depends on."""

    filters: tuple[str, ...]
    column: str
    is_descending: bool

    @property
    def has_days(self) -> bool:
        """Whether it is known how many sessions of such a list were made on each day."""
        return self.column == "created_at" and "user_id" not in self.filters


class _Source(Enum):
    """Where a search looks."""

    LIST = auto()
    NAMES = auto()
    INDEX = auto()


class SessionLists:
    """The statements about lists of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, question: SessionQuestion) -> SessionPage:
        """Return a page of sessions.

        Cost without a search: by creation or id, the page and what lies between it and the nearer end of the list; by
        creation and of all users, no more than the days and one of them. The more of a list's sessions are called as
        asked, the less a search reads.
        """
        if question.text:
            return await self._search(question)
        filters = question.filters
        shape = _Shape(tuple(filters), question.column, question.is_descending)
        values = (question.project_id, *filters.values())
        if not question.offset:
            rows = await self._database.fetch(_first(shape, first_rows(question.limit)), *values)
        elif shape.has_days:
            rows = await self._database.fetch(_far_by_days(shape), *values, question.limit, question.offset, FAR)
        else:
            rows = await self._database.fetch(_far(shape), *values, question.limit, question.offset)
        return SessionPage(_records(rows)[: question.limit], rows[0]["total"])

    async def _search(self, question: SessionQuestion) -> SessionPage:
        filters = question.filters
        shape = _Shape(tuple(filters), question.column, question.is_descending)
        text = fold(question.text or "")
        values = (question.project_id, *filters.values(), question.limit, question.offset, text)
        pieces = pieces_to_find(text)
        source = _Source.LIST
        if await self._count(question) > MOST_COUNTED:
            source = _Source.INDEX if pieces else _Source.NAMES
        asked = (*values, pieces) if source is _Source.INDEX else values
        rows = await self._database.fetch(_search(shape, source), *asked)
        total: int = rows[0]["total"]
        if total <= MOST_COUNTED:
            return SessionPage(_records(rows), total)
        rows = await self._database.fetch(_common(shape), *values)
        return SessionPage(_records(rows), MOST_COUNTED, is_exact=False)

    async def _count(self, question: SessionQuestion) -> int:
        filters = question.filters
        count: int = await self._database.fetchval(
            _ONLY_TOTAL.format(total=_total(tuple(filters))), question.project_id, *filters.values()
        )
        return count


def _records(rows: Sequence[asyncpg.Record]) -> list[SessionRecord]:
    return [SessionRecord(*row[-_WIDTH:]) for row in rows if row["id"] is not None]


@cache
def _first(shape: _Shape, most: int) -> str:
    return first_page(_listing(shape), total=_total(shape.filters), most=most)


@cache
def _far(shape: _Shape) -> str:
    parts = _parts(shape)
    return far_page(_listing(shape), total=parts["total"], limit=parts["limit"], offset=parts["offset"])


@cache
def _far_by_days(shape: _Shape) -> str:
    parts = _parts(shape)
    return far_page_by_days(
        _listing(shape),
        total=parts["total"],
        limit=parts["limit"],
        offset=parts["offset"],
        at="created_at",
        is_descending=shape.is_descending,
        days=_DAYS.format(**parts, counted_days=_counted(shape.filters, "kind", "component_id")),
        least=parts["least"],
    )


def _listing(shape: _Shape) -> Listing:
    parts = _parts(shape)
    where = "project_id = $1" + parts["filters"]
    given = {name: parts[name] for name in ("columns", "sorted_by", "order", "reverse")}
    return Listing(table="sessions", where=where, **given)


@cache
def _search(shape: _Shape, source: _Source) -> str:
    parts = _parts(shape)
    indexed = " and pieces @> {pieces}".format(**parts) if source is _Source.INDEX else ""
    matched = _WALKED.format(**parts) if source is _Source.LIST else _FOUND.format(**parts, indexed=indexed)
    return _SEARCH.format(**parts, matched=matched, most=MOST_COUNTED + 1)


@cache
def _common(shape: _Shape) -> str:
    parts = _parts(shape)
    return _COMMON.format(**parts, matched=_WALKED.format(**parts))


def _parts(shape: _Shape) -> dict[str, Any]:
    """Return the parts of statements; the arguments are the project, the filters, and what else there is in order."""
    number = len(shape.filters) + 2
    order = ORDERS[shape.column]
    return {
        "total": _total(shape.filters),
        "columns": COLUMNS,
        "sorted_by": _SORTED_BY,
        "filters": _filters(shape.filters),
        "order": order.format(d="desc" if shape.is_descending else "asc"),
        "reverse": order.format(d="asc" if shape.is_descending else "desc"),
        "limit": f"${number}::bigint",
        "offset": f"${number + 1}::bigint",
        "least": f"${number + 2}::bigint",
        "text": f"${number + 2}::text",
        "pieces": f"${number + 3}::text[]",
    }


@cache
def _total(filters: tuple[str, ...]) -> str:
    return _TOTAL.format(
        counted=_counted(filters, "user_id", "kind", "component_id"),
        filters=_filters(filters),
    )


def _counted(filters: tuple[str, ...], *columns: str) -> str:
    return " and ".join(
        f"{name} = ${filters.index(name) + 2}" if name in filters else f"{name} is null" for name in columns
    )


def _filters(filters: tuple[str, ...]) -> str:
    return "".join(f" and {name} = ${number}" for number, name in enumerate(filters, 2))
