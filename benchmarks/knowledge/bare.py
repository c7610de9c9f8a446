"""The least that a search can cost: the statements that find as many chunks, sent by asyncpg."""

from __future__ import annotations

import time
from statistics import median

import asyncpg

from benchmarks.knowledge.dataset import DIMENSIONS, question_of, tag_of, vector_of
from benchmarks.knowledge.kinds import LIMIT, Kind, Timing

_WORDS = """
select content_id, position, text from knowledge_chunks where words @@ to_tsquery('serai_english', $1)
order by ts_rank(words, to_tsquery('serai_english', $1)) desc limit $2"""
_NEAR = f"""
select content_id, position from knowledge_vectors where dimensions = {DIMENSIONS}{{more}}
order by embedding::halfvec({DIMENSIONS}) <#> $1::real[]::halfvec({DIMENSIONS}) limit $2"""
_TAGGED = """
and exists (select from knowledge_chunks as chunk
            where (chunk.project_id, chunk.base_id, chunk.content_id, chunk.position)
                = (knowledge_vectors.project_id, knowledge_vectors.base_id, knowledge_vectors.content_id,
                   knowledge_vectors.position)
              and metadata @> jsonb_build_object('tag', $3::text))"""
_SETTINGS = {"jit": "off", "hnsw.iterative_scan": "strict_order"}


async def time_statements(dsn: str, kind: Kind, chunks: int, seconds: float) -> Timing:
    """Send the statements of a kind of search, one after the other, for some time."""
    connection = await asyncpg.connect(dsn, server_settings=_SETTINGS)
    try:
        waits: list[float] = []
        began = time.perf_counter()
        while not waits or time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            await _search(connection, kind, len(waits), chunks)
            waits.append(time.perf_counter() - sent)
        return Timing(len(waits), time.perf_counter() - began, median(waits) * 1000)
    finally:
        await connection.close()


async def _search(connection: asyncpg.Connection[asyncpg.Record], kind: Kind, index: int, chunks: int) -> None:
    question = question_of(index, chunks)
    if kind in (Kind.KEYWORD, Kind.HYBRID):
        words = question.split()
        if len(await connection.fetch(_WORDS, " & ".join(words), LIMIT)) < LIMIT:
            await connection.fetch(_WORDS, " | ".join(words), LIMIT)
    if kind is Kind.FILTERED:
        await connection.fetch(_NEAR.format(more=_TAGGED), vector_of(question), LIMIT, tag_of(index))
    elif kind is not Kind.KEYWORD:
        await connection.fetch(_NEAR.format(more=""), vector_of(question), LIMIT)
