"""The least that a search can cost: plain statements that find as many chunks, prepared, on one connection.

They are what the manuals of PostgreSQL and pgvector have, on Serai's tables and with its session's settings.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from benchmarks.knowledge.dataset import DIMENSIONS, vector_of
from benchmarks.knowledge.kinds import LIMIT, Kind
from serai.domain.json_text import dump_json
from serai.domain.knowledge import SearchType
from serai.storage.connection import connect

_FUSED = 50
_KEY = "project_id, base_id, content_id, position"
_VECTOR = f"embedding::halfvec({DIMENSIONS})"
_DISTANCE = f"{_VECTOR} <#> $1::real[]::halfvec({DIMENSIONS})"
_OF_TAG = " and metadata @> ${argument}::text::jsonb"

# Arguments: words, and the tag.
_WORDS = f"""
select text, metadata from knowledge_chunks
where words @@ to_tsquery('serai_english', $1){{filter}}
order by ts_rank(words, to_tsquery('serai_english', $1)) desc limit {LIMIT}"""

# Arguments: a vector, and the tag.
_NEAR = f"""
select text, metadata from knowledge_vectors as vector join knowledge_chunks using ({_KEY})
where vector.dimensions = {DIMENSIONS}{{filter}}
order by {_DISTANCE} limit {LIMIT}"""

# Arguments: a vector, words, and the tag. The chunks are joined early only for a filter.
_BOTH = f"""
with by_words as (
    select {_KEY}, row_number() over (order by ts_rank(words, to_tsquery('serai_english', $2)) desc) as rank
    from knowledge_chunks where words @@ to_tsquery('serai_english', $2){{filter}}
    order by rank limit {_FUSED}
), near as (
    select {_KEY}, {_DISTANCE} as distance
    from knowledge_vectors as vector{{join}} where vector.dimensions = {DIMENSIONS}{{filter}}
    order by {_DISTANCE} limit {_FUSED}
), fused as (
    select {_KEY}, sum(1.0 / (60 + rank)) as score
    from (
        select * from by_words union all select {_KEY}, row_number() over (order by distance) as rank from near
    ) as found
    group by {_KEY} order by score desc limit {LIMIT}
)
select text, metadata from fused join knowledge_chunks using ({_KEY}) order by score desc"""
_STATEMENTS = {SearchType.KEYWORD: (_WORDS, 2), SearchType.VECTOR: (_NEAR, 2), SearchType.HYBRID: (_BOTH, 3)}


@dataclass(frozen=True)
class Timing:
    """How long some searches took, one after the other.

    Attributes:
        requests: how many.
        wall_s: all of them, in seconds.
        p50_ms: half of them at most, in milliseconds.
        cpu_s: of this process, which sends them.
        found: chunks by all of them.
    """

    requests: int
    wall_s: float
    p50_ms: float
    cpu_s: float
    found: int


class BareSearch:
    """The statement of one kind of search, prepared."""

    def __init__(self, statement: PreparedStatement[asyncpg.Record], kind: Kind, chunks: int) -> None:
        self._statement = statement
        self._kind = kind
        self._chunks = chunks

    async def find(self, index: int) -> list[str]:
        """Return the texts that a question finds; where too few have all its words, those that have some, too."""
        question = self._kind.question(index, self._chunks)
        filters = [dump_json(self._kind.filters(index, self._chunks)).decode()] if self._kind.is_of_tag else []
        if self._kind.search_type is SearchType.VECTOR:
            return await self._fetch(vector_of(question).tolist(), *filters)
        vector = [vector_of(question).tolist()] if self._kind.search_type is SearchType.HYBRID else []
        words = question.split()
        found = await self._fetch(*vector, " & ".join(words), *filters)
        if len(found) < LIMIT:
            found += await self._fetch(*vector, " | ".join(words), *filters)
        return list(dict.fromkeys(found))[:LIMIT]

    async def _fetch(self, *arguments: Any) -> list[str]:
        return [row["text"] for row in await self._statement.fetch(*arguments)]


@asynccontextmanager
async def bare_search(dsn: str, kind: Kind, chunks: int) -> AsyncIterator[BareSearch]:
    """Lend a kind of search on a connection of its own."""
    statement, last = _STATEMENTS[kind.search_type]
    filters = _OF_TAG.format(argument=last) if kind.is_of_tag else ""
    connection = await connect(dsn)
    try:
        join = f" join knowledge_chunks using ({_KEY})" if filters else ""
        yield BareSearch(await connection.prepare(statement.format(filter=filters, join=join)), kind, chunks)
    finally:
        await connection.close()


async def time_search(search: BareSearch, *, least: int, seconds: float) -> Timing:
    """Ask one question after the other for some time, and at least so many."""
    waits: list[float] = []
    found = 0
    began, used = time.perf_counter(), time.process_time()
    while len(waits) < least or time.perf_counter() - began < seconds:
        sent = time.perf_counter()
        found += len(await search.find(len(waits)))
        waits.append(time.perf_counter() - sent)
    return Timing(len(waits), time.perf_counter() - began, median(waits) * 1000, time.process_time() - used, found)
