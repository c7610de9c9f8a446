"""Fills a database of Serai with chunks as fast as it goes: what is stored is what ingestion stores of such texts.

The words of chunks are indexed by ingestion's own statement; vectors are copied in pgvector's own format; foreign keys
are not looked at, and all indexes that can go are built after.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import numpy as np

from benchmarks.knowledge.dataset import BASE, DIMENSIONS, contents, name_of, tag_of, text_of, vector_of
from benchmarks.knowledge.serai_os import HashEmbedding
from serai.domain.knowledge import ContentRecord, ContentStatus, NewChunk
from serai.storage.connection import Connection, Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_vectors import prepare
from serai.storage.migrate import migrate

PROJECT = "default"
_WRITERS, _AT_ONCE, _TOLD = 3, 250, 50_000
_BUILD_TIMEOUT_S = 3600.0
_TABLES = ["knowledge_chunks", "knowledge_vectors"]
_VECTOR_COLUMNS = ("project_id", "base_id", "content_id", "position", "dimensions", "embedding")
_HEAD = struct.pack(">HH", DIMENSIONS, 0)

_CONTENT = """
insert into knowledge_contents (project_id, base_id, id, name, metadata, origin, status, chunks, has_vectors)
values ($1, $2, $3, $4, jsonb_build_object('tag', $5::text), 'text', 'completed', $6, true)"""
_MODEL = "insert into knowledge_models (project_id, base_id, model, dimensions) values ($1, $2, $3, $4)"
_INDEXES = """
select index.indexrelid::regclass::text as name, pg_get_indexdef(index.indexrelid) as statement
from pg_index as index
where index.indrelid = any($1::text[]::regclass[]) and not index.indisunique
order by name"""


async def fill(dsn: str, chunks: int, *, report: Callable[[str], None]) -> None:
    """Store so many chunks with their vectors in an empty database.

    Args:
        dsn: of the database.
        chunks: how many.
        report: called with lines of progress, when it takes long.
    """
    await migrate(dsn)
    database = Database(dsn)
    try:
        if not await prepare(database, DIMENSIONS):
            raise RuntimeError("this PostgreSQL has no pgvector")
        statements = await _drop_indexes(database)
    finally:
        await database.close()
    await _load(dsn, chunks, report)
    await _finish(dsn, statements, report)


async def _drop_indexes(database: Database) -> list[str]:
    """Remove the indexes that hold no constraint, and return the statements that make them."""
    rows = await database.fetch(_INDEXES, _TABLES)
    for row in rows:
        await database.execute(f"drop index {row['name']}")
    return [row["statement"] for row in rows]


async def _load(dsn: str, chunks: int, report: Callable[[str], None]) -> None:
    settings = {"session_replication_role": "replica", "synchronous_commit": "off"}
    left = _batches(chunks)
    stored = 0

    async def write() -> None:
        nonlocal stored
        connection = await asyncpg.connect(dsn, server_settings=settings)
        try:
            await connection.set_type_codec("halfvec", schema="public", encoder=bytes, decoder=bytes, format="binary")
            for batch in left:
                await _write(connection, batch)
                before, stored = stored, stored + sum(map(len, batch))
                if stored // _TOLD > before // _TOLD:
                    report(f"stored: {stored:,} of {chunks:,} chunks")
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_WRITERS):
            group.create_task(write())


def _batches(chunks: int) -> Iterator[list[range]]:
    batch: list[range] = []
    for numbers in contents(chunks):
        batch.append(numbers)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _write(connection: Connection, batch: Iterable[range]) -> None:
    vectors = []
    async with connection.transaction():
        for numbers in batch:
            content_id, tag = UUID(int=numbers[0]), tag_of(numbers[0])
            texts = [text_of(number) for number in numbers]
            name = name_of(numbers)
            await connection.execute(_CONTENT, PROJECT, BASE, content_id, name, tag, len(texts))
            some = [_chunk(position, text) for position, text in enumerate(texts, 1)]
            await put_chunks(connection, _record(content_id, name, len(texts)), some, language="english")
            vectors += [(content_id, position, _halves(text)) for position, text in enumerate(texts, 1)]
        await connection.copy_records_to_table(
            "knowledge_vectors",
            records=((PROJECT, BASE, *place, DIMENSIONS, halves) for *place, halves in vectors),
            columns=_VECTOR_COLUMNS,
        )


async def _finish(dsn: str, statements: Iterable[str], report: Callable[[str], None]) -> None:
    settings = {"maintenance_work_mem": "4GB", "max_parallel_maintenance_workers": "2"}
    connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        model = HashEmbedding()
        await connection.execute(_MODEL, PROJECT, BASE, f"{model.system}:{model.model_name}", DIMENSIONS)
        for statement in statements:
            began = time.monotonic()
            await connection.execute(statement, timeout=_BUILD_TIMEOUT_S)
            report(f"built in {time.monotonic() - began:.1f} s: {statement.partition(' ON ')[0].lower()}")
        await connection.execute("vacuum analyze", timeout=_BUILD_TIMEOUT_S)
        await connection.execute("checkpoint", timeout=_BUILD_TIMEOUT_S)
    finally:
        await connection.close()


def _chunk(position: int, text: str) -> NewChunk:
    return NewChunk(position=position, text=text, tokens=-(-len(text) // 4))


def _record(content_id: UUID, name: str, chunks: int) -> ContentRecord:
    now = datetime.now(UTC)
    return ContentRecord(
        project_id=PROJECT,
        base_id=BASE,
        id=content_id,
        name=name,
        status=ContentStatus.COMPLETED,
        status_message="",
        phase=None,
        done=0,
        total=0,
        chunks=chunks,
        job_id=None,
        created_at=now,
        updated_at=now,
    )


def _halves(text: str) -> bytes:
    """Return the vector of a text, of length 1, as PostgreSQL takes a `halfvec` in binary."""
    vector = vector_of(text)
    unit = vector / np.sqrt(vector @ vector)
    return _HEAD + unit.astype(np.float32).astype(">f2").tobytes()
