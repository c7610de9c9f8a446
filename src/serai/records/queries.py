"""Questions to collections, and what removes by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.export import Export, export
from serai.records.filters import compile_filter, parse_filter
from serai.records.groups import Aggregation, aggregate
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.search import Search, search
from serai.records.sources import PlainPlanner, Planner, source_of
from serai.storage.connection import Database

# Remove the records that match.
DELETE = "delete from records where {condition}"


class RecordQueries:
    """Answers questions to the collections of one database. What it returns is JSON in UTF-8."""

    def __init__(self, database: Database, planner: Planner | None = None) -> None:
        self._database = database
        self._planner = planner or PlainPlanner()

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
        """
        with _refusals():
            return await export(self._database, question)

    async def delete(self, place: Place, filter: bytes) -> int:  # noqa: A002 - the protocol's word
        """Remove what a search with this filter would find, at once, and return how many that were.

        Raises:
            InvalidFieldError: the filter is not valid; nothing was removed.
        """
        arguments = Arguments()
        source = source_of(place, None, arguments)
        condition = f"{source.scope} and {compile_filter(parse_filter(filter), source.fields, arguments)}"
        with _refusals():
            tag = await self._database.execute(DELETE.format(condition=condition), *arguments.values)
        return int(tag.removeprefix("DELETE "))


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what PostgreSQL cannot hold, and so no record holds, into the filter's error."""
    try:
        yield
    except REFUSED as error:
        raise InvalidFieldError.of(("body", "filter"), f"no record can hold it: {error}") from error
