"""Pages of memories: by project or user, filtered and searched, in either direction, with their totals.

A page reads the rows on it only. Totals are kept beside the memories; of a filtered list a thousand are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

from serai.domain.memories import MemoryRecord, tag_marks, text_marks
from serai.domain.search_text import fold
from serai.storage.connection import Database
from serai.storage.memory_rows import COLUMNS, record_of
from serai.storage.pages import FAR, Listing, far_page, far_page_by_days, first_page, first_rows

MOST_COUNTED: Final = 1000
SORTS: Final = ("updated_at", "created_at", "user_id")

Sort: TypeAlias = Literal["updated_at", "created_at", "user_id"]

# The second argument is the user; a list of all users has none.
_TOTALS: Final = {
    False: """
coalesce((select memories from memory_counts where project_id = $1 and $2::text is null), 0)
+ coalesce((select sum(memories) from usage_deltas where project_id = $1), 0)""",
    True: "coalesce((select memories from memory_users where project_id = $1 and user_id = $2), 0)",
}
_DAYS: Final = """
select day, memories as number from memory_days where project_id = $1
union all
select day, memories from usage_deltas where project_id = $1 and memories <> 0"""

_ORDERS: Final[dict[str, tuple[str, str]]] = {
    "updated_at": ("updated_at, id", "updated_at desc, id desc"),
    "created_at": ("id", "id desc"),
    "user_id": ("user_id, updated_at, id", "user_id desc, updated_at desc, id desc"),
}
_WHOSE: Final = {False: "project_id = $1 and $2::text is null", True: "project_id = $1 and user_id = $2"}
_CHECKS: Final = """
  and topics @> $3::text[] and ($4::text is null or agent_id = $4) and ($5::text is null or team_id = $5)
  and position($6::text in folded) > 0"""
_MARKED: Final = " and marks @> $7::integer[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """Which memories are wanted.

    Attributes:
        topics: a memory has all of them.
        search: a part of its text, in whatever case.
    """

    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    topics: Sequence[str] = ()
    search: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it asks for more than a user."""
        return bool(self.agent_id is not None or self.team_id is not None or self.topics or self.search)


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """A page of a list of memories.

    Attributes:
        total: how many the whole list has, or at least.
        is_exact: it has no more.
    """

    records: list[MemoryRecord]
    total: int
    is_exact: bool


async def list_memories(
    database: Database,
    project_id: str,
    wanted: MemoryFilter,
    *,
    sort: Sort = "updated_at",
    is_descending: bool = True,
    limit: int,
    offset: int,
    most_counted: int = MOST_COUNTED,
) -> MemoryPage:
    """Return a page of the memories of a project.

    Args:
        database: where they are.
        project_id: whose.
        wanted: which of them.
        sort: by what; what is equal comes in the order of the ids.
        is_descending: the greatest first.
        limit: the most on the page.
        offset: how many come before it.
        most_counted: of a filtered list no more are counted, and a list of no more is looked at one by one.

    Cost: the page, and what lies between it and the nearer end of the list, or of a day, which is walked in an index.
    """
    order = _Order(wanted.user_id is not None, sort, is_descending)
    if not wanted.is_narrow:
        return await _list_whole(database, (project_id, wanted.user_id), order, limit=limit, offset=offset)
    async with database.connection() as connection:
        total: int = await connection.fetchval(_count(order.is_of_user), project_id, wanted.user_id)
        folded = fold(wanted.search)
        arguments = (project_id, wanted.user_id, wanted.topics, wanted.agent_id, wanted.team_id, folded)
        # Few enough are looked at one by one; else the marks tell which.
        marks = _marks(project_id, wanted, folded) if total > most_counted else set()
        given = (*arguments, marks) if marks else arguments
        found = await connection.fetchrow(_find(order, bool(marks)), *given, most_counted + 1, limit, offset)
        assert found is not None  # it counts
        if found["total"] <= most_counted:
            rows = await connection.fetch(_read(order), project_id, found["ids"])
            return MemoryPage([record_of(row) for row in rows], found["total"], is_exact=True)
        # So many that the next ones in order are soon found.
        rows = await connection.fetch(_common(order), *arguments, limit, offset)
        return MemoryPage([record_of(row) for row in rows], most_counted, is_exact=False)


class _Order(NamedTuple):
    """Whose memories in which order; a part of each statement."""

    is_of_user: bool
    sort: Sort
    is_descending: bool

    @property
    def sql(self) -> str:
        return _ORDERS[self.sort][self.is_descending]

    @property
    def has_days(self) -> bool:
        """Whether it is known how many memories of such a list were last changed on each day."""
        return self.sort == "updated_at" and not self.is_of_user


async def _list_whole(
    database: Database, whose: tuple[str, str | None], order: _Order, *, limit: int, offset: int
) -> MemoryPage:
    if not offset:
        rows = await database.fetch(_first(order, first_rows(limit)), *whose)
    elif order.has_days:
        rows = await database.fetch(_far_by_days(order), *whose, limit, offset, FAR)
    else:
        rows = await database.fetch(_far(order), *whose, limit, offset)
    records = [record_of(row) for row in rows[:limit] if row["id"] is not None]
    return MemoryPage(records, rows[0]["total"], is_exact=True)


def _marks(project_id: str, wanted: MemoryFilter, folded: str) -> set[int]:
    return text_marks(project_id, folded) | tag_marks(project_id, wanted.topics, wanted.agent_id, wanted.team_id)


@cache
def _count(is_of_user: bool) -> str:
    return f"select {_TOTALS[is_of_user]}"


@cache
def _first(order: _Order, most: int) -> str:
    return first_page(_listing(order), total=_TOTALS[order.is_of_user], most=most)


@cache
def _far(order: _Order) -> str:
    return far_page(_listing(order), total=_TOTALS[order.is_of_user], limit="$3::bigint", offset="$4::bigint")


@cache
def _far_by_days(order: _Order) -> str:
    return far_page_by_days(
        _listing(order),
        total=_TOTALS[order.is_of_user],
        limit="$3::bigint",
        offset="$4::bigint",
        at="updated_at",
        is_descending=order.is_descending,
        days=_DAYS,
        least="$5::bigint",
    )


def _listing(order: _Order) -> Listing:
    return Listing(
        table="memories",
        where=_WHOSE[order.is_of_user],
        columns=COLUMNS,
        sorted_by="id, user_id, updated_at",
        order=order.sql,
        reverse=order._replace(is_descending=not order.is_descending).sql,
    )


@cache
def _common(order: _Order) -> str:
    """Return the statement that walks to a page: the ids are found in an index alone, and then their rows are read."""
    return f"""
with page as materialized (
    select id from memories where {_WHOSE[order.is_of_user]}{_CHECKS}
    order by {order.sql} limit $7 offset $8
)
select {COLUMNS} from memories where project_id = $1 and id in (select id from page)
order by {order.sql}"""  # noqa: S608 - our own text


@cache
def _find(order: _Order, is_marked: bool) -> str:
    """Return the statement that finds what is wanted, up to a number, and the ids of a page of it."""
    checks, last = (_CHECKS + _MARKED, 7) if is_marked else (_CHECKS, 6)
    return f"""
with found as materialized (
    select id, user_id, updated_at from memories where {_WHOSE[order.is_of_user]}{checks} limit ${last + 1}
)
select (select count(*) from found) as total,
       array(select id from found order by {order.sql} limit ${last + 2} offset ${last + 3}) as ids"""  # noqa: S608


@cache
def _read(order: _Order) -> str:
    return f"select {COLUMNS} from memories where project_id = $1 and id = any($2) order by {order.sql}"  # noqa: S608
