"""Pages of memories: by project or user, filtered and searched, in either direction, with their totals.

A page reads the rows on it only. Totals are kept beside the memories; of a filtered list ten thousand are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from serai.domain.memories import MemoryRecord, fold, tag_marks, text_marks
from serai.storage.connection import Connection, Database
from serai.storage.memory_rows import COLUMNS, record_of

MOST_COUNTED: Final = 10_000
SORTS: Final = ("updated_at", "created_at", "user_id")

Sort: TypeAlias = Literal["updated_at", "created_at", "user_id"]
_Way: TypeAlias = Literal["plain", "checked", "marked"]

_COUNT_ALL = "select coalesce(sum(memories), 0)::bigint from memory_counts where project_id = $1"
_COUNT_OF_USER = "select memories from memory_users where project_id = $1 and user_id = $2"

_ORDERS: Final[dict[str, tuple[str, str]]] = {
    "updated_at": ("updated_at, id", "updated_at desc, id desc"),
    "created_at": ("id", "id desc"),
    "user_id": ("user_id, updated_at, id", "user_id desc, updated_at desc, id desc"),
}
# The first two parameters are the project and the user; a list of all users ignores the second.
_WHOSE: Final = {False: "project_id = $1 and ($2::text is null)", True: "project_id = $1 and user_id = $2"}
_CHECKS: Final = """
  and topics @> $3::text[] and ($4::text is null or agent_id = $4) and ($5::text is null or team_id = $5)
  and position($6::text in folded) > 0"""
_CONDITIONS: Final[dict[_Way, str]] = {
    "plain": "",
    "checked": _CHECKS,  # row by row, in the order of the list
    "marked": _CHECKS + " and marks @> $7::integer[]",  # found by the index of marks
}

_PARAMETERS: Final[dict[_Way, int]] = {"plain": 2, "checked": 6, "marked": 7}


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

    Cost: the page and what lies between it and the nearer end of the list, which is walked in an index.
    """
    async with database.connection() as connection:
        total = await _count_plain(connection, project_id, wanted.user_id)
        marks: Sequence[int] = ()
        way: _Way = "plain"
        arguments: list[Any] = [project_id, wanted.user_id]
        if wanted.is_narrow:
            folded = fold(wanted.search)
            arguments += [wanted.topics, wanted.agent_id, wanted.team_id, folded]
            # Few enough are looked at one by one; else the marks tell which.
            if total > most_counted:
                marks = sorted(
                    text_marks(project_id, folded)
                    | tag_marks(project_id, wanted.topics, wanted.agent_id, wanted.team_id)
                )
            way = "marked" if marks else "checked"
            counted = [*arguments, marks] if marks else arguments
            total = await connection.fetchval(_count(wanted.user_id is not None, way), *counted, most_counted + 1)
        is_exact = way == "plain" or total <= most_counted
        if not is_exact:
            total, way = most_counted, "checked"  # so many that the next ones in order are soon found
        if is_exact and offset >= total:
            return MemoryPage([], total, is_exact)
        if way == "marked":
            arguments.append(marks)
        is_turned = is_exact and offset > total // 2
        if is_turned:
            limit = min(limit, total - offset)
            offset = total - offset - limit
        statement = _page(wanted.user_id is not None, way, sort, is_descending != is_turned)
        rows = await connection.fetch(statement, *arguments, limit, offset)
    records = [record_of(row) for row in rows]
    return MemoryPage(records[::-1] if is_turned else records, total, is_exact)


async def _count_plain(connection: Connection, project_id: str, user_id: str | None) -> int:
    if user_id is None:
        return int(await connection.fetchval(_COUNT_ALL, project_id))
    return await connection.fetchval(_COUNT_OF_USER, project_id, user_id) or 0


@cache
def _count(is_of_user: bool, way: _Way) -> str:
    conditions = _WHOSE[is_of_user] + _CONDITIONS[way]
    limit = _PARAMETERS[way] + 1
    return f"select count(*) from (select from memories where {conditions} limit ${limit}) as found"  # noqa: S608


@cache
def _page(is_of_user: bool, way: _Way, sort: Sort, is_descending: bool) -> str:
    """Return the statement of a page: the ids are found in an index alone, and then their rows are read."""
    order = _ORDERS[sort][is_descending]
    last = _PARAMETERS[way]
    return f"""
with page as materialized (
    select id from memories where {_WHOSE[is_of_user]}{_CONDITIONS[way]}
    order by {order} limit ${last + 1} offset ${last + 2}
)
select {COLUMNS} from memories where project_id = $1 and id in (select id from page) order by {order}"""  # noqa: S608 - our own text
