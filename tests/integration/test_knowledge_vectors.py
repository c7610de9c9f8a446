"""Tables and indexes of vectors: made once whoever asks, mended after a crash, and missed with an explanation."""

from __future__ import annotations

import asyncio
import re

import pytest

from serai.domain.knowledge import NewContent, SearchQuestion, SearchType
from serai.knowledge.options import Knowledge
from serai.knowledge.searching import Searcher, SearchUnavailableError
from serai.storage import knowledge_vectors
from serai.storage.connection import Database
from serai.storage.knowledge_vectors import VectorSearch, build_index, has_vectors, prepare
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


async def put_many(database: Database, new: NewContent) -> None:
    record = await take_in(database, new, ["x"])
    await database.execute(
        "insert into knowledge_chunks select project_id, base_id, id, n, null, 'x', '{}', 1, '' "
        "from knowledge_contents, generate_series(2, 1500) n where id = $1",
        record.id,
    )
    await database.execute(
        "insert into knowledge_vectors select project_id, base_id, content_id, position, null, 3, "
        "array[sin(position), cos(position), 0.5]::real[]::halfvec from knowledge_chunks where content_id = $1",
        record.id,
    )
    await database.execute("analyze knowledge_vectors")


async def uses_index(database: Database, asked: SearchQuestion) -> bool:
    scans = "select idx_scan from pg_stat_user_indexes where indexrelname = 'knowledge_vectors_3'"
    before = await database.fetchval(scans)
    await VectorSearch(database).find(asked, [1, 0, 0])
    await database.execute("select pg_stat_force_next_flush()")
    return bool(await database.fetchval(scans) > before)


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
        assert await prepare(database, 2)
        assert await database.fetch(INDEXES) == [("knowledge_vectors_2", False)], "nobody waits for it"
        assert await search(database) == ["up", "down"]
        await asyncio.gather(build_index(database, 2), build_index(other, 2))
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
            assert not await has_vectors(guest)
            assert not await prepare(guest, 2)
            await build_index(guest, 2)
            with pytest.raises(SearchUnavailableError, match="keyword"):
                await search(guest)
            await take_in(guest, new_content("p"), ["Cats"])
            found = await Searcher(guest, Knowledge(id="b")).search(question("p", "cats"))
            assert [chunk.text for chunk in found] == ["Cats"]
    finally:
        await database.execute("drop owned by guest")
        await database.execute("drop role guest")


async def test_where_the_extension_is_too_old_or_out_of_sight_words_still_find(database):
    await database.execute("drop extension vector; create schema aside; create extension vector schema aside")
    try:
        assert not await has_vectors(database)
        assert not await prepare(database, 2)
        with pytest.raises(SearchUnavailableError, match="pgvector"):
            await search(database)
    finally:
        await database.execute("drop schema aside cascade")


@pytest.mark.one_postgres  # versions before 18 cannot hide an extension
async def test_where_postgresql_does_not_bring_the_extension_words_still_find(database, database_url):
    await database.execute("drop extension vector")
    await database.execute("alter role current_user set extension_control_path = '/nowhere'")
    try:
        async with open_database(database_url) as bare:
            assert not await has_vectors(bare)
            assert not await prepare(bare, 2)
            with pytest.raises(SearchUnavailableError, match="pgvector"):
                await search(bare)
            await take_in(bare, new_content("p"), ["Cats"])
            assert len(await Searcher(bare, Knowledge(id="b")).search(question("p", "cats"))) == 1
    finally:
        await database.execute("alter role current_user reset extension_control_path")


async def test_the_index_is_used_where_a_base_is_most_of_what_it_has(database, monkeypatch):
    assert await prepare(database, 3)
    monkeypatch.setattr(knowledge_vectors, "EXACT_SHARE", 500)
    await put_many(database, new_content("p"))
    assert await uses_index(database, question("p", "x", SearchType.VECTOR))
    assert not await uses_index(database, question("p", "x", SearchType.VECTOR, filters={"n": 1}))
    await put_many(database, new_content("q"))
    await put_many(database, new_content("r"))
    assert not await uses_index(database, question("p", "x", SearchType.VECTOR))
