"""Puts chunks into Serai's tables by its own statements, and builds the index of their vectors after them."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.knowledge.dataset import BASE, DIMENSIONS, contents, vector_of
from benchmarks.knowledge.serai_os import HashEmbedding
from serai.domain.knowledge import ContentRecord, ContentStatus
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_vectors import prepare, put_vectors

PROJECT = "default"
_CONTENT = """
insert into knowledge_contents (project_id, base_id, id, name, metadata, origin, status, chunks, has_vectors)
values ($1, $2, $3, $4, jsonb_build_object('tag', $5::text), 'text', 'completed', $6, true)"""
_MODEL = "insert into knowledge_models (project_id, base_id, model, dimensions) values ($1, $2, $3, $4)"


async def fill(dsn: str, chunks: int) -> None:
    """Store so many chunks with their vectors in a database whose server has been started once."""
    database = Database(dsn)
    try:
        await prepare(database, DIMENSIONS)
        await database.execute(f"drop index knowledge_vectors_{DIMENSIONS}")
        model = HashEmbedding()
        await database.execute(_MODEL, PROJECT, BASE, f"{model.system}:{model.model_name}", DIMENSIONS)
        now = datetime.now(UTC)
        for content_id, tag, some in contents(chunks):
            record = ContentRecord(
                project_id=PROJECT,
                base_id=BASE,
                id=content_id,
                status=ContentStatus.COMPLETED,
                status_message="",
                phase=None,
                done=0,
                total=0,
                chunks=len(some),
                job_id=None,
                created_at=now,
                updated_at=now,
            )
            async with database.transaction() as connection:
                name = f"Document {content_id.int}"
                await connection.execute(_CONTENT, PROJECT, BASE, content_id, name, tag, len(some))
                await put_chunks(connection, record, some, language="english")
                await put_vectors(connection, record, [vector_of(chunk.text) for chunk in some])
        await prepare(database, DIMENSIONS)
        await database.execute("vacuum analyze knowledge_chunks, knowledge_vectors, knowledge_contents")
    finally:
        await database.close()
