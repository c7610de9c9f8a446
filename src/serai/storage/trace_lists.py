"""Lists of traces, the newest first: pages, how many there are, and those that a search asks for.

The texts are made of the parts below by what is asked, never of what a caller wrote: values are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import asyncpg

from serai.domain.trace_filters import AllOf, Comparison, TraceFilter
from serai.storage.connection import Database
from serai.storage.pages import FAR, Listing, far_page, far_page_by_days, first_page, first_rows
from serai.storage.trace_filters import Arguments, condition_of, equals
from serai.storage.trace_rows import COLUMNS, TRACE_WIDTH, TraceRecord

MOST_COUNTED: Final = 1000
"""How many are counted where no count is kept."""

MEMBERS: Final = ("run_id", "session_id", "user_id", "agent_id", "team_id", "workflow_id", "status")
"""What the traces of a list may have in common."""

_COMPONENTS: Final = {"agent_id": "agent", "team_id": "team", "workflow_id": "workflow"}
_ORDER: Final = "started_at desc, trace_id desc"
_REVERSE: Final = "started_at, trace_id"
_SORTED_BY: Final = "trace_id, started_at"

# How many traces a list has: those that were counted, and those whose deltas are not folded yet.
_COUNTED = """
coalesce((select traces from trace_counts where project_id = $1 and {counted}), 0)
+ coalesce((select sum(traces)::bigint from trace_deltas where project_id = $1{told}), 0)"""
_OF_SESSION = """
coalesce((select sum(traces)::bigint from trace_sessions where project_id = $1 and session_id = {session}), 0)
+ coalesce((select sum(traces)::bigint from trace_deltas where project_id = $1{told}), 0)"""

# The same from a time on: the hours after it, and what is left of its own.
_SINCE = """
coalesce((select sum(traces)::bigint from trace_hours where project_id = $1 and {counted} and hour >= {next_hour}), 0)
+ coalesce((select sum(traces)::bigint from trace_deltas where project_id = $1{told} and hour >= {next_hour}), 0)
+ (select count(*) from traces where {where} and started_at < {next_hour})"""
_NEXT_HOUR = "date_trunc('hour', {since}, 'UTC') + interval '1 hour'"

# Six of them together are few enough to add up, and short enough to walk through.
_HOURS = """
select date_bin('6 hours', hour, 'epoch') as day, traces as number from trace_hours
where project_id = $1 and {counted}
union all
select date_bin('6 hours', hour, 'epoch'), traces from trace_deltas where project_id = $1{told}"""

# Up to so many are counted; a page of them.
_SEARCH = """
with matched as materialized (
    select trace_id, started_at from traces where {where} order by {order} limit {most}
), page as (
    select trace_id from matched order by {order} limit {limit} offset {offset}
)
select total, page.*
from (select count(*) as total from matched) as counted left join lateral (
    select stored.* from page cross join lateral (
        select {columns} from traces where project_id = $1 and traces.trace_id = page.trace_id offset 0) as stored
) as page on true
order by {order}"""

# A page that lies behind those.
_COMMON = """
select page.* from (
    select trace_id, started_at from traces where {where} order by {order} limit {limit} offset {offset}
) as found cross join lateral (
    select {columns} from traces where project_id = $1 and traces.trace_id = found.trace_id offset 0) as page
order by {order}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuestion:
    """A page of a list of traces, the newest first.

    Attributes:
        members: what they have in common, by the names in `MEMBERS`.
        since: they began then or later.
        until: they had ended then.
        search: what else they meet.
    """

    project_id: str
    members: dict[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    search: TraceFilter | None = None
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class TracePage:
    """A page of traces.

    Attributes:
        total: how many the list has, or at least.
        is_exact: it has no more.
    """

    records: list[TraceRecord]
    total: int
    is_exact: bool = True


class TraceLists:
    """The statements about lists of traces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, question: TraceQuestion) -> TracePage:
        """Return a page of traces.

        Cost: a list by user, component and status, by session, or from a time on: the page, and what lies between it
        and the nearer end of the list, or of one of its hours. Other lists: up to a thousand of its traces more; and
        where few traces meet what no index has, all of them.
        """
        asked = _Asked(simplified(question))
        if asked.is_counted:
            return await self._counted(asked)
        rows = await self._database.fetch(asked.search(), *asked.values)
        total: int = rows[0]["total"]
        if total > MOST_COUNTED and question.offset + question.limit > total:
            rows = await self._database.fetch(asked.common(), *asked.values)
        return TracePage(records_of(rows), min(total, MOST_COUNTED), is_exact=total <= MOST_COUNTED)

    async def _counted(self, asked: _Asked) -> TracePage:
        question = asked.question
        if not question.offset:
            rows = await self._database.fetch(asked.first(), *asked.values[:-2])
        else:
            rows = await self._database.fetch(asked.far(), *asked.values, *([FAR] if asked.has_hours else []))
        return TracePage(records_of(rows)[: question.limit], rows[0]["total"])


def ended_by(moment: str) -> list[str]:
    """Return the conditions of traces that had ended at a time; one of them is in an index."""
    return [f"ended_at <= {moment}", f"started_at <= {moment}", "(duration_ns is not null or entry = 0)"]


class _Asked:
    """The statements for one question; the page's limit and offset are the last two of `values`."""

    def __init__(self, question: TraceQuestion) -> None:
        self.question = question
        arguments = Arguments(question.project_id)
        self._equal = {name: equals(name, value, arguments) for name, value in question.members.items()}
        conditions = ["project_id = $1", *self._equal.values()]
        self._since = ""
        if question.since is not None:
            self._since = arguments.add(question.since, "timestamptz")
            conditions.append(f"started_at >= {self._since}")
        if question.until is not None:
            conditions += ended_by(arguments.add(question.until, "timestamptz"))
        if question.search is not None:
            conditions.append(condition_of(question.search, arguments))
        self._where = " and ".join(conditions)
        self._limit = arguments.add(question.limit, "bigint")
        self._offset = arguments.add(question.offset, "bigint")
        self.values = arguments.values

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many traces there are."""
        names = self._equal.keys()
        if self.question.search is not None or self.question.until is not None or "run_id" in names:
            return False
        if len(names & _COMPONENTS.keys()) > 1:
            return False
        if self._since:
            return names.isdisjoint(("session_id", "user_id"))
        return "session_id" not in names or len(names) == 1

    @property
    def has_hours(self) -> bool:
        """Whether it is known how many of them began in each hour."""
        return not self._since and self._equal.keys().isdisjoint(("session_id", "user_id"))

    def first(self) -> str:
        return first_page(self._listing, total=self._total, most=first_rows(self.question.limit))

    def far(self) -> str:
        page = {"total": self._total, "limit": self._limit, "offset": self._offset}
        if not self.has_hours:
            return far_page(self._listing, **page)
        return far_page_by_days(
            self._listing,
            **page,
            at="started_at",
            is_descending=True,
            days=_HOURS.format(counted=self._counted_by("kind", "component_id", "status"), told=self._unfolded),
            least=f"${len(self.values) + 1}::bigint",
            day_after="day + interval '6 hours'",
        )

    def search(self) -> str:
        return _SEARCH.format(**self._parts, most=MOST_COUNTED + 1)

    def common(self) -> str:
        return _COMMON.format(**self._parts)

    @property
    def _parts(self) -> dict[str, str]:
        return {
            "where": self._where,
            "order": _ORDER,
            "columns": COLUMNS,
            "limit": self._limit,
            "offset": self._offset,
        }

    @property
    def _listing(self) -> Listing:
        return Listing(
            table="traces",
            where=self._where,
            columns=COLUMNS,
            sorted_by=_SORTED_BY,
            order=_ORDER,
            reverse=_REVERSE,
            key="trace_id",
        )

    @property
    def _unfolded(self) -> str:
        return "".join(f" and {condition}" for condition in self._equal.values())

    @property
    def _total(self) -> str:
        if "session_id" in self._equal:
            return _OF_SESSION.format(session="$2", told=self._unfolded)
        if not self._since:
            counted = self._counted_by("user_id", "kind", "component_id", "status")
            return _COUNTED.format(counted=counted, told=self._unfolded)
        return _SINCE.format(
            counted=self._counted_by("kind", "component_id", "status"),
            told=self._unfolded,
            where=self._where,
            next_hour=_NEXT_HOUR.format(since=self._since),
        )

    def _counted_by(self, *columns: str) -> str:
        """Return which row of a table of counts is about these traces."""
        equal = {name: text for name, text in self._equal.items() if name in columns}
        for name in self._equal.keys() & _COMPONENTS.keys():
            equal["kind"] = f"kind = '{_COMPONENTS[name]}'"
            equal["component_id"] = self._equal[name].replace(name, "component_id", 1)
        return " and ".join(equal.get(column, f"{column} is null") for column in columns)


def records_of(rows: Sequence[asyncpg.Record]) -> list[TraceRecord]:
    """Return the traces of rows that end with their columns; rows of a total alone have none."""
    return [TraceRecord(*row[-TRACE_WIDTH:]) for row in rows if row["trace_id"] is not None]


def simplified(question: TraceQuestion) -> TraceQuestion:
    """Return the same question with what counts are kept of: nothing has ended later than now."""
    if question.until is not None and question.until >= datetime.now(UTC):
        question = replace(question, until=None)
    search = question.search
    parts: Sequence[TraceFilter] = (
        () if search is None else search.conditions if isinstance(search, AllOf) else [search]
    )
    members, since = dict(question.members), question.since
    left: list[TraceFilter] = []
    for part in parts:
        match part:
            case Comparison("EQ", key, str(value)) if key in MEMBERS and key not in members:
                members[key] = value
            case Comparison("GTE", "start_time", datetime() as moment) if since is None:
                since = moment
            case _:
                left.append(part)
    return replace(question, members=members, since=since, search=AllOf(tuple(left)) if left else None)
