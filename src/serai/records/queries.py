"""Questions to a collection: one page of the records that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from serai.errors import InvalidFieldError
from serai.records.filters import Arguments, compile_filter
from serai.records.paging import bind, make_page_token, read_page_token
from serai.records.payload import REFUSED
from serai.records.place import Place
from serai.records.render import render_page
from serai.storage.connection import Database

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000
_FURTHEST_OFFSET = 2**62

# One page of a collection, newest first. The ids are found first: a deep offset then skips index entries, not rows.
SEARCH = """
select id, project_id, deployment_name, collection, data::text as data, created_at, updated_at
from records
join (
    select id from records
    where project_id = $1::text and deployment_name = $2::text and collection = $3::text and {condition}
    order by created_at desc, id desc limit {limit} offset {offset}
) as page using (id)
order by created_at desc, id desc
"""

# How many records match.
COUNT = """
select count(*) from records
where project_id = $1::text and deployment_name = $2::text and collection = $3::text and {condition}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A question for one page of records, newest first.

    Attributes:
        place: the collection to look in.
        filter: JSON of the filter; null finds all.
        page_size: at most 1000 count; 0 is for counting.
        offset: records to skip; does not matter with a page token.
        page_token: of the page before.
        include_total: count all matches, too.
    """

    place: Place
    filter: bytes = b"null"
    page_size: int = DEFAULT_PAGE_SIZE
    offset: int = 0
    page_token: str | None = None
    include_total: bool = False


class RecordQueries:
    """Searches in the records of one database. What it returns is JSON in UTF-8."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, search: Search) -> bytes:
        """Return one page of records.

        Raises:
            InvalidFieldError: the filter or the page token is not valid.
        """
        place = search.place
        arguments = Arguments([place.project_id, place.deployment_name, place.collection])
        condition = compile_filter(search.filter, arguments)
        binding = bind(condition, arguments.values)
        try:
            total = None
            if search.include_total:
                total = await self._database.fetchval(COUNT.format(condition=condition), *arguments.values)
            rows = await self._page(search, condition, arguments, binding)
        except REFUSED as error:
            raise InvalidFieldError.of(("body", "filter"), f"no record can hold it: {error}") from error
        size = min(search.page_size, LARGEST_PAGE_SIZE)
        token = (
            make_page_token(rows[size - 1]["created_at"], rows[size - 1]["id"], binding)
            if 0 < size < len(rows)
            else None
        )
        return render_page(rows[:size], next_page_token=token, total=total)

    async def _page(
        self, search: Search, condition: str, arguments: Arguments, binding: bytes
    ) -> Sequence[asyncpg.Record]:
        size = min(search.page_size, LARGEST_PAGE_SIZE)
        offset = search.offset
        if search.page_token is not None:
            created_at, record_id = read_page_token(search.page_token, binding)
            last = f"({arguments.add(created_at, 'timestamptz')}, {arguments.add(record_id, 'text')})"
            condition = f"{condition} and (created_at, id) < {last}"
            offset = 0
        if size == 0:
            return []
        sql = SEARCH.format(
            condition=condition,
            # One more than the page: it tells whether another follows.
            limit=arguments.add(size + 1, "bigint"),
            offset=arguments.add(min(offset, _FURTHEST_OFFSET), "bigint"),
        )
        return await self._database.fetch(sql, *arguments.values)
