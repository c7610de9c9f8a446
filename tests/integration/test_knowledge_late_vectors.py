"""Contents that were taken in while their base had no embedder get their vectors later; real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from serai.domain.knowledge import ContentStatus
from serai.knowledge.bases import KnowledgeBase
from serai.knowledge.late_vectors import embed_kind
from serai.knowledge.options import Knowledge
from serai.storage.connection import Database
from serai.storage.erasure import erase_user
from serai.storage.jobs import JobStatus, JobStore
from serai.testing import HashedEmbeddingModel, provider_error
from tests.knowledge_intake import GatedModel, Intake, intake, paragraphs, website
from tests.run_values import open_database, until

pytestmark = pytest.mark.one_postgres

IDLE = "select count(*) = 0 from jobs where status in ('PENDING', 'RUNNING')"


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened
        await opened.execute("delete from knowledge_contents; delete from knowledge_models; delete from jobs")


async def taken_by_words(database: Database, base_id: str, *sources: bytes, user_id: str | None = None) -> list[UUID]:
    """Take contents into a base without an embedder."""
    async with intake(database, Knowledge(id=base_id, chunk_overlap=0)) as at:
        at.project = base_id
        contents = [await at.add(source, user_id=user_id) for source in sources]
        for content in contents:
            assert (await at.ended(content)).status is ContentStatus.COMPLETED
    return contents


async def begin(at: Intake) -> KnowledgeBase:
    """Look for what has no vectors, as a server does when it starts."""
    at.project = at.base.id
    base = KnowledgeBase(at.database, at.base, lambda _: at.runner.look())
    await base.prepare()
    await base.embed_late()
    return base


async def test_what_was_taken_in_without_an_embedder_is_embedded_when_there_is_one(database: Database):
    long, *rest = await taken_by_words(database, "late", paragraphs(3), *(b"Cats %d" % one for one in range(5)))
    model = HashedEmbeddingModel(8)
    async with intake(database, Knowledge(id="late", embedder=model)) as at:
        base = await begin(at)
        await until(database, IDLE)
        assert [await at.vectors(content) for content in (long, *rest)] == [3, 1, 1, 1, 1, 1]
        record = await at.get(long)
        assert (record.status, record.status_message, record.chunks) == (ContentStatus.COMPLETED, "", 3)
        found = await base.search(base.question("late", "Cats 3"))
        assert found[0].text == "Cats 3"
        asked = len(model.asked)
        await base.embed_late()
        assert await database.fetchval("select count(*) from jobs where kind = $1", embed_kind("late")) == 1
        assert len(model.asked) == asked, "nothing is left to do"
    (job,) = await JobStore(database).list(kind=embed_kind("late"))
    assert job.status is JobStatus.COMPLETED
    assert job.progress == {"done": 6, "refused": 0, "total": 6}
    settled = await database.fetch("select base_id, model, dimensions from knowledge_models")
    assert [tuple(row) for row in settled] == [("late", "serai:hashed-words", 8)]


async def test_what_is_embedded_later_is_the_same_text_as_at_once(database: Database):
    text, told = b"# Pets\n\nCats sleep.", {"name": "pets.md", "metadata": {"title": "Of the caller"}}
    async with intake(database, Knowledge(id="same")) as at:
        at.project = "same"
        await at.ended(await at.add(text, **told))
    asked = []
    for base_id in ("same", "at once"):
        model = HashedEmbeddingModel(8)
        async with intake(database, Knowledge(id=base_id, embedder=model)) as at:
            await begin(at)
            await until(database, IDLE)
            if base_id == "at once":
                await at.ended(await at.add(text, **told))
        asked.append(model.asked[-1])
    assert asked[0] == asked[1]
    assert "Of the caller" not in asked[0][0]


async def test_a_job_whose_node_stops_goes_on_with_what_is_left(database: Database):
    contents = await taken_by_words(database, "stopped", b"One.", b"Two.")
    model = GatedModel()
    async with intake(database, Knowledge(id="stopped", embedder=model)) as at:
        await begin(at)
        await model.waiting.acquire()
    async with intake(database, Knowledge(id="stopped", embedder=HashedEmbeddingModel(8))) as at:
        at.project = "stopped"
        await until(database, IDLE)
        assert [await at.vectors(content) for content in contents] == [1, 1]


async def test_a_model_that_is_away_is_waited_for_and_one_that_refuses_is_told(database: Database):
    contents = await taken_by_words(database, "refusing", b"First.", b"Second.")
    model = GatedModel()
    model.gate.set()
    async with intake(database, Knowledge(id="refusing", embedder=model, dimensions=8)) as at:
        await begin(at)
        await until(database, IDLE)
        await database.execute("update knowledge_contents set has_vectors = false; delete from knowledge_embeddings")
        model.errors = [provider_error(401, "Incorrect API key")] * 2
        await begin(at)
        await until(database, IDLE)
        for content in contents:
            record = await at.get(content)
            assert record.status is ContentStatus.COMPLETED
            assert "It is searched by words only." in record.status_message
            assert "Incorrect API key" in record.status_message
        model.errors = [provider_error(503)]
        await begin(at)
        await until(database, IDLE)
        assert [(await at.get(content)).status_message for content in contents] == ["", ""]


async def test_what_is_removed_or_taken_in_anew_meanwhile_gets_no_old_vectors(database: Database):
    async with website(b"Old words.", "Content-Type: text/plain") as url:
        async with intake(database, Knowledge(id="moved", allow_private_urls=True)) as at:
            at.project = "moved"
            fetched = await at.add(url)
            removed = await at.add(b"Soon gone.")
            await at.ended(fetched)
            await at.ended(removed)
        model = GatedModel()
        async with intake(database, Knowledge(id="moved", embedder=model, allow_private_urls=True)) as at:
            await begin(at)
            await model.waiting.acquire()
            await model.waiting.acquire()
            await at.contents.delete("moved", "moved", [removed])
            await at.add(url, replaces=True)
            await database.execute("update knowledge_contents set status = 'completed' where id = $1", fetched)
            model.gate.set()
            await until(database, "select status = 'COMPLETED' from jobs where kind = $1", embed_kind("moved"))
            assert [await at.vectors(content) for content in (removed, fetched)] == [0, 0]


async def test_chunks_without_vectors_take_the_place_of_those_that_have_some(database: Database):
    async with website(b"The same words.", "Content-Type: text/plain") as url:
        base = Knowledge(id="turned", embedder=HashedEmbeddingModel(8), allow_private_urls=True)
        async with intake(database, base) as at:
            at.project = "turned"
            content = await at.add(url)
            await at.ended(content)
            assert await at.vectors(content) == 1
        async with intake(database, Knowledge(id="turned", allow_private_urls=True)) as at:
            at.project = "turned"
            await at.add(url, replaces=True)
            await at.ended(content)
            assert await at.vectors(content) == 0


async def test_nothing_is_kept_of_a_user_who_is_erased_while_a_model_works(database: Database):
    await taken_by_words(database, "erased", b"Of Ann.", user_id="ann")
    model = GatedModel()
    async with intake(database, Knowledge(id="erased", embedder=model)) as at:
        await begin(at)
        await model.waiting.acquire()
        await at.add(b"Of Ann, too.", user_id="ann")
        await model.waiting.acquire()
        await erase_user(database, "erased", "ann")
        model.gate.set()
        await until(database, "select status = 'COMPLETED' from jobs where kind = $1", embed_kind("erased"))
    assert await database.fetchval("select count(*) from knowledge_embeddings where user_id = 'ann'") == 0
