"""Storing new records: those that wait together share a statement and a commit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import asyncpg

from serai.errors import ConflictError
from serai.records.place import Place
from serai.records.slots import keep_slots
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import RequestKey, find_first_answers, give_back_keys, take_keys
from serai.storage.rounds import in_rounds

# Store records; times rise within the statement, so that they follow the order of insertion. An id that is taken
# stores nothing and returns no row. Sorted by the ids, so that two nodes never wait for each other in a circle.
_STORE = """
with new as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
        as item(project_id, id, deployment_name, collection, data, position)
    {unless}
), stored as (
    insert into records (project_id, id, deployment_name, collection, data, created_at, updated_at)
    select project_id, id, deployment_name, collection, data::jsonb, at, at from new order by project_id, id
    on conflict (project_id, id) do nothing
    returning project_id, id, deployment_name, collection, data, created_at
){slotted}
select project_id, id, (date_part('epoch', created_at) * 1e6)::bigint as created_at, data::text as data from stored
"""

# The same for a batch in which some have an Idempotency-Key. One whose key is taken stores nothing and returns no row;
# one that has got its key, but not its id, returns a row without data.
_ONCE = """
with new as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[]) with ordinality
        as item(project_id, id, deployment_name, collection, data, key, fingerprint, position)
    {unless}
), taken as (
{taken}), allowed as materialized (
    select new.* from new left join taken using (project_id, key) where new.key is null or taken.key is not null
), stored as (
    insert into records (project_id, id, deployment_name, collection, data, created_at, updated_at)
    select project_id, id, deployment_name, collection, data::jsonb, at, at from allowed order by project_id, id
    on conflict (project_id, id) do nothing
    returning project_id, id, deployment_name, collection, data, created_at
){slotted}
select project_id, id, (date_part('epoch', at) * 1e6)::bigint as created_at, stored.data::text as data
from allowed left join stored using (project_id, id)
"""

# To keep slots costs half as much as the record. Statements that do not keep them store nothing when they should have.
_UNLESS_SLOTS = """where not exists (
    select from record_places
    where (project_id, deployment_name, collection) in (select * from unnest($1::text[], $3::text[], $4::text[]))
)"""
_SLOTTED = f", slotted as ({keep_slots('stored')})"
CREATE = _STORE.format(unless="", slotted=_SLOTTED)
_CREATE_PLAIN = _STORE.format(unless=_UNLESS_SLOTS, slotted="")
_TAKEN = take_keys(
    "new where key is not null",
    answer="jsonb_build_object('id', id, 'created_at', (date_part('epoch', at) * 1e6)::bigint)",
)
_CREATE_ONCE_PLAIN = _ONCE.format(unless=_UNLESS_SLOTS, taken=_TAKEN, slotted="")
_CREATE_ONCE = _ONCE.format(unless="", taken=_TAKEN, slotted=_SLOTTED)


class NewRecord(NamedTuple):
    """A record to be stored.

    Attributes:
        id: ours or the caller's.
        is_named: the caller chose the id, which may be taken.
        place: where it belongs.
        data: JSON text of an object.
        key: the same key again is the same record.
    """

    id: str
    is_named: bool
    place: Place
    data: str
    key: RequestKey | None


class Created(NamedTuple):
    """A record that was stored now, or by an earlier request with the same key.

    Attributes:
        id: its id.
        data: the payload as PostgreSQL writes it.
        created_at: in microseconds.
    """

    id: str
    data: str
    created_at: int


Outcome = Created | Exception | None
"""None: somebody held the key and holds it no more; try again."""


class Creator:
    """Stores records, those that wait together in one commit; each has an outcome of its own.

    Args:
        database: where the records are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._with_slots: set[Place] = set()
        self._batcher: Batcher[NewRecord, Created | None] = Batcher(self._store)

    async def store(self, new: NewRecord) -> Created:
        """Store a record, or repeat the first answer to it.

        Raises:
            ConflictError: the id is taken, or the key was used for another request.
        """
        while (created := await self._batcher.submit(new)) is None:
            pass
        return created

    async def _store(self, items: list[NewRecord]) -> list[Outcome]:
        rounds = in_rounds(items, _names)
        outcomes: list[Outcome] = [None] * len(items)
        async with _connection(self._database, items, rounds) as connection:
            for positions in rounds:
                found = await self._store_round(connection, [items[position] for position in positions])
                for position, outcome in zip(positions, found, strict=True):
                    outcomes[position] = outcome
            await _repeat_answers(connection, items, outcomes)
        return outcomes

    async def _store_round(self, connection: Connection, items: list[NewRecord]) -> list[Outcome]:
        rows: list[asyncpg.Record] = []
        places = {item.place for item in items}
        if self._with_slots.isdisjoint(places):
            rows = await _insert(connection, items, keeps_slots=False)
        if not rows and (rows := await _insert(connection, items, keeps_slots=True)):
            # Collections that have lost their slots stay here: that costs, and is not wrong.
            self._with_slots |= places
        stored = {(row["project_id"], row["id"]): row for row in rows}
        found = [stored.get((item.place.project_id, item.id)) for item in items]
        refused = [item.key for item, row in zip(items, found, strict=True) if item.key and row and row["data"] is None]
        await give_back_keys(connection, refused)
        return [_outcome(item, row) for item, row in zip(items, found, strict=True)]


def taken_id(record_id: str) -> ConflictError:
    """Return the error of an id that another record has."""
    return ConflictError(f"This project has another record {record_id!r}; choose a new id.")


def columns_of(items: Sequence[NewRecord]) -> list[list[str]]:
    """Return the first five arguments of the statements."""
    return [
        [item.place.project_id for item in items],
        [item.id for item in items],
        [item.place.deployment_name for item in items],
        [item.place.collection for item in items],
        [item.data for item in items],
    ]


def _names(item: NewRecord) -> Iterator[Hashable]:
    if item.is_named:
        yield "id", item.place.project_id, item.id
    if item.key is not None:
        yield "key", item.key.project_id, item.key.key


def _connection(
    database: Database, items: list[NewRecord], rounds: list[list[int]]
) -> AbstractAsyncContextManager[Connection]:
    """Lend a connection; in a transaction when one statement may not be all."""
    may_give_back = any(item.is_named and item.key is not None for item in items)
    return database.transaction() if may_give_back or len(rounds) > 1 else database.connection()


async def _insert(connection: Connection, items: list[NewRecord], *, keeps_slots: bool) -> list[asyncpg.Record]:
    if all(item.key is None for item in items):
        return await connection.fetch(CREATE if keeps_slots else _CREATE_PLAIN, *columns_of(items))
    keys = [item.key and item.key.key for item in items]
    fingerprints = [item.key and item.key.fingerprint for item in items]
    statement = _CREATE_ONCE if keeps_slots else _CREATE_ONCE_PLAIN
    return await connection.fetch(statement, *columns_of(items), keys, fingerprints)


def _outcome(item: NewRecord, row: asyncpg.Record | None) -> Outcome:
    if row is not None and row["data"] is not None:
        return Created(item.id, row["data"], row["created_at"])
    return None if row is None and item.key is not None else taken_id(item.id)


async def _repeat_answers(connection: Connection, items: list[NewRecord], outcomes: list[Outcome]) -> None:
    """Give requests whose key was taken the answer of the first."""
    waiting = {position: item.key for position, item in enumerate(items) if outcomes[position] is None and item.key}
    asked = [(key, items[position].data) for position, key in waiting.items()]
    for position, first in zip(waiting, await find_first_answers(connection, asked), strict=True):
        if isinstance(first, Exception) or first is None:
            outcomes[position] = first
        else:
            outcomes[position] = Created(first.answer["id"], first.data, first.answer["created_at"])
