"""Contents with chunks and vectors, put into a database as the taking in does it. Not a test itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from serai.domain.knowledge import ContentRecord, NewChunk, NewContent, SearchQuestion, SearchType
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import ContentStore, TakenIn
from serai.storage.knowledge_vectors import put_vectors

JOB = "test.ingest"


def new_content(project_id: str, name: str | None = "Doc", **members: Any) -> NewContent:
    """Return a content to be stored, of base ``b``."""
    given: dict[str, Any] = {"project_id": project_id, "base_id": "b", "id": uuid4(), "name": name}
    return NewContent(**(given | members))


async def take_in(
    database: Database,
    new: NewContent,
    texts: Sequence[str],
    *,
    metadata: Sequence[Mapping[str, Any]] = (),
    vectors: Sequence[Sequence[float]] = (),
    language: str = "english",
) -> ContentRecord:
    """Store a content with its chunks, with what is said of each alone."""
    store = ContentStore(database)
    record, _ = await store.add(new, b"bytes", job_kind=JOB)
    more = metadata or [{}] * len(texts)
    chunks = [
        NewChunk(position=at, text=text, metadata=own, tokens=len(text) // 4)
        for at, (text, own) in enumerate(zip(texts, more, strict=True), 1)
    ]
    async with database.transaction() as connection:
        held = await store.hold(connection, record)
        assert held is not None
        await put_chunks(connection, held, chunks, language=language)
        await put_vectors(connection, held, vectors) if vectors else None
        assert await store.complete(connection, held, TakenIn(chunks=len(chunks))) is not None
    done = await store.get(record.project_id, record.base_id, record.id)
    assert done is not None
    return done


def question(project_id: str, text: str, kind: SearchType = SearchType.KEYWORD, /, **members: Any) -> SearchQuestion:
    """Return what is looked for in base ``b``."""
    return replace(SearchQuestion(project_id=project_id, base_id="b", text=text, search_type=kind), **members)


def place(found: Any) -> tuple[UUID, int]:
    """Return which chunk something is."""
    return found.content_id, found.position
