"""Records in PostgreSQL: create, get, update, delete, search. Gets and creates waiting together share a statement."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass

import asyncpg

from serai.domain.ids import new_key
from serai.errors import ConflictError, InvalidFieldError, NotFoundError
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.render import render_record
from serai.storage.batching import Batcher
from serai.storage.connection import Database

# Store records; times rise within the statement, so that they follow the order of insertion.
CREATE = """
with new as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
        as item(id, project_id, deployment_name, collection, data, position)
)
insert into records (id, project_id, deployment_name, collection, data, created_at, updated_at)
select id, project_id, deployment_name, collection, data::jsonb, at, at from new order by position
returning id, created_at, data::text as data
"""

# The same for a batch in which some have an idempotency key: a key that is taken stores nothing and returns no row.
# Sorted by the keys, so that two nodes that store the same ones at once wait for each other and never in a circle.
CREATE_ONCE = """
with new as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[]) with ordinality
        as item(id, project_id, deployment_name, collection, data, idempotency_key, fingerprint, position)
)
insert into records
    (id, project_id, deployment_name, collection, data, created_at, updated_at, idempotency_key, fingerprint)
select id, project_id, deployment_name, collection, data::jsonb, at, at, idempotency_key, fingerprint
from new order by idempotency_key, project_id, position
on conflict (project_id, idempotency_key) where idempotency_key is not null do nothing
returning id, created_at, data::text as data
"""

# The record that was stored with an idempotency key.
FIND_FIRST = """
select id, project_id, deployment_name, collection, data::text as data, created_at, updated_at, fingerprint
from records where project_id = $1 and idempotency_key = $2
"""

# Read records of one project by their ids.
GET = """
select id, project_id, deployment_name, collection, data::text as data, created_at, updated_at
from records where project_id = $1 and id = any($2::text[])
"""

# Replace one record's payload; its time rises even when the clock stood still.
UPDATE = """
update records
set data = $3::text::jsonb, updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
where project_id = $1 and id = $2
returning id, project_id, deployment_name, collection, data::text as data, created_at, updated_at
"""

# Remove one record.
DELETE = "delete from records where project_id = $1 and id = $2"


@dataclass(frozen=True, slots=True)
class _New:
    id: str
    place: Place
    data: str
    idempotency_key: str | None
    fingerprint: bytes | None


class RecordStore:
    """Records of one database. What it returns is JSON in UTF-8, spliced from the columns' text.

    A write that has returned is durable and visible to every later call.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._creates: Batcher[_New, asyncpg.Record | None] = Batcher(self._insert)
        self._gets: Batcher[tuple[str, str], bytes | None] = Batcher(self._read)

    async def create(self, place: Place, data: str, *, idempotency_key: str | None = None) -> bytes:
        """Store a new record.

        Args:
            place: where it belongs.
            data: JSON text of an object, as `payload_text` returns it.
            idempotency_key: the same key, place and text again are the same record, for as long as it exists.

        Returns:
            The record as it is stored.

        Raises:
            InvalidFieldError: PostgreSQL cannot hold the payload.
            ConflictError: the project has another record of that idempotency key.
        """
        new = _new_record(place, data, idempotency_key)
        while (row := await self._store(new)) is None:
            # No record either: it was deleted meanwhile, and the key is free again.
            first = await self._database.fetchrow(FIND_FIRST, place.project_id, idempotency_key)
            if first is not None:
                return _repeated(first, new)
        return render_record(
            {
                "id": new.id,
                "project_id": place.project_id,
                "deployment_name": place.deployment_name,
                "collection": place.collection,
                "data": row["data"],
                "created_at": row["created_at"],
                "updated_at": row["created_at"],
            }
        )

    async def get(self, project_id: str, record_id: str) -> bytes:
        """Return a record.

        Raises:
            NotFoundError: the project has no record of that id.
        """
        found = await self._gets.submit((project_id, record_id)) if is_storable(record_id) else None
        if found is None:
            raise _not_found(record_id)
        return found

    async def update(self, project_id: str, record_id: str, data: str) -> bytes:
        """Replace a record's payload as a whole and return the record.

        Raises:
            NotFoundError: the project has no record of that id.
            InvalidFieldError: PostgreSQL cannot hold the payload.
        """
        if not is_storable(record_id):
            raise _not_found(record_id)
        try:
            row = await self._database.fetchrow(UPDATE, project_id, record_id, data)
        except REFUSED as error:
            raise _refused(error) from error
        if row is None:
            raise _not_found(record_id)
        return render_record(row)

    async def delete(self, project_id: str, record_id: str) -> None:
        """Remove a record.

        Raises:
            NotFoundError: the project has no record of that id.
        """
        deleted = is_storable(record_id) and await self._database.execute(DELETE, project_id, record_id)
        if deleted != "DELETE 1":
            raise _not_found(record_id)

    async def _store(self, new: _New) -> asyncpg.Record | None:
        try:
            return await self._creates.submit(new)
        except REFUSED as error:
            raise _refused(error) from error

    async def _insert(self, items: list[_New]) -> list[asyncpg.Record | Exception | None]:
        columns = [
            [item.id for item in items],
            [item.place.project_id for item in items],
            [item.place.deployment_name for item in items],
            [item.place.collection for item in items],
            [item.data for item in items],
        ]
        keys = [item.idempotency_key for item in items]
        if any(key is not None for key in keys):
            rows = await self._database.fetch(CREATE_ONCE, *columns, keys, [item.fingerprint for item in items])
        else:
            rows = await self._database.fetch(CREATE, *columns)
        stored = {row["id"]: row for row in rows}
        return [stored.get(item.id) for item in items]

    async def _read(self, items: list[tuple[str, str]]) -> list[bytes | Exception | None]:
        ids = defaultdict(list)
        for project_id, record_id in items:
            ids[project_id].append(record_id)
        found = {}
        for project_id, wanted in ids.items():
            for row in await self._database.fetch(GET, project_id, wanted):
                found[project_id, row["id"]] = render_record(row)
        return [found.get(item) for item in items]


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can hold a text; an id of another form cannot exist."""
    return _UNSTORABLE.search(text) is None


def _new_record(place: Place, data: str, idempotency_key: str | None) -> _New:
    fingerprint = None
    if idempotency_key is not None:
        asked = repr((place.deployment_name, place.collection)) + data
        fingerprint = hashlib.blake2b(asked.encode(), digest_size=16).digest()
    return _New(str(new_key()), place, data, idempotency_key, fingerprint)


def _repeated(first: asyncpg.Record, new: _New) -> bytes:
    if first["fingerprint"] != new.fingerprint:
        raise ConflictError("Idempotency-Key was used with another request; choose a new key.")
    return render_record(first)


def _refused(error: Exception) -> InvalidFieldError:
    return InvalidFieldError.of(("body", "data"), f"cannot be stored: {error}", kind="json_invalid")


def _not_found(record_id: str) -> NotFoundError:
    return NotFoundError(f"There is no record {record_id[:100]!r} in this project.")
