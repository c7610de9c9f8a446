"""The sessions that have traces, the latest first: from what is kept of each, or from the traces of a search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from serai.storage.connection import Database
from serai.storage.trace_counts import TraceCounts
from serai.storage.trace_filters import Arguments, condition_of, equals
from serai.storage.trace_lists import TraceQuestion, ended_by, simplified

MOST_LOOKED_AT: Final = 1000
"""The most traces that a search by session looks at, the newest; and of sessions of somebody or something."""

_KEPT_MEMBERS: Final = ("session_id", "user_id", "agent_id", "team_id", "workflow_id")
_NAMES: Final = """max(user_id) as user_id, max(agent_id) as agent_id, max(team_id) as team_id,
       max(workflow_id) as workflow_id"""

# All sessions: how many there are, and a page.
_ALL = "select coalesce((select sessions from trace_session_counts where project_id = $1), 0)"
_PAGE = """
select told.* from (
    select session_id, last_at from trace_sessions where project_id = $1
    order by last_at {direction}, session_id {direction} limit {limit} offset {offset}
) as page cross join lateral (
    select page.session_id, {names}, sum(traces)::bigint as traces, min(first_at) as first_at, max(last_at) as last_at
    from trace_session_parts as one where project_id = $1 and session_id = page.session_id
) as told
order by page.last_at desc, page.session_id desc"""

# Those of somebody or something: each stands where the latest of its parts does.
_SOME = """
select count(distinct session_id), count(*) > {most} from (
    select session_id from trace_session_parts as one where project_id = $1{of_one}
    order by last_at desc limit {most} + 1
) as looked_at"""
_PAGE_OF_SOME = """
select told.* from (
    select session_id, last_at from trace_session_parts as one
    where project_id = $1{of_one} and not exists (
        select from trace_session_parts as other
        where other.project_id = $1 and other.session_id = one.session_id{of_other}
          and (other.last_at, other.nr) > (one.last_at, one.nr))
    order by last_at desc, session_id desc limit {limit} offset {offset}
) as page cross join lateral (
    select page.session_id, {names}, sum(traces)::bigint as traces, min(first_at) as first_at, max(last_at) as last_at
    from trace_session_parts as one where project_id = $1 and session_id = page.session_id{of_one}
) as told
order by page.last_at desc, page.session_id desc"""

# The sessions of the newest traces that meet a search; of those on the page all that meet it are counted.
_SEARCH = """
with matched as materialized (
    select session_id, created_at from traces where {where} and session_id is not null
    order by started_at desc limit {most}
), latest as (
    select session_id, max(created_at) as last_at from matched group by session_id
), page as (
    select * from latest order by last_at desc, session_id desc limit {limit} offset {offset}
)
select (select count(*) from matched) as looked_at, (select count(*) from latest) as total, told.*
from (select) as one_row left join (page cross join lateral (
    select page.session_id, {names}, count(*) as traces, min(created_at) as first_at, max(created_at) as last_at
    from traces where {where} and session_id = page.session_id
) as told) on true
order by page.last_at desc, page.session_id desc"""


class SessionOfTraces(NamedTuple):
    """What a session's traces come to; of the ids the greatest, when there are several."""

    session_id: str
    user_id: str | None
    agent_id: str | None
    team_id: str | None
    workflow_id: str | None
    traces: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class TraceSessionPage:
    """A page of sessions.

    Attributes:
        total: how many the list has, or at least.
        is_exact: it has no more.
    """

    records: list[SessionOfTraces]
    total: int
    is_exact: bool = True


class TraceSessions:
    """The statements about sessions that have traces."""

    def __init__(self, database: Database, counts: TraceCounts) -> None:
        self._database = database
        self._counts = counts

    async def page(self, question: TraceQuestion) -> TraceSessionPage:
        """Return a page of the sessions whose traces meet a question.

        Cost: of all sessions the page, and what lies between it and the nearer end of the list; by user and component
        the page, what comes before it, and a thousand sessions that are counted; within a time, or of a search, a
        thousand traces, and all traces of the page's sessions.
        """
        asked = simplified(question)
        is_kept = asked.search is None and asked.since is None and asked.until is None
        if not is_kept or not asked.members.keys() <= set(_KEPT_MEMBERS):
            return await self._search(question)
        await self._counts.fold()
        return await self._some(asked) if asked.members else await self._all(asked)

    async def _all(self, question: TraceQuestion) -> TraceSessionPage:
        total = await self._database.fetchval(_ALL, question.project_id)
        limit, offset, direction = question.limit, question.offset, "desc"
        if offset > total // 2:  # it is nearer to the end
            limit, offset, direction = min(limit, max(0, total - offset)), max(0, total - offset - limit), "asc"
        sql = _PAGE.format(direction=direction, names=_NAMES, limit="$2", offset="$3")
        rows = await self._database.fetch(sql, question.project_id, limit, offset)
        return TraceSessionPage([SessionOfTraces(*row) for row in rows], total)

    async def _some(self, question: TraceQuestion) -> TraceSessionPage:
        arguments = Arguments(question.project_id)
        placed = {name: arguments.add(value, "text") for name, value in question.members.items()}
        of_one, of_other = (
            "".join(f" and {row}.{name} = {place}" for name, place in placed.items()) for row in ("one", "other")
        )
        counted = await self._database.fetchrow(_SOME.format(of_one=of_one, most=MOST_LOOKED_AT), *arguments.values)
        assert counted is not None  # it counts
        total, has_more = min(counted[0], MOST_LOOKED_AT), counted[1]
        limit, offset = arguments.add(question.limit, "bigint"), arguments.add(question.offset, "bigint")
        sql = _PAGE_OF_SOME.format(names=_NAMES, of_one=of_one, of_other=of_other, limit=limit, offset=offset)
        rows = await self._database.fetch(sql, *arguments.values)
        return TraceSessionPage([SessionOfTraces(*row) for row in rows], total, is_exact=not has_more)

    async def _search(self, question: TraceQuestion) -> TraceSessionPage:
        arguments = Arguments(question.project_id)
        conditions = ["project_id = $1", *(equals(name, text, arguments) for name, text in question.members.items())]
        if question.since is not None:
            conditions.append(f"started_at >= {arguments.add(question.since, 'timestamptz')}")
        if question.until is not None:
            conditions += ended_by(arguments.add(question.until, "timestamptz"))
        if question.search is not None:
            conditions.append(condition_of(question.search, arguments))
        sql = _SEARCH.format(
            where=" and ".join(conditions),
            names=_NAMES,
            most=MOST_LOOKED_AT + 1,
            limit=arguments.add(question.limit, "bigint"),
            offset=arguments.add(question.offset, "bigint"),
        )
        rows = await self._database.fetch(sql, *arguments.values)
        width = len(SessionOfTraces._fields)
        found = [SessionOfTraces(*row[-width:]) for row in rows if row["session_id"] is not None]
        total = min(rows[0]["total"], MOST_LOOKED_AT)
        return TraceSessionPage(found, total, is_exact=rows[0]["looked_at"] <= MOST_LOOKED_AT)
