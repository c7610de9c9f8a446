"""Weekly partitions of the event log, made ahead of time so that old ones can be dropped whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from serai.domain.ids import first_key_of
from serai.errors import DatabaseUnavailableError
from serai.storage.connection import Database

WEEKS_AHEAD = 4
_log = structlog.get_logger("serai.storage")

# Names and bounds cannot be parameters of DDL; both are made here from a date, never from outside.
_CREATE = """
create table if not exists {name} partition of run_events for values from ('{start}') to ('{end}')"""
_WEEKS = """
select relname, greatest(reltuples, 0)::bigint as rows from pg_class
where relkind = 'r' and relname ~ '^run_events_[0-9]{4}w[0-9]{2}$' order by relname"""
# Whether runs of a range of keys have not ended, or not for long enough.
_IS_NEEDED = """
select exists(select from runs where key >= $1 and key < $2 and parent_key is null
              and (ended_at is null or ended_at >= $3))"""
# One node at a time; a busy log makes the others wait no longer than this.
_ONE_NODE = "select pg_advisory_xact_lock(hashtextextended('serai partitions', 0))"
_HURRY = "set local lock_timeout = '2s'"
_EXISTING = "select relname from pg_class where relname = any($1::text[])"


async def create_partitions(database: Database, *, today: datetime | None = None) -> list[str]:
    """Create the partitions of this week and the next ones that are missing; return the names of those made.

    A week that cannot be made now, because the log is locked or the default partition holds events of it, is left:
    its events go to the default partition. Cost when none is missing: one small read.
    """
    now = today or datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [monday + timedelta(weeks=week) for week in range(WEEKS_AHEAD)]
    names = {f"run_events_{start:%Gw%V}": start for start in starts}
    existing = {row["relname"] for row in await database.fetch(_EXISTING, list(names))}
    made = []
    for name in (name for name in names if name not in existing):
        start = names[name]
        bounds = [first_key_of(at) for at in (start, start + timedelta(weeks=1))]
        try:
            is_made = await _alter(
                database, _ONE_NODE, _HURRY, _CREATE.format(name=name, start=bounds[0], end=bounds[1])
            )
        except asyncpg.CheckViolationError:
            _log.warning("partition_left_out", partition=name, reason="the default partition holds events of its week")
            continue
        if not is_made:
            _log.warning("partition_left_out", partition=name, reason="the event log is locked")
            break
        made.append(name)
    return made


async def drop_partitions(database: Database, *, before: datetime) -> int:
    """Drop the weeks of which all runs ended before a time; return about how many events those were.

    A week that somebody reads just now is left for the next time.
    """
    dropped = 0
    for row in await database.fetch(_WEEKS):
        start = datetime.strptime(row["relname"].removeprefix("run_events_") + " 1", "%Gw%V %u").replace(tzinfo=UTC)
        end = start + timedelta(weeks=1)
        bounds = [first_key_of(at) for at in (start, end)]
        if end > before or await database.fetchval(_IS_NEEDED, *bounds, before):
            continue
        if await _alter(database, _HURRY, f"drop table {row['relname']}"):
            dropped += row["rows"]
        else:
            _log.warning("partition_left", partition=row["relname"], reason="the event log is locked")
    return dropped


async def _alter(database: Database, *statements: str) -> bool:
    """Execute statements in a transaction; False when they would have to wait too long for the event log."""
    try:
        async with database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)
    except DatabaseUnavailableError as error:
        if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise
        return False
    return True
