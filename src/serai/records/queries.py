"""Questions to collections, and what removes by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.export import Export, export
from serai.records.filters import compile_filter, parse_filter
from serai.records.groups import Aggregation, aggregate
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.search import Search, search
from serai.records.slots import drop_slots
from serai.records.sources import PlainPlanner, Planner, source_of
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import answer_once, request_key

DELETE_TIMEOUT_S = 600
MOST_EXPORTS = 16  # at a time
_DROP_SLOTS = drop_slots("gone")

# Remove the records that match.
DELETE = """
with gone as (
    delete from records where {condition} returning project_id, id, deployment_name, collection
), slotted as ({slots}) select count(*) from gone
"""


class RecordQueries:
    """Answers questions to the collections of one database. What it returns is JSON in UTF-8."""

    def __init__(self, database: Database, planner: Planner | None = None) -> None:
        self._database = database
        self._planner = planner or PlainPlanner()
        self._exports = asyncio.Semaphore(MOST_EXPORTS)

    async def search(self, question: Search) -> bytes:
        """Return one page of records.

        Raises:
            InvalidFieldError: the filter, the order or the page token is not valid.
        """
        with _refusals():
            return await search(self._database, self._planner, question)

    async def aggregate(self, question: Aggregation) -> bytes:
        """Return one page of groups.

        Raises:
            InvalidFieldError: the filter, a path, the order or the page token is not valid.
        """
        with _refusals():
            return await aggregate(self._database, self._planner, question)

    async def export(self, question: Export) -> AsyncGenerator[bytes, None]:
        """Return all records that match, piece by piece, once the first of them is there.

        Raises:
            InvalidFieldError: the filter, the order or a field is not valid.
            RetryLaterError: too many exports are under way.
        """
        with _refusals():
            return await export(self._database, question, self._exports)

    async def delete(
        self,
        place: Place,
        filter: bytes,  # noqa: A002 - the protocol's word
        *,
        idempotency_key: str | None = None,
    ) -> int:
        """Remove what a search with this filter would find, at once, and return how many that were.

        Raises:
            InvalidFieldError: the filter is not valid; nothing was removed.
            ConflictError: the key was used for another request.
        """
        terms = parse_filter(filter)
        asked = repr((place.deployment_name, place.collection, terms))
        key = request_key(place.project_id, idempotency_key, "delete by query", asked)

        async def remove(connection: Connection) -> dict[str, Any]:
            arguments = Arguments()
            source = source_of(place, None, arguments)
            condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
            statement = DELETE.format(condition=condition, slots=_DROP_SLOTS)
            deleted = await connection.fetchval(statement, *arguments.values, timeout=DELETE_TIMEOUT_S)
            return {"deleted_count": deleted}

        with _refusals():
            answer = await answer_once(self._database, key, remove)
        count: int = answer["deleted_count"]
        return count


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what PostgreSQL cannot hold, and so no record holds, into the filter's error."""
    try:
        yield
    except REFUSED as error:
        raise InvalidFieldError.of(("body", "filter"), f"no record can hold it: {error}") from error
