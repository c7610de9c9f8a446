"""Schedules and the runs they have started: make, change, list, claim what is due, advance. Starts nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import asyncpg

from serai.domain.ids import new_key, read_key
from serai.domain.run_state import RunStatus
from serai.domain.schedules import Misfire, ScheduleRecord, ScheduleSpec
from serai.domain.stored_text import storable
from serai.errors import ConflictError
from serai.storage.connection import Connection, Database

_LONGEST_ERROR: Final = 1000

# A name that is taken: no row.
_CREATE = """
insert into schedules (id, project_id, declared_by, declared_paused, next_fire_at, name, description, kind,
                       component_id, cron, timezone, input, session_id, user_id, misfire, misfire_grace_s, is_paused)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict (project_id, name) do nothing
returning *"""

_UPDATE = """
update schedules
set declared_by = $3, declared_paused = $4, next_fire_at = $5, name = $6, description = $7, kind = $8,
    component_id = $9, cron = $10, timezone = $11, input = $12, session_id = $13, user_id = $14, misfire = $15,
    misfire_grace_s = $16, is_paused = $17, last_error = null, updated_at = now()
where id = $1 and project_id = $2
returning *"""

# By id, else by name; held against changes and firings until the transaction ends.
_HOLD = """
select * from schedules where project_id = $1 and (id = $2 or name = $3)
order by (id = $2) desc nulls last limit 1 for update"""

_HOLD_DECLARED = """
select * from schedules where project_id = $1 and (declared_by = $2 or name = any($3::text[]))
order by name for update"""

_FIND = """
select * from schedules where project_id = $1 and (id = $2 or name = $3) order by (id = $2) desc nulls last limit 1"""

_LIST = """
select * from schedules where project_id = $1 and ($2::boolean is null or is_paused = $2)
order by name limit $3 offset $4"""

_COUNT = "select count(*) from schedules where project_id = $1 and ($2::boolean is null or is_paused = $2)"

_DELETE = """
with gone as (
    delete from schedules where project_id = $1 and id = $2 returning id
)
delete from schedule_runs using gone where schedule_id = gone.id"""

_NOTE_RUNS = """
insert into schedule_runs (schedule_id, run_id, project_id, user_id, fire_at, is_manual)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[])
on conflict do nothing"""

_LIST_RUNS = """
select run_id, fire_at, is_manual, runs.status, runs.session_id, runs.user_id, runs.created_at, runs.ended_at
from schedule_runs left join runs on runs.project_id = schedule_runs.project_id and runs.id = run_id
where schedule_runs.project_id = $1 and schedule_id = $2
order by fire_at desc, run_id limit $3 offset $4"""

_COUNT_RUNS = "select count(*) from schedule_runs where project_id = $1 and schedule_id = $2"

# Seconds until the next schedule of these components is due; no row when there is none.
_WAIT = """
select extract(epoch from next_fire_at - now())::float8 from schedules
where next_fire_at is not null and (kind, component_id) in (select * from unnest($1::text[], $2::text[]))
order by next_fire_at limit 1"""

# Due schedules of these components that no other node is firing just now, with the database's time.
_CLAIM = """
select schedules.*, now() from schedules
where next_fire_at <= now() and (kind, component_id) in (select * from unnest($1::text[], $2::text[]))
order by next_fire_at limit $3 for update skip locked"""

_ADVANCE = """
update schedules
set next_fire_at = item.next_at, last_fire_at = coalesce(item.fire_at, last_fire_at),
    last_run_id = coalesce(item.run_id, last_run_id), last_error = item.error
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[])
    as item(id, next_at, fire_at, run_id, error)
where schedules.id = item.id"""

# Schedules that have been due for a while, of components that the asking node lacks, too.
_REPORT = """
update schedules set last_error = $4
where next_fire_at < now() - make_interval(secs => $3) and last_error is distinct from $4
  and (kind, component_id) not in (select * from unnest($1::text[], $2::text[]))
returning name, kind, component_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """A run that a schedule started; its state is None when the run is not there any more.

    Attributes:
        fire_at: the time it was started for.
        is_manual: a person fired it.
    """

    run_id: str
    fire_at: datetime
    is_manual: bool
    status: RunStatus | None
    session_id: str | None
    user_id: str | None
    created_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What became of a due schedule.

    Attributes:
        record: as it was claimed.
        runs: the runs started, with the times they were started for.
        next_at: when it is due next; None: that is not known any more.
        error: why a run was not started.
    """

    record: ScheduleRecord
    runs: Sequence[tuple[str, datetime]]
    next_at: datetime | None
    error: str | None


class ScheduleStore:
    """The statements about schedules. Writes of people take a connection, within whose transaction they happen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        connection: Connection,
        project_id: str,
        spec: ScheduleSpec,
        *,
        next_at: datetime | None,
        declared_by: str | None = None,
    ) -> ScheduleRecord | None:
        """Store a new schedule; None when its name is taken."""
        declared = (declared_by, None if declared_by is None else spec.is_paused)
        row = await connection.fetchrow(_CREATE, new_key(), project_id, *declared, next_at, *_columns(spec))
        return None if row is None else _record(row)

    async def update(
        self,
        connection: Connection,
        record: ScheduleRecord,
        spec: ScheduleSpec,
        *,
        next_at: datetime | None,
        declared: tuple[str | None, bool | None],
    ) -> ScheduleRecord:
        """Replace what is said about a schedule that is held.

        Args:
            connection: the one that holds it.
            record: as it is.
            spec: as it is to be.
            next_at: when it is due.
            declared: by which OS, and whether paused there.

        Raises:
            ConflictError: another one has the new name.
        """
        columns = (*declared, next_at, *_columns(spec))
        try:
            row = await connection.fetchrow(_UPDATE, record.id, record.project_id, *columns)
        except asyncpg.UniqueViolationError:
            raise name_taken(spec.name) from None
        assert row is not None  # it is held
        return _record(row)

    async def hold(self, connection: Connection, project_id: str, name: str) -> ScheduleRecord | None:
        """Return a schedule by id or name, held until the transaction ends."""
        row = await connection.fetchrow(_HOLD, project_id, read_key(name), name)
        return None if row is None else _record(row)

    async def hold_declared(
        self, connection: Connection, project_id: str, declared_by: str, names: Collection[str]
    ) -> list[ScheduleRecord]:
        """Return the schedules that an OS has declared or has names of, held until the transaction ends."""
        return [_record(row) for row in await connection.fetch(_HOLD_DECLARED, project_id, declared_by, list(names))]

    async def delete(self, connection: Connection, record: ScheduleRecord) -> None:
        """Remove a schedule; the runs that it has started stay."""
        await connection.execute(_DELETE, record.project_id, record.id)

    async def find(self, project_id: str, name: str) -> ScheduleRecord | None:
        """Return a schedule by id or name."""
        row = await self._database.fetchrow(_FIND, project_id, read_key(name), name)
        return None if row is None else _record(row)

    async def list_schedules(
        self, project_id: str, *, is_paused: bool | None, limit: int, offset: int
    ) -> tuple[list[ScheduleRecord], int]:
        """Return a page of a project's schedules by name, and how many there are."""
        rows = await self._database.fetch(_LIST, project_id, is_paused, limit, offset)
        return [_record(row) for row in rows], await self._database.fetchval(_COUNT, project_id, is_paused)

    async def note_run(self, record: ScheduleRecord, run_id: str, *, user_id: str | None, fire_at: datetime) -> None:
        """Write down that a person has fired a schedule; nothing when that is known."""
        columns = ([record.id], [run_id], [record.project_id], [user_id], [fire_at], [True])
        await self._database.execute(_NOTE_RUNS, *columns)

    async def list_runs(self, record: ScheduleRecord, *, limit: int, offset: int) -> tuple[list[StartedRun], int]:
        """Return a page of the runs that a schedule has started, newest first, and how many there are."""
        rows = await self._database.fetch(_LIST_RUNS, record.project_id, record.id, limit, offset)
        total: int = await self._database.fetchval(_COUNT_RUNS, record.project_id, record.id)
        return [_started(row) for row in rows], total

    async def seconds_until_due(self, components: Collection[tuple[str, str]]) -> float | None:
        """Return when to look again; None: there is no schedule. Of all owners: it is the cluster that asks."""
        found: float | None = await self._database.fetchval(_WAIT, *_pairs(components))
        return found

    async def claim(
        self, connection: Connection, components: Collection[tuple[str, str]], *, limit: int
    ) -> tuple[list[ScheduleRecord], datetime | None]:
        """Hold due schedules of any owner until the transaction ends; return them and the database's time."""
        rows = await connection.fetch(_CLAIM, *_pairs(components), limit)
        return [_record(row) for row in rows], rows[0]["now"] if rows else None

    async def advance(self, connection: Connection, fired: Sequence[Fired]) -> None:
        """Write down what became of schedules that are held."""
        started = [(one.record, run_id, time) for one in fired for run_id, time in one.runs]
        if started:
            await connection.execute(
                _NOTE_RUNS,
                [record.id for record, _, _ in started],
                [run_id for _, run_id, _ in started],
                [record.project_id for record, _, _ in started],
                [record.user_id for record, _, _ in started],
                [time for _, _, time in started],
                [False] * len(started),
            )
        await connection.execute(
            _ADVANCE,
            [one.record.id for one in fired],
            [one.next_at for one in fired],
            [one.runs[-1][1] if one.runs else None for one in fired],
            [one.runs[-1][0] if one.runs else None for one in fired],
            [None if one.error is None else storable(one.error[:_LONGEST_ERROR]) for one in fired],
        )

    async def report_overdue(
        self, components: Collection[tuple[str, str]], error: str, *, overdue_s: float
    ) -> list[tuple[str, str, str]]:
        """Write an error at schedules of any owner that are overdue, of other components than these.

        Returns:
            Name, kind and component id of those that did not have it yet.
        """
        rows = await self._database.fetch(_REPORT, *_pairs(components), overdue_s, error)
        return [(row["name"], row["kind"], row["component_id"]) for row in rows]


async def read_clock(connection: Connection) -> datetime:
    """Return the database's time."""
    now: datetime = await connection.fetchval("select now()")
    return now


def name_taken(name: str) -> ConflictError:
    """Return the error for a schedule whose name another one has."""
    return ConflictError(f"A schedule with the name {name!r} exists already; choose another name, or change that one.")


def _pairs(components: Collection[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [kind for kind, _ in components], [component_id for _, component_id in components]


def _columns(spec: ScheduleSpec) -> list[Any]:
    return [getattr(spec, member.name) for member in fields(ScheduleSpec)]


def _record(row: asyncpg.Record) -> ScheduleRecord:
    values = {member.name: row[member.name] for member in fields(ScheduleRecord)}
    values["misfire"] = Misfire(values["misfire"])
    return ScheduleRecord(**values)


def _started(row: asyncpg.Record) -> StartedRun:
    values = {member.name: row[member.name] for member in fields(StartedRun)}
    values["status"] = None if values["status"] is None else RunStatus(values["status"])
    return StartedRun(**values)
