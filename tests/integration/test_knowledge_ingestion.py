"""Taking contents in by jobs on a real PostgreSQL: found whole or not at all, and each one's failure its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic_ai.exceptions import ModelHTTPError

from serai.domain.knowledge import ContentStatus
from serai.engine.jobs import MAX_ATTEMPTS
from serai.knowledge import ingestion as module
from serai.knowledge.embedding import BATCH_TEXTS
from serai.knowledge.ingestion import content_id
from serai.knowledge.options import Knowledge
from serai.storage.connection import Database
from serai.storage.knowledge_contents import ContentChanges
from serai.testing import HashedEmbeddingModel, provider_error
from tests.knowledge_intake import WORDS, GatedModel, Intake, intake, paragraphs, website
from tests.run_values import open_database, until

pytestmark = pytest.mark.one_postgres


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened
        await opened.execute("delete from knowledge_contents; delete from knowledge_models; delete from jobs")


async def test_a_text_is_found_with_its_metadata(database: Database):
    async with intake(database) as at:
        content = await at.add(b"Cats sleep all day.", name="Doc A", metadata={"tag": "pets"})
        record = await at.ended(content)
        assert (record.status, record.status_message, record.phase) == (ContentStatus.COMPLETED, "", None)
        assert (record.chunks, record.size, record.name, record.media_type) == (1, 19, "Doc A", None)
        assert await at.texts(content) == ["Cats sleep all day."]
        assert await database.fetchval(
            'select metadata @> \'{"tag": "pets"}\' from knowledge_chunks where project_id = $1', at.project
        )


async def test_what_a_url_answers_is_kept_with_its_type_and_name(database: Database):
    page = "<html><body><h1>Zürich</h1><p>lies on a lake.</p></body></html>".encode("latin-1")
    base = Knowledge(id="web", allow_private_urls=True)
    async with intake(database, base) as at, website(page, "Content-Type: text/html; charset=latin-1") as url:
        content = await at.add(f"{url}/cities/zurich.html")
        record = await at.ended(content)
        assert record.status is ContentStatus.COMPLETED, record.status_message
        assert (record.media_type, record.name, record.size) == ("text/html", "zurich.html", len(page))
        assert await at.contents.source(at.project, base.id, content) == page
        assert "Zürich" in (await at.texts(content))[0]


async def test_a_url_that_cannot_be_fetched_just_now_is_tried_again(database: Database):
    base = Knowledge(id="busy", allow_private_urls=True)
    failures = ["503 Service Unavailable", "429 Too Many Requests"]
    async with intake(database, base) as at, website(b"At last.", "Content-Type: text/plain", failures=failures) as url:
        content = await at.add(url)
        await until(database, "select status_message <> '' from knowledge_contents where id = $1", content)
        record = await at.get(content)
        assert record.status is ContentStatus.PROCESSING
        assert "503 Service Unavailable; try again later. It will be tried again." in record.status_message
        await at.retry(2)
        record = await at.ended(content)
        assert (record.status, record.status_message) == (ContentStatus.COMPLETED, "")
        assert await at.texts(content) == ["At last."]


async def test_a_url_that_stays_away_fails_in_the_end(database: Database):
    base = Knowledge(id="away for long", allow_private_urls=True)
    async with intake(database, base) as at, website(b"", failures=["500 Oops"] * 9) as url:
        content = await at.add(url)
        await at.retry()
        record = await at.ended(content)
        assert record.status is ContentStatus.FAILED
        assert record.status_message == f"{url} answers 500 Oops; try again later."


async def test_what_is_wrong_with_one_content_stops_no_other(database: Database):
    async with intake(database) as at:
        wrong = {
            await at.add("http://127.0.0.1/"): "this machine",
            await at.add("http://169.254.169.254/"): "metadata",
            await at.add(b"%PDF-1.4 broken", media_type="application/pdf"): "PDF",
            await at.add(b"\x89PNG\r\n\x1a\n" + bytes(100), name="picture.pdf"): "PNG",
            await at.add(b"Small.", chunker="NoSuchChunker"): "NoSuchChunker",
        }
        good = [await at.add(b"Number %d is fine." % number) for number in range(5)]
        for content, part in wrong.items():
            record = await at.ended(content)
            assert (record.status, record.phase) == (ContentStatus.FAILED, None)
            assert part in record.status_message
            assert "Traceback" not in record.status_message
        for content in good:
            assert (await at.ended(content)).status is ContentStatus.COMPLETED
        await until(database, "select count(*) = 10 from jobs where status = 'COMPLETED'")


async def test_chunks_and_vectors_appear_together_and_the_row_says_how_far_it_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "REPORT_S", 0.01)
    model = GatedModel()
    async with intake(database, Knowledge(id="vectors", embedder=model, chunk_overlap=0)) as at:
        content = await at.add(paragraphs(12))
        await until(database, "select phase = 'embedding' from knowledge_contents where id = $1", content)
        record = await at.get(content)
        assert (record.status, record.done, record.total) == (ContentStatus.PROCESSING, 0, 12)
        assert await at.texts(content) == []
        model.gate.set()
        record = await at.ended(content)
        assert (record.status, record.chunks, record.done, record.total) == (ContentStatus.COMPLETED, 12, 0, 0)
        assert len(await at.texts(content)) == await at.vectors(content) == 12
    settled = await database.fetch("select base_id, model, dimensions from knowledge_models")
    assert [tuple(row) for row in settled] == [("vectors", "serai:hashed-words", 8)]


async def test_a_chunk_is_embedded_below_its_headings(database: Database):
    model = HashedEmbeddingModel(8)
    text = (
        b"# Pets\n\nThere are some.\n\n## Cats\n\nFeed them twice a day, and not too much.\n\nBrush them every evening."
    )
    async with intake(database, Knowledge(id="below", embedder=model, chunk_size=60, chunk_overlap=0)) as at:
        content = await at.add(text, name="pets.md", media_type="text/markdown")
        await at.ended(content)
        last = (await at.texts(content))[-1]
        assert last == "Brush them every evening."
        assert f"Pets > Cats\n\n{last}" in model.asked[-1]


async def test_a_model_that_is_away_is_asked_again_for_the_rest_only(database: Database):
    model = GatedModel()
    model.gate.set()
    async with intake(database, Knowledge(id="away", embedder=model, chunk_overlap=0)) as at:
        first = await at.add(b"The first one makes room for vectors.")
        assert (await at.ended(first)).status is ContentStatus.COMPLETED
        model.asked.clear()
        text = paragraphs(BATCH_TEXTS + 1)
        model.errors = [provider_error(503)]
        content = await at.add(text)
        record = await at.ended(content)
        assert (record.status, record.chunks) == (ContentStatus.COMPLETED, BATCH_TEXTS + 1)
    asked = sum(len(texts) for texts in model.asked)
    assert asked in (BATCH_TEXTS + 2, 2 * BATCH_TEXTS + 1), "one batch twice"


async def test_a_model_that_stays_away_fails_the_content_in_the_end(database: Database):
    model = GatedModel()
    model.gate.set()
    model.errors = [ModelHTTPError(503, "m", "come back later", headers={"retry-after-ms": "1"})] * 99
    async with intake(database, Knowledge(id="gone", embedder=model)) as at:
        content = await at.add(b"Never embedded.")
        await at.retry()
        record = await at.ended(content)
        assert record.status is ContentStatus.FAILED
        assert "come back later" in record.status_message
        assert await at.texts(content) == []
        model.errors.clear()
        await at.add(b"Never embedded.")
        assert (await at.ended(content)).status is ContentStatus.COMPLETED, "it is taken up again"


async def test_a_model_that_refuses_fails_the_content_at_once(database: Database):
    model = GatedModel()
    model.errors = [provider_error(401, "Incorrect API key")]
    async with intake(database, Knowledge(id="refused", embedder=model)) as at:
        record = await at.ended(await at.add(b"Never embedded."))
        assert record.status is ContentStatus.FAILED
        assert "Incorrect API key" in record.status_message


async def test_vectors_of_another_model_than_the_bases_are_not_stored(database: Database):
    async with intake(database, Knowledge(id="one", embedder=HashedEmbeddingModel(8))) as at:
        await at.ended(await at.add(b"Of the first model."))
    async with intake(database, Knowledge(id="one", embedder=HashedEmbeddingModel(16, model_name="new"))) as at:
        record = await at.ended(await at.add(b"Of the second model."))
        assert record.status is ContentStatus.FAILED
        assert "holds vectors of serai:hashed-words" in record.status_message


async def test_what_is_unexpected_is_tried_again_and_told_without_details_of_code(database: Database):
    async with intake(database, Knowledge(id="odd", language="klingon")) as at:
        content = await at.add(b"bortaS bIr jablu'DI'")
        await at.retry()
        record = await at.ended(content)
        assert record.status is ContentStatus.FAILED
        assert record.status_message.startswith("It could not be taken in (")
        assert "klingon" in record.status_message


async def test_a_content_waits_for_a_node_that_has_its_base(database: Database):
    async with intake(database, Knowledge(id="other")) as stranger:
        at = Intake(database, stranger.runner, WORDS)
        content = await at.add(b"Nobody knows this base yet.")
        other = await stranger.add(b"Done by the stranger.")
        assert (await stranger.ended(other)).status is ContentStatus.COMPLETED
        assert await database.fetchval("select attempts from jobs where ended_at is null") == 0
    async with intake(database) as knowing:
        found = await Intake(database, knowing.runner, WORDS, at.project).ended(content)
        assert found.status is ContentStatus.COMPLETED


async def test_a_content_that_its_nodes_die_of_is_given_up(database: Database):
    async with intake(database) as at:
        await at.runner.stop()
        content = await at.add(b"Deadly.")
        await database.execute("update jobs set attempts = $1", MAX_ATTEMPTS - 1)
        at.runner.start()
        record = await at.ended(content)
        assert record.status is ContentStatus.FAILED
        assert record.status_message.startswith(f"It was begun {MAX_ATTEMPTS - 1} times")


async def test_a_content_that_was_removed_meanwhile_leaves_nothing(database: Database):
    model = GatedModel()
    async with intake(database, Knowledge(id="removed", embedder=model)) as at:
        content = await at.add(b"Soon gone.")
        await model.waiting.acquire()
        await at.contents.delete(at.project, at.base.id, [content])
        model.gate.set()
        await at.ended(await at.add(b"Another one."))
        await until(database, "select count(*) = 0 from jobs where status in ('PENDING', 'RUNNING')")
        assert await at.contents.get(at.project, at.base.id, content) is None
        assert await at.texts(content) == []


async def test_metadata_that_were_changed_meanwhile_are_those_of_the_chunks(database: Database):
    model = GatedModel()
    async with intake(database, Knowledge(id="changed", embedder=model)) as at:
        content = await at.add(b"Cats sleep.", metadata={"tag": "old", "gone": 1})
        await model.waiting.acquire()
        await at.contents.update(at.project, at.base.id, content, ContentChanges(metadata={"tag": "new"}))
        model.gate.set()
        await at.ended(content)
        found = await database.fetchval("select metadata from knowledge_chunks where content_id = $1", content)
        assert '"tag": "new"' in found
        assert "gone" not in found


async def test_a_content_replaces_those_of_its_name_once_it_is_there(database: Database):
    async with intake(database) as at:
        old = await at.add(b"Old text.", name="manual")
        other = await at.add(b"Other text.", name="other")
        await at.ended(old)
        failed = await at.add(b"%PDF-1.4 broken", name="manual", media_type="application/pdf", replaces=True)
        assert (await at.ended(failed)).status is ContentStatus.FAILED
        assert await at.texts(old) == ["Old text."], "what failed replaces nothing"
        new = await at.add(b"New text.", name="manual", replaces=True)
        await at.ended(new)
        assert await at.contents.get(at.project, at.base.id, old) is None
        assert (await at.texts(old), await at.texts(new), await at.texts(other)) == ([], ["New text."], ["Other text."])


async def test_of_those_that_replace_each_other_the_one_given_last_stays(
    database: Database, capsys: pytest.CaptureFixture[str]
):
    model = GatedModel()
    async with intake(database, Knowledge(id="race", embedder=model)) as at:
        contents = [await at.add(b"Version %d" % number, name="manual", replaces=True) for number in range(4)]
        for _ in contents:
            await model.waiting.acquire()
        model.gate.set()
        await until(database, "select count(*) = 0 from jobs where status in ('PENDING', 'RUNNING')", timeout_s=20)
        records = [await at.contents.get(at.project, at.base.id, content) for content in contents]
        assert [record.status for record in records if record] == [ContentStatus.COMPLETED]
        assert records[-1] is not None
        assert "deadlock" not in capsys.readouterr().err


async def test_many_contents_are_taken_in_side_by_side_and_each_once(database: Database):
    model = HashedEmbeddingModel(8)
    async with intake(database, Knowledge(id="many", embedder=model)) as at:
        contents = [await at.add(b"Content number %d" % number) for number in range(30)]
        for content in contents:
            assert (await at.ended(content)).status is ContentStatus.COMPLETED
            assert len(await at.texts(content)) == await at.vectors(content) == 1
        assert len([texts for texts in model.asked if texts != ["dimensions"]]) == len(contents)


def test_the_id_follows_from_the_base_and_the_bytes_or_the_url():
    assert content_id("a", b"x") == content_id("a", b"x")
    others = [content_id("a", "x"), content_id("b", b"x"), content_id("a", b"y"), content_id("ab", b"")]
    assert len({content_id("a", b"x"), *others}) == 5
    assert content_id("a\ud800", "http://\ud800") == content_id("a\ud800", "http://\ud800")
