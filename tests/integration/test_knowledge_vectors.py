"""Tables and indexes of vectors: made once whoever asks, mended after a crash, and missed with an explanation."""

from __future__ import annotations

import asyncio
import re

import pytest

from serai.domain.knowledge import SearchType
from serai.knowledge.options import Knowledge
from serai.knowledge.searching import Searcher, SearchUnavailableError
from serai.storage.connection import Database
from serai.storage.knowledge_vectors import prepare
from tests.knowledge_values import new_content, question, take_in
from tests.run_values import open_database

INDEXES = """
select relname, indisvalid from pg_index join pg_class on pg_class.oid = indexrelid
where relname like 'knowledge\\_vectors\\_%' and relname not like '%pkey'"""


class AlwaysUp:
    """Gives every question the same vector."""

    async def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0]


async def search(database: Database) -> list[str]:
    searcher = Searcher(database, Knowledge(id="b", embedder="x:y"), AlwaysUp())
    return [chunk.text for chunk in await searcher.search(question("p", "x", SearchType.HYBRID))]


async def test_many_that_prepare_at_once_make_one_index_and_a_broken_one_is_made_again(database, database_url):
    with pytest.raises(SearchUnavailableError, match="pgvector"):
        await search(database)
    async with open_database(database_url) as other:
        assert all(await asyncio.gather(*(prepare(one, 2) for one in (database, other, database))))
        assert await database.fetch(INDEXES) == [("knowledge_vectors_2", True)]
        assert await search(database) == []
        await take_in(database, new_content("p"), ["up", "down"], vectors=[[1, 0], [-1, 0]])
        await database.execute(
            "update pg_index set indisvalid = false where indexrelid = 'knowledge_vectors_2'::regclass"
        )
        assert all(await asyncio.gather(prepare(database, 2), prepare(other, 2)))
    assert await database.fetch(INDEXES) == [("knowledge_vectors_2", True)]
    assert await search(database) == ["up", "down"]


async def test_vectors_too_long_for_an_index_are_compared_one_by_one(database):
    assert await prepare(database, 5000)
    assert await prepare(database, 5000)
    assert await database.fetch(INDEXES) == []


async def test_where_the_extension_may_not_be_made_words_still_find(database, database_url):
    await database.execute("drop extension vector")
    await database.execute("create role guest login password 'guest'")
    try:
        await database.execute("grant select, insert, update, delete on all tables in schema public to guest")
        async with open_database(re.sub("//[^/]*@", "//guest:guest@", database_url)) as guest:
            assert await guest.fetchval("select current_user") == "guest"
            assert not await prepare(guest, 2)
            await take_in(guest, new_content("p"), ["Cats"])
            found = await Searcher(guest, Knowledge(id="b")).search(question("p", "cats"))
            assert [chunk.text for chunk in found] == ["Cats"]
    finally:
        await database.execute("drop owned by guest")
        await database.execute("drop role guest")
