"""Builds indexes of records, in the background and one at a time, while others read and write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec
import structlog

from serai.errors import RetryLaterError
from serai.records.arguments import Arguments
from serai.records.fields import PayloadFields
from serai.records.indexes.catalog import odd_mask
from serai.records.indexes.columns import index_columns
from serai.records.indexes.drops import (
    GaveUpError,
    drop_from_postgres,
    free_slots,
    index_connection,
    make_room,
    names_of,
    release_unneeded,
    try_lock,
)
from serai.records.indexes.requests import IndexLimits, IndexRequest, Kind, index_name, why_no_shape_index
from serai.records.indexes.slot_filling import (
    LONG_S,
    NoFreeSlotError,
    Progress,
    Report,
    SlottedPlace,
    assign_slots,
    fill_slots,
)
from serai.records.likely_fields import find_likely_fields
from serai.records.paths import Path, format_path
from serai.records.place import Place
from serai.records.shapes import Shape
from serai.storage.connection import Connection

LEAST_RECORDS: Final = 2_000
WAIT_S: Final = 5.0
_log = structlog.get_logger("serai.records")

# Whether an index can be used.
_IS_THERE = """
select exists (
    select from record_indexes where name = $1 and state = 'ready'
    and (select indisvalid from pg_index where indexrelid = to_regclass($1))
)
"""
_HAS_GIN = """
select exists (
    select from record_indexes
    where project_id = $1 and deployment_name = $2 and collection = $3 and kind = 'gin' and state in ('ready', 'failed')
)
"""

# Say that an index is being built; an earlier attempt is forgotten.
_BEGIN = """
insert into record_indexes (name, project_id, deployment_name, collection, kind, shape, declared, state)
values ($1, $2, $3, $4, $5, $6::jsonb, $7, 'building')
on conflict (name) do update
set declared = record_indexes.declared or excluded.declared, state = 'building', error = null, created_at = now(),
    built_at = null, last_used_at = null, uses = 0
"""
_READY = "update record_indexes set state = 'ready', built_at = now() where name = $1"
_FAILED = "update record_indexes set state = 'failed', error = $2 where name = $1"
_DECLARE = "update record_indexes set declared = true where name = $1"

# Whether an attempt failed too recently to try again.
_FAILED_LATELY = """
select exists (
    select from record_indexes where name = $1 and state = 'failed' and created_at > now() - interval '1 day'
)
"""

_COUNT_RECORDS = """
select count(*) from (
    select from records where project_id = $1 and deployment_name = $2 and collection = $3 limit $4
) as first_ones
"""

# Whether some of the newest records have an array or an object where a scalar is hoped for.
_NESTED = """
select exists (
    select from (
        select data from records where project_id = $1 and deployment_name = $2 and collection = $3
        order by created_at desc, id desc limit 1000
    ) as newest where jsonb_typeof({value}) in ('array', 'object')
)
"""
_HAS_ODD = "select exists (select from record_slots where place = $1 and odd <> 0 and odd & $2 <> 0)"
_KINDS = "select distinct k{slot} as kind from record_slots where place = $1 and k{slot} is not null"

# PostgreSQL quotes the names; no caller's text is put into SQL here.
_GIN = """
select format(
    'create index concurrently %I on records using gin (data jsonb_path_ops) '
    'where project_id = %L and deployment_name = %L and collection = %L', $1::text, $2::text, $3::text, $4::text
)
"""
_ON_SLOTS = "create index concurrently {name} on record_slots ({keys}){include} where place = {place}"


async def build(
    dsn: str, request: IndexRequest, report: Report, *, limits: IndexLimits | None = None, wait_s: float = WAIT_S
) -> str:
    """Build the index that a request needs, unless it is there; begins anew when an earlier attempt died.

    Args:
        dsn: the database; a connection of its own is used.
        request: what is asked for.
        report: told about every second how far this is; when it raises, the build stops.
        limits: how many indexes there may be.
        wait_s: how long to wait for the build before, so that this one need not be put off.

    Returns:
        What came of it, in words.

    Raises:
        RetryLaterError: another index is being built, or PostgreSQL was lost; ask again.
    """
    progress = Progress(report)
    async with index_connection(dsn) as connection:
        await _wait_for_lock(connection, progress, wait_s)
        return await _build(connection, request, progress, limits or IndexLimits())


async def _wait_for_lock(connection: Connection, progress: Progress, wait_s: float) -> None:
    pauses = 20
    while not await try_lock(connection):
        if not pauses:
            raise RetryLaterError("Another index of records is being built.", retry_after_s=int(WAIT_S))
        pauses -= 1
        await asyncio.sleep(wait_s / 20)
        await progress.tick(phase="queue")


async def _build(connection: Connection, request: IndexRequest, progress: Progress, limits: IndexLimits) -> str:
    place = request.place
    kind = await _choose_kind(connection, request)
    shape = request.shape_of(kind)
    name = index_name(place, kind, shape)
    if refusal := await _find_no_need(connection, request, name):
        return refusal
    text = msgspec.json.encode(shape).decode()
    await connection.execute(_BEGIN, name, *names_of(place), kind, text, request.is_declared)
    try:
        await drop_from_postgres(connection, name, progress)
        await make_room(connection, place, name, limits, progress)
        await _create(connection, request, kind, name, progress)
    except (GaveUpError, asyncpg.ProgramLimitExceededError) as error:
        await drop_from_postgres(connection, name, progress)
        await connection.execute(_FAILED, name, str(error))
        await release_unneeded(connection, place, progress)
        _log.warning("record_index_given_up", name=name, collection=place.collection, reason=str(error))
        return str(error)
    await connection.execute(_READY, name)
    _log.info("record_index_built", name=name, collection=place.collection, kind=kind)
    return f"{name} was built"


async def _choose_kind(connection: Connection, request: IndexRequest) -> Kind:
    if request.first_kind == "gin" and not request.is_declared:
        return "shape" if await connection.fetchval(_HAS_GIN, *names_of(request.place)) else "gin"
    return request.first_kind


async def _find_no_need(connection: Connection, request: IndexRequest, name: str) -> str | None:
    """Return why nothing is to be built, None if something is."""
    if await connection.fetchval(_IS_THERE, name):
        if request.is_declared:
            await connection.execute(_DECLARE, name)
        return f"{name} is there"
    if request.is_declared:
        return None
    if await connection.fetchval(_FAILED_LATELY, name):
        return f"{name} failed within the last day"
    count = await connection.fetchval(_COUNT_RECORDS, *names_of(request.place), LEAST_RECORDS)
    return f"{count} records need no index" if count < LEAST_RECORDS else None


async def _create(connection: Connection, request: IndexRequest, kind: Kind, name: str, progress: Progress) -> None:
    if kind == "gin":
        statement = await connection.fetchval(_GIN, name, *names_of(request.place))
    else:
        statement = await _prepare_slots(connection, request, name, progress)
    await progress.during(connection.execute(statement, timeout=LONG_S), phase="index")


async def _prepare_slots(connection: Connection, request: IndexRequest, name: str, progress: Progress) -> str:
    """See that all fields have slots that are filled; return the statement that builds the index."""
    place, shape = request.place, request.shape
    _check_fields(shape)
    await _check_newest(connection, place, shape)
    known = await _assign(connection, place, shape.fields, progress)
    if known.lacks(shape.fields):
        await fill_slots(connection, place, known, progress)
    if await connection.fetchval(_HAS_ODD, known.number, odd_mask(shape, known.slots)):
        raise GaveUpError(
            "some records have a value that no slot can hold: an array, an object, or more than 400 bytes"
        )
    kinds = {path: await _kinds(connection, known, path) for path in shape.equal}
    keys, included = index_columns(shape, known.slots, kinds)
    include = f" include ({', '.join(included)})" if included else ""
    return _ON_SLOTS.format(name=name, keys=", ".join(keys), include=include, place=int(known.number))


def _check_fields(shape: Shape) -> None:
    if reason := why_no_shape_index(shape):
        raise GaveUpError(reason)


async def _check_newest(connection: Connection, place: Place, shape: Shape) -> None:
    """Look at some records before all are read for nothing."""
    for path in (*shape.contains, *shape.group):
        arguments = Arguments(names_of(place))
        value = PayloadFields(arguments, row="newest").value(path)
        if await connection.fetchval(_NESTED.format(value=value), *arguments.values):
            raise GaveUpError(f"{format_path(path)} holds arrays or objects, and no slot can")


async def _assign(connection: Connection, place: Place, paths: Sequence[Path], progress: Progress) -> SlottedPlace:
    likely = await find_likely_fields(connection, place, paths)
    while True:
        try:
            return await assign_slots(connection, place, paths, likely=likely)
        except NoFreeSlotError:
            await free_slots(connection, place, progress)


async def _kinds(connection: Connection, known: SlottedPlace, path: Path) -> set[int]:
    statement = _KINDS.format(slot=int(known.slots[path]))
    return {row["kind"] for row in await connection.fetch(statement, known.number, timeout=LONG_S)}
