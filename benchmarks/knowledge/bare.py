"""The plainest statements that find chunks by words and by vectors, as the manuals have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.knowledge.operations import DIMENSIONS, RESULTS_WANTED
from serai.domain.json_text import dump_json
from serai.domain.knowledge import SearchType
from serai.storage.connection import Database

_WORDS: Final = f"""
select content_id, position, text, metadata
from knowledge_chunks
where words @@ to_tsquery('english', $1) and metadata @> $2::text::jsonb
order by ts_rank(words, to_tsquery('english', $1)) desc limit {RESULTS_WANTED}"""

_VECTORS: Final = f"""
select content_id, position, text, metadata
from knowledge_vectors as vector join knowledge_chunks using (project_id, base_id, content_id, position)
where vector.dimensions = {DIMENSIONS} and metadata @> $2::text::jsonb
order by embedding::halfvec({DIMENSIONS}) <#> $1::real[]::halfvec({DIMENSIONS}) limit {RESULTS_WANTED}"""

_BOTH: Final = f"""
with by_words as (
    select content_id, position, row_number() over (
        order by ts_rank(words, to_tsquery('english', $1)) desc
    ) as rank
    from knowledge_chunks
    where words @@ to_tsquery('english', $1) and metadata @> $3::text::jsonb
    order by rank limit 50
), near as (
    select content_id, position, embedding::halfvec({DIMENSIONS}) <#> $2::real[]::halfvec({DIMENSIONS}) as distance
    from knowledge_vectors as vector join knowledge_chunks using (project_id, base_id, content_id, position)
    where vector.dimensions = {DIMENSIONS} and metadata @> $3::text::jsonb
    order by embedding::halfvec({DIMENSIONS}) <#> $2::real[]::halfvec({DIMENSIONS}) limit 50
), by_vectors as (
    select content_id, position, row_number() over (order by distance) as rank from near
), fused as (
    select content_id, position, sum(1.0 / (60 + rank)) as score
    from (select * from by_words union all select * from by_vectors) as found
    group by content_id, position order by score desc limit {RESULTS_WANTED}
)
select content_id, position, text, metadata from fused join knowledge_chunks using (content_id, position)
order by score desc"""


async def find(
    database: Database, search_type: SearchType, words: str, vector: Sequence[float], filters: Mapping[str, Any]
) -> int:
    """Search by one statement and return how many chunks it found.

    Args:
        database: where they are.
        search_type: how.
        words: a query as ``to_tsquery`` reads it.
        vector: of the same.
        filters: members that a chunk's metadata must have.
    """
    asked = dump_json(filters).decode()
    match search_type:
        case SearchType.KEYWORD:
            return len(await database.fetch(_WORDS, words, asked))
        case SearchType.VECTOR:
            return len(await database.fetch(_VECTORS, vector, asked))
        case _:
            return len(await database.fetch(_BOTH, words, vector, asked))
