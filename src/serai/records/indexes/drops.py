"""Indexes of records that go: the least used when there are too many, the unused, and what dead builders left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec
import structlog

from serai.records.indexes.requests import PREFIX, IndexLimits
from serai.records.indexes.slot_filling import LONG_S, Progress, drop_orphans, drop_slots_of, take_slots
from serai.records.paths import Path
from serai.records.place import Place
from serai.records.shapes import shape_from_json
from serai.storage.connection import Connection, connect, is_connection_failure, unavailable

_log = structlog.get_logger("serai.records")

# One build or sweep at a time. Never waited for in a statement: `create index concurrently` would wait for that.
_LOCK = "select pg_try_advisory_lock(hashtextextended('serai record indexes', 0))"

_SESSION = {"statement_timeout": "0", "lock_timeout": "0"}
# A dead builder's statement ends, and with it its lock. Not every operating system can.
_END_WITH_CLIENT = "set client_connection_check_interval = '2s'"

_DROPPING = "update record_indexes set state = 'dropping' where name = $1"
_REMOVE = "delete from record_indexes where name = $1"
_DROP = "select format('drop index concurrently if exists %I', $1::text)"

# How many indexes there are in a collection and in all, without the one asked for.
_COUNT = """
select count(*) filter (where project_id = $1 and deployment_name = $2 and collection = $3) as here, count(*) as total
from record_indexes where state <> 'failed' and name <> $4
"""

# The index whose loss is felt least: of one collection if it is named, else of all.
_LEAST_USED = """
select name, project_id, deployment_name, collection
from record_indexes left join pg_stat_user_indexes on indexrelname = name
where state = 'ready' and not declared and built_at < now() - interval '1 hour'
  and ($1::text is null or (project_id, deployment_name, collection) = ($1, $2, $3)) and kind like $4
order by greatest(last_used_at, last_idx_scan, built_at) limit 1
"""

# The shapes whose indexes need slots.
_SHAPES = """
select shape::text from record_indexes
where project_id = $1 and deployment_name = $2 and collection = $3 and kind = 'shape' and state in ('building', 'ready')
"""

# Indexes to be dropped: unused for some days, or begun to be built or dropped by somebody who is no more.
_DUE = """
select name, project_id, deployment_name, collection
from record_indexes left join pg_stat_user_indexes on indexrelname = name
where state in ('building', 'dropping')
   or (state = 'ready' and indexrelid is null)
   or (state = 'ready' and not declared
       and greatest(last_used_at, last_idx_scan, built_at) < now() - make_interval(days => $1::int))
"""

# Indexes that nothing speaks of.
_STRAYS = """
select indexrelname as name from pg_stat_user_indexes
where starts_with(indexrelname, $1) and indexrelname not in (select name from record_indexes)
"""
_FORGET_FAILED = "delete from record_indexes where state = 'failed' and created_at < now() - interval '7 days'"


class GaveUpError(Exception):
    """An index would be of no use, or has no room; the message says why."""


@asynccontextmanager
async def index_connection(dsn: str) -> AsyncIterator[Connection]:
    """Open a connection for statements that may take hours.

    Raises:
        DatabaseUnavailableError: PostgreSQL cannot be reached, or was lost on the way.
    """
    connection = await connect(dsn, application_name="serai record indexes", settings=_SESSION)
    try:
        with suppress(asyncpg.InvalidParameterValueError):
            await connection.execute(_END_WITH_CLIENT)
        yield connection
        await connection.close(timeout=2)
    except Exception as error:
        if is_connection_failure(error):
            raise unavailable(error) from error
        raise
    finally:
        connection.terminate()


async def try_lock(connection: Connection) -> bool:
    """Take the lock of builds and sweeps for as long as the connection lives; False when another has it."""
    return bool(await connection.fetchval(_LOCK))


async def sweep(dsn: str, *, unused_days: int | None) -> list[str]:
    """Drop indexes that nobody has used for some days, and what dead builders left; return the names of those dropped.

    Does nothing while an index is built, or another node sweeps.

    Args:
        dsn: the database; a connection of its own is used.
        unused_days: None leaves unused indexes alone.
    """
    progress = Progress(_ignore)
    async with index_connection(dsn) as connection:
        if not await try_lock(connection):
            return []
        names = []
        for row in await connection.fetch(_DUE, unused_days):
            await drop_index(connection, row["name"], place_of(row), progress)
            names.append(row["name"])
        for row in await connection.fetch(_STRAYS, PREFIX):
            await drop_from_postgres(connection, row["name"], progress)
            names.append(row["name"])
        await drop_orphans(connection, progress)
        await connection.execute(_FORGET_FAILED)
    return names


async def make_room(connection: Connection, place: Place, name: str, limits: IndexLimits, progress: Progress) -> None:
    """Drop indexes until one more may be built.

    Raises:
        GaveUpError: none may be dropped.
    """
    while True:
        counts = await connection.fetchrow(_COUNT, *names_of(place), name)
        assert counts is not None
        if counts["here"] >= limits.per_collection:
            why = f"the collection has {counts['here']} indexes"
            await _drop_least_used(connection, names_of(place), progress, why=why)
        elif counts["total"] >= limits.total:
            await _drop_least_used(connection, (None,) * 3, progress, why=f"there are {counts['total']} indexes")
        else:
            return


async def free_slots(connection: Connection, place: Place, progress: Progress) -> None:
    """Take away the slots that no index needs; if there are none, drop an index that needs slots.

    Raises:
        GaveUpError: none may be dropped.
    """
    if await take_slots(connection, place, await _find_needed(connection, place)):
        return
    await _drop_least_used(connection, names_of(place), progress, why="all slots are in use", kind="shape")


async def drop_index(connection: Connection, name: str, place: Place, progress: Progress) -> None:
    """Drop an index and what only it needed; goes on with what was begun and not finished."""
    await connection.execute(_DROPPING, name)
    await drop_from_postgres(connection, name, progress)
    await release_unneeded(connection, place, progress)
    await connection.execute(_REMOVE, name)
    _log.info("record_index_dropped", name=name, collection=place.collection)


async def drop_from_postgres(connection: Connection, name: str, progress: Progress) -> None:
    """Drop an index, valid or not, if it is there, while others read and write."""
    statement = await connection.fetchval(_DROP, name)
    await progress.during(connection.execute(statement, timeout=LONG_S), phase="drop")


async def release_unneeded(connection: Connection, place: Place, progress: Progress) -> None:
    """Take away the slots of a collection, if no index needs any.

    As long as one does, the others stay filled: the next index may need them, and filling writes all copies anew.
    """
    if not await _find_needed(connection, place):
        await drop_slots_of(connection, place, progress)


def names_of(place: Place) -> tuple[str, str, str]:
    """Return what names a collection, in the order of the statements' first arguments."""
    return place.project_id, place.deployment_name, place.collection


def place_of(row: asyncpg.Record) -> Place:
    """Return the collection of a row."""
    return Place(project_id=row["project_id"], deployment_name=row["deployment_name"], collection=row["collection"])


async def _find_needed(connection: Connection, place: Place) -> set[Path]:
    """Return the fields for which indexes of a collection need slots."""
    rows = await connection.fetch(_SHAPES, *names_of(place))
    shapes = [shape_from_json(msgspec.json.decode(row["shape"])) for row in rows]
    return {path for shape in shapes for path in shape.fields}


async def _drop_least_used(
    connection: Connection, names: tuple[str | None, ...], progress: Progress, *, why: str, kind: str = "%"
) -> None:
    row = await connection.fetchrow(_LEAST_USED, *names, kind)
    if row is None:
        raise GaveUpError(f"{why}, and none of them may be dropped for another")
    await drop_index(connection, row["name"], place_of(row), progress)


async def _ignore(members: Mapping[str, Any]) -> None:
    """Report to nobody."""
