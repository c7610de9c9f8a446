"""Storing many records at once, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from serai.domain.ids import new_key
from serai.errors import InvalidFieldError
from serai.records.creates import CREATE, NewRecord, columns_of, taken_id
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.render import render_record
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import answer_once, request_key

LARGEST_BATCH = 1000

# The first payload that PostgreSQL cannot hold, and why.
FIND_REFUSED = """
select position, error.message
from unnest($1::text[]) with ordinality as item(data, position),
     lateral pg_input_error_info(item.data, 'jsonb') as error
where error.message is not null order by position limit 1
"""

# Payloads as they read once they are stored.
READ_PAYLOADS = (
    "select data::jsonb::text from unnest($1::text[]) with ordinality as item(data, position) order by position"
)


class BatchItem(msgspec.Struct, frozen=True):
    """One record of many: the payload as JSON text, and the id if the caller chose one."""

    data: str
    id: str | None = None


async def create_many(
    database: Database, place: Place, items: Sequence[BatchItem], *, idempotency_key: str | None
) -> list[bytes]:
    """Store records in one commit and return them in their order; see `RecordStore.create_many`."""
    asked = repr((place.deployment_name, place.collection, [(item.id, item.data) for item in items]))
    key = request_key(place.project_id, idempotency_key, "batch", asked)
    records = [NewRecord(item.id or str(new_key()), item.id is not None, place, item.data, None) for item in items]
    payloads: list[str] = []

    async def store(connection: Connection) -> dict[str, Any]:
        stored = {row["id"]: row for row in await connection.fetch(CREATE, *columns_of(records))}
        if len(stored) < len(records):
            raise taken_id(next(record.id for record in records if record.id not in stored))
        payloads.extend(stored[record.id]["data"] for record in records)
        return {"records": [[record.id, stored[record.id]["created_at"]] for record in records]}

    try:
        answer = await answer_once(database, key, store)
    except REFUSED as error:
        raise await _refused(database, records, error) from error
    if not payloads:
        payloads = [row["data"] for row in await database.fetch(READ_PAYLOADS, [record.data for record in records])]
    return [
        render_record(
            place.project_id, record_id, place.deployment_name, place.collection, data, created_at, created_at
        )
        for (record_id, created_at), data in zip(answer["records"], payloads, strict=True)
    ]


async def _refused(database: Database, records: Sequence[NewRecord], error: Exception) -> InvalidFieldError:
    row = await database.fetchrow(FIND_REFUSED, [record.data for record in records])
    if row is None:
        return InvalidFieldError.of(("body", "items"), f"cannot be stored: {error}", kind="json_invalid")
    loc = ("body", "items", row["position"] - 1, "data")
    return InvalidFieldError.of(loc, f"cannot be stored: {row['message']}", kind="json_invalid")
