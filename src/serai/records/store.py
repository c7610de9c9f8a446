"""Records in PostgreSQL by id: create, get, update, delete. Calls of a kind that wait together share a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from serai.domain.ids import new_key
from serai.domain.stored_text import is_storable
from serai.errors import InvalidFieldError
from serai.records.bulk import BatchItem, create_many
from serai.records.changes import DELETE, DELETE_OR_SKIP, UPDATE, UPDATE_OR_SKIP, Change, Changer, missing
from serai.records.creates import Creator, NewRecord
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.render import render_record
from serai.storage.batching import Batcher
from serai.storage.connection import Database
from serai.storage.idempotency import request_key

# Read records by project and id. A join, since without statistics an array of ids would scan the whole project.
GET = """
select project_id, id, deployment_name, collection, data::text as data,
       (date_part('epoch', created_at) * 1e6)::bigint as created_at,
       (date_part('epoch', updated_at) * 1e6)::bigint as updated_at
from unnest($1::text[], $2::text[]) as wanted(project_id, id) join records using (project_id, id)
"""


class Stored(NamedTuple):
    """A record as it is stored.

    Attributes:
        body: its JSON in UTF-8.
        version: when it was last changed, in microseconds; no two states of a record have the same.
    """

    body: bytes
    version: int


class RecordStore:
    """Records of one database. What it returns is spliced from the columns' text.

    A write that has returned is durable and visible to every later call. One with an `idempotency_key` is done once:
    the same write with the same key within a day gets the first answer, whatever became of the record since; another
    write with that key is a `ConflictError`; one that failed does not keep its key.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._creates = Creator(database)
        self._gets: Batcher[tuple[str, str], Stored | None] = Batcher(self._read)
        self._updates = Changer(database, eager=UPDATE_OR_SKIP, patient=UPDATE)
        self._deletes = Changer(database, eager=DELETE_OR_SKIP, patient=DELETE)

    async def create(
        self, place: Place, data: str, *, record_id: str | None = None, idempotency_key: str | None = None
    ) -> Stored:
        """Store a new record.

        Args:
            place: where it belongs.
            data: JSON text of an object, as `payload_text` returns it.
            record_id: None gives it one.
            idempotency_key: makes it safe to repeat.

        Raises:
            InvalidFieldError: PostgreSQL cannot hold the payload.
            ConflictError: the id is taken, or the key was used for another request.
        """
        where = place.deployment_name, place.collection
        asked = f"{where if record_id is None else (*where, record_id)!r}{data}" if idempotency_key is not None else ""
        key = request_key(place.project_id, idempotency_key, "", asked)
        new = NewRecord(record_id or str(new_key()), record_id is not None, place, data, key)
        try:
            created = await self._creates.store(new)
        except REFUSED as error:
            raise _refused(error) from error
        at = created.created_at
        return Stored(render_record(place.project_id, created.id, *where, created.data, at, at), at)

    async def create_many(
        self, place: Place, items: Sequence[BatchItem], *, idempotency_key: str | None = None
    ) -> list[bytes]:
        """Store many new records in one commit, all or none; their times rise in their order.

        Args:
            place: where they belong.
            items: no two with the same id.
            idempotency_key: makes it safe to repeat.

        Raises:
            InvalidFieldError: PostgreSQL cannot hold a payload; names the item.
            ConflictError: an id is taken, or the key was used for another request.
        """
        return await create_many(self._database, place, items, idempotency_key=idempotency_key)

    async def get(self, project_id: str, record_id: str) -> Stored:
        """Return a record.

        Raises:
            NotFoundError: the project has no record of that id.
        """
        found = await self._gets.submit((project_id, record_id)) if is_storable(record_id) else None
        if found is None:
            raise missing(record_id)
        return found

    async def update(
        self,
        project_id: str,
        record_id: str,
        data: str,
        *,
        versions: frozenset[int] | None = None,
        idempotency_key: str | None = None,
    ) -> Stored:
        """Replace a record's payload as a whole.

        Args:
            project_id: where it is.
            record_id: which it is.
            data: JSON text of an object, as `payload_text` returns it.
            versions: those of which it must have one; None if any will do.
            idempotency_key: makes it safe to repeat.

        Raises:
            NotFoundError: the project has no record of that id.
            PreconditionFailedError: it has another version.
            InvalidFieldError: PostgreSQL cannot hold the payload.
            ConflictError: the key was used for another request.
        """
        _check_storable(record_id)
        key = request_key(project_id, idempotency_key, "update", f"{record_id!r}{data}")
        try:
            row = await self._updates.make(Change(project_id, record_id, data, versions, key))
        except REFUSED as error:
            raise _refused(error) from error
        return Stored(render_record(project_id, record_id, *row), row.updated_at)

    async def delete(
        self,
        project_id: str,
        record_id: str,
        *,
        versions: frozenset[int] | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Remove a record; see `update`.

        Raises:
            NotFoundError: the project has no record of that id.
            PreconditionFailedError: it has another version.
            ConflictError: the key was used for another request.
        """
        _check_storable(record_id)
        key = request_key(project_id, idempotency_key, "delete", record_id)
        await self._deletes.make(Change(project_id, record_id, None, versions, key))

    async def _read(self, items: list[tuple[str, str]]) -> list[Stored | Exception | None]:
        wanted = dict.fromkeys(items)
        rows = await self._database.fetch(GET, [project for project, _ in wanted], [record for _, record in wanted])
        found = {(row[0], row[1]): Stored(render_record(*row), row[6]) for row in rows}
        return [found.get(item) for item in items]


def _check_storable(record_id: str) -> None:
    if not is_storable(record_id):
        raise missing(record_id)


def _refused(error: Exception) -> InvalidFieldError:
    return InvalidFieldError.of(("body", "data"), f"cannot be stored: {error}", kind="json_invalid")
