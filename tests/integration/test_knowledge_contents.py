"""Contents of knowledge bases on a real PostgreSQL: each once, followed to its end, and gone without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from serai.domain.knowledge import ContentPhase, ContentRecord, ContentStatus, NewChunk
from serai.knowledge.options import Knowledge
from serai.knowledge.searching import Searcher
from serai.storage.connection import Database
from serai.storage.erasure import count_user, erase_user
from serai.storage.jobs import JobStatus, JobStore
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import SORTS, ContentChanges, ContentStore, TakenIn
from serai.storage.knowledge_vectors import prepare
from tests.knowledge_values import JOB, new_content, question, take_in
from tests.run_values import open_database


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> ContentStore:
    return ContentStore(database)


@pytest.fixture
def project() -> str:
    return str(uuid4())


async def get(store: ContentStore, record: ContentRecord) -> ContentRecord | None:
    return await store.get(record.project_id, record.base_id, record.id)


async def find(database: Database, project: str, text: str, **members: Any) -> list[str]:
    searcher = Searcher(database, Knowledge(id="b"))
    return [chunk.text for chunk in await searcher.search(question(project, text, **members))]


async def test_a_content_is_there_at_once_with_its_bytes_and_the_job_that_takes_it_in(store, database, project):
    new = new_content(project, metadata={"tag": "pets", "n": [1, {"a": None}]}, chunk_size=7, user_id="ada", size=3)
    record, is_new = await store.add(new, b"\x00\xff!", job_kind=JOB)
    assert is_new
    assert await get(store, record) == record
    assert (record.status, record.phase) == (ContentStatus.PROCESSING, ContentPhase.QUEUED)
    assert {name: getattr(record, name) for name in ("metadata", "chunk_size", "user_id", "size")} == {
        "metadata": new.metadata,
        "chunk_size": 7,
        "user_id": "ada",
        "size": 3,
    }
    assert await store.source(project, "b", new.id) == b"\x00\xff!"
    assert record.job_id is not None
    job = await JobStore(database).get(record.job_id)
    assert job is not None
    assert (job.kind, job.payload, job.project_id) == (JOB, {"base_id": "b", "content_id": str(new.id)}, project)


async def test_the_same_content_from_many_at_once_is_stored_once(store, database, project):
    new = new_content(project)
    answers = await asyncio.gather(*(store.add(new, b"x", job_kind=JOB) for _ in range(6)))
    assert sorted(is_new for _, is_new in answers) == [False] * 5 + [True]
    assert len({record.job_id for record, _ in answers}) == 1
    assert len(await JobStore(database).list(project_id=project)) == 1


async def test_one_that_failed_is_taken_up_again_and_the_failed_job_has_no_say_any_more(store, project):
    first, _ = await store.add(new_content(project), b"x", job_kind=JOB)
    assert await store.fail(first, "No\0 good")
    failed = await get(store, first)
    assert failed is not None
    assert (failed.status, failed.status_message, failed.phase) == (ContentStatus.FAILED, "No� good", None)
    assert not await store.fail(first, "again")
    again, is_new = await store.add(replace(new_content(project, "Other"), id=first.id), b"x", job_kind=JOB)
    assert is_new
    assert (again.status, again.status_message, again.name) == (ContentStatus.PROCESSING, "", "Other")
    assert not await store.advance(first, ContentPhase.READING, 1, 2)
    assert not await store.fail(first, "late")
    assert await store.advance(again, ContentPhase.EMBEDDING, 1, 2)
    now = await get(store, again)
    assert now is not None
    assert (now.phase, now.done, now.total) == (ContentPhase.EMBEDDING, 1, 2)


async def test_a_job_of_a_content_that_was_removed_is_told_to_stop(store, database, project):
    record, _ = await store.add(new_content(project), b"x", job_kind=JOB)
    assert await store.delete(project, "b", [record.id, uuid4()]) == [record.id]
    assert not await store.advance(record, ContentPhase.READING)
    async with database.transaction() as connection:
        assert await store.hold(connection, record) is None
        assert await store.complete(connection, record, TakenIn(chunks=1)) is None
    job = await JobStore(database).get(record.job_id)
    assert job is not None
    assert job.status is JobStatus.CANCELLED
    assert await store.source(project, "b", record.id) is None


async def test_a_content_that_is_complete_is_processed_no_more(store, database, project):
    record, _ = await store.add(new_content(project), b"x", job_kind=JOB)
    async with database.transaction() as connection:
        held = await store.hold(connection, record)
        assert held is not None
        assert await store.complete(connection, held, TakenIn(chunks=2)) == []
    assert not await store.advance(record, ContentPhase.STORING, 2, 2)
    done = await get(store, record)
    assert done is not None
    assert (done.status, done.phase, done.chunks) == (ContentStatus.COMPLETED, None, 2)


async def test_one_that_replaces_takes_the_place_of_others_of_its_name_when_it_is_there(store, database, project):
    old = await take_in(database, new_content(project, "Manual"), ["Old cats"])
    await take_in(database, new_content(project, "Other"), ["Other cats"])
    new, _ = await store.add(new_content(project, "Manual", replaces=True), b"x", job_kind=JOB)
    assert sorted(await find(database, project, "cats")) == ["Old cats", "Other cats"]
    async with database.transaction() as connection:
        assert await store.complete(connection, new, TakenIn(chunks=0, media_type="text/plain")) == [old.id]
    assert await find(database, project, "cats") == ["Other cats"]


async def test_the_last_that_is_to_replace_does_so_even_if_it_is_given_again_meanwhile(store, project):
    new = new_content(project, "Manual")
    first, _ = await store.add(new, b"x", job_kind=JOB)
    again, is_new = await store.add(replace(new, replaces=True), b"x", job_kind=JOB)
    assert (is_new, again.job_id) == (False, first.job_id)  # there is nothing to replace
    await store.add(new_content(project, "Manual"), b"y", job_kind=JOB)
    last, is_new = await store.add(replace(new, replaces=True), b"x", job_kind=JOB)
    assert (is_new, last.replaces, last.job_id > first.job_id) == (True, True, True)
    assert not await store.advance(first, ContentPhase.READING)
    same, is_new = await store.add(replace(new, replaces=True), b"x", job_kind=JOB)
    assert (is_new, same.job_id) == (False, last.job_id)


async def test_new_metadata_counts_in_searches_and_what_is_said_of_a_chunk_alone_stays(store, database, project):
    new = new_content(project, metadata={"tag": "pets", "old": 1})
    record = await take_in(database, new, ["Cats", "More cats"], metadata=[{"page": 1}, {"page": 2}])
    assert await store.update(project, "b", record.id, ContentChanges(name="N", metadata={"tag": "zoo"}))
    assert await find(database, project, "cats", filters={"tag": "pets"}) == []
    assert await find(database, project, "cats", filters={"old": 1}) == []
    assert await find(database, project, "cats", filters={"tag": "zoo", "page": 2}) == ["More cats"]
    changed = await store.update(project, "b", record.id, ContentChanges(description="D"))
    assert changed is not None
    assert (changed.name, changed.description, changed.metadata) == ("N", "D", {"tag": "zoo"})
    assert await store.update(project, "b", uuid4(), ContentChanges(name="x")) is None
    assert await store.metadata_keys(project, "b") == ["tag"]


async def test_chunks_are_found_by_the_headings_and_the_name_of_their_content_also_by_a_new_one(
    store, database, project
):
    texts = ["Feed them twice a day", "Brush them"]
    above = [{"title": "Pets", "heading": "Pets > Cats"}, {"heading": "Dogs"}]
    record = await take_in(database, new_content(project, "handbook.pdf"), texts, metadata=above)
    assert await find(database, project, "feeding cats") == texts[:1]
    assert await find(database, project, "handbook") == texts
    assert await find(database, project, "handbook dog") == texts[::-1]
    await store.update(project, "b", record.id, ContentChanges(name="Manuals"))
    assert await find(database, project, "handbook") == []
    assert await find(database, project, "manual feeding cat") == texts
    assert await find(database, project, '"twice a day"') == texts[:1]
    other = await take_in(database, new_content(str(uuid4()), "x"), ["cats"])
    assert await store.update(other.project_id, "b", other.id, ContentChanges(name="y"))
    assert await find(database, project, "cats") == texts[:1]


async def test_metadata_changed_while_a_content_is_taken_in_is_that_of_its_chunks(store, database, project):
    record, _ = await store.add(new_content(project, metadata={"tag": "a", "x": 1}), b"x", job_kind=JOB)
    await store.update(project, "b", record.id, ContentChanges(metadata={"tag": "b"}))
    chunk = NewChunk(position=1, text="Cats", metadata={"tag": "chunk", "page": 3})
    async with database.transaction() as connection:
        await put_chunks(connection, record, [chunk], language="english")
    found = await Searcher(database, Knowledge(id="b")).search(question(project, "cats"))
    assert [chunk.metadata for chunk in found] == [{"tag": "b", "page": 3}]


async def test_text_that_postgresql_refuses_is_stored_with_signs_in_its_place(store, database, project):
    odd = "a\0b\ud800"
    new = new_content(project, odd, description=odd, metadata={odd: [odd, {odd: 1.5}]}, url=odd)
    record = await take_in(database, new, [f"Cats {odd}"], metadata=[{"heading": odd}])
    assert record.name == "a�b�"
    found = await Searcher(database, Knowledge(id="b")).search(question(project, f"cats {odd}", filters={odd: 1}))
    assert found == []
    assert await find(database, project, f"cats {odd}", filters={"heading": odd}) == ["Cats a�b�"]


@pytest.mark.parametrize("sort_by", SORTS)
async def test_pages_put_together_are_the_sorted_list(store, project, sort_by):
    names = ["b", "a", None, "a", "É"]
    for at, name in enumerate(names):
        await store.add(
            new_content(project, size=at % 3, media_type=None if at % 2 else "x/y", name=name), None, job_kind=JOB
        )
    await store.add(new_content(project, base_id="other"), None, job_kind=JOB)
    whole: list[ContentRecord] = []
    for is_descending in (False, True):
        asked: dict[str, Any] = {"sort_by": sort_by, "is_descending": is_descending}
        whole, total = await store.page(project, "b", **asked, limit=50)
        assert total == len(whole) == 5
        pages = [await store.page(project, "b", **asked, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
        assert [record.id for records, _ in pages for record in records] == [record.id for record in whole]
        assert {total for _, total in pages} == {5}
    if sort_by == "created_at":
        assert [record.created_at for record in whole] == sorted((r.created_at for r in whole), reverse=True)


async def test_a_base_is_emptied_and_others_stay(store, database, project):
    await take_in(database, new_content(project), ["Cats"])
    await take_in(database, new_content(project, base_id="other"), ["Cats"])
    assert await store.delete_all(project, "b") == 1
    assert await find(database, project, "cats") == []
    assert (await store.page(project, "other", limit=5))[1] == 1


async def test_nothing_of_an_erased_user_is_left_and_nothing_else_goes(store, database, project):
    assert await prepare(database, 2)
    own: dict[str, Any] = {"user_id": "ada", "metadata": {"by": "ada"}}
    await take_in(database, new_content(project, **own), ["Adas cats"], vectors=[[1, 0]])
    await take_in(database, new_content(project, user_id="bob"), ["Bobs cats"], vectors=[[0, 1]])
    assert (await count_user(database, project, "ada"))["knowledge_contents"] == 1
    assert (await erase_user(database, project, "ada"))["knowledge_contents"] == 1
    assert await find(database, project, "cats") == ["Bobs cats"]
    for table in ("contents", "sources", "chunks", "vectors"):
        users = await database.fetch(f"select user_id from knowledge_{table} where project_id = $1", project)
        assert [row["user_id"] for row in users] == ["bob"]
