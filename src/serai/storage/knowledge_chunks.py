"""Chunks of contents: written whole, and read where they were found. How to find them is others' business."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from serai.domain.json_text import dump_json, load_json
from serai.domain.knowledge import ContentRecord, FoundChunk, NewChunk
from serai.domain.search_words import words_of
from serai.domain.stored_text import storable, storable_json
from serai.storage.connection import Connection, Database
from serai.storage.knowledge_words import base_lexeme, index_language

_AT_ONCE: Final = 500

_CLEAR = "delete from knowledge_chunks where project_id = $1 and base_id = $2 and content_id = $3"

# What is said of the content counts more than what is said of the chunk, and as it is now. Words of the content's name
# have the weight A, those of headings B, those of the text D.
_PUT = """
insert into knowledge_chunks (project_id, base_id, content_id, position, user_id, text, metadata, tokens, words)
select content.project_id, content.base_id, content.id, chunk.position, content.user_id, chunk.text,
       chunk.metadata::jsonb || content.metadata, chunk.tokens,
       to_tsvector($10::text::regconfig, chunk.words)
           || setweight(to_tsvector($10::text::regconfig, chunk.heading), 'B')
           || setweight(to_tsvector($10::text::regconfig, $12), 'A') || array_to_tsvector(array[$11::text])
from knowledge_contents as content,
     unnest($4::integer[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::text[])
         as chunk(position, text, metadata, tokens, words, heading)
where content.project_id = $1 and content.base_id = $2 and content.id = $3"""

_REPLACE_METADATA = """
update knowledge_chunks
set metadata = (metadata - array(select jsonb_object_keys($4::text::jsonb))) || $5::text::jsonb
where project_id = $1 and base_id = $2 and content_id = $3"""
_REPLACE_NAME = """
update knowledge_chunks
set words = ts_filter(words, '{b,d}') || setweight(to_tsvector($4::text::regconfig, $6), 'A')
                || array_to_tsvector(array[$5::text])
where project_id = $1 and base_id = $2 and content_id = $3"""

# What was found, with what it says.
_FOUND = """
select hit.content_id, hit.position, hit.score, content.name, chunk.text, chunk.metadata, chunk.tokens
from ({hits}) as hit
cross join lateral (
    select text, metadata, tokens from knowledge_chunks
    where project_id = $1 and base_id = $2 and content_id = hit.content_id and position = hit.position offset 0
) as chunk
cross join lateral (
    select name from knowledge_contents where project_id = $1 and base_id = $2 and id = hit.content_id offset 0
) as content
order by hit.score desc, hit.content_id, hit.position"""
_NAMED = """
select * from unnest($3::uuid[], $4::integer[], $5::float8[]) as named(content_id, position, score)"""

# Every pair of the filters must equal the chunk's; of scalars, to contain is to equal.
_HAS = "metadata @> {filters}::text::jsonb"
_EQUALS = """metadata @> {filters}::text::jsonb and not exists (
    select from jsonb_each({filters}::text::jsonb) as pair where metadata -> pair.key is distinct from pair.value)"""


class Hit(NamedTuple):
    """A chunk that was found, without what it says."""

    content_id: UUID
    position: int
    score: float


def as_found(hits: str) -> str:
    """Return the statement that reads what another one finds.

    Args:
        hits: a query of `content_id`, `position` and `score`; its first arguments are project and base.
    """
    return _FOUND.format(hits=hits)


def filter_sql(filters: Mapping[str, Any], argument: str) -> str:
    """Return SQL that is true of chunks whose metadata has all pairs; empty without filters.

    Args:
        filters: what is asked for.
        argument: of the statement, which is their JSON, by `filter_arguments`.
    """
    if not filters:
        return ""
    is_plain = all(not isinstance(value, Mapping | list | tuple) for value in filters.values())
    return (_HAS if is_plain else _EQUALS).format(filters=argument)


def filter_arguments(filters: Mapping[str, Any]) -> list[str]:
    """Return the argument of that SQL, if it has one."""
    return [dump_json(storable_json(filters)).decode()] if filters else []


def found_of(row: asyncpg.Record) -> FoundChunk:
    """Return the chunk of a row that `as_found` reads."""
    return FoundChunk(
        content_id=row["content_id"],
        position=row["position"],
        name=row["name"],
        text=row["text"],
        metadata=load_json(row["metadata"]),
        tokens=row["tokens"],
        score=min(max(row["score"], 0.0), 1.0),
    )


async def read_chunks(database: Database, project_id: str, base_id: str, hits: Sequence[Hit]) -> list[FoundChunk]:
    """Return chunks that were found, best first; those that are gone by now are left out."""
    columns = ([hit[at] for hit in hits] for at in range(3))
    return [found_of(row) for row in await database.fetch(as_found(_NAMED), project_id, base_id, *columns)]


async def put_chunks(
    connection: Connection, content: ContentRecord, chunks: Sequence[NewChunk], *, language: str
) -> None:
    """Store the chunks of a content in the place of those it has; nothing of a content that is gone.

    Args:
        connection: in a transaction.
        content: by whose name the chunks are found, and whose metadata, as they are now, they get.
        chunks: with positions from 1, and what is said of each alone as metadata.
        language: of PostgreSQL's text search.
    """
    place = (content.project_id, content.base_id, content.id)
    await connection.execute(_CLEAR, *place)
    indexed = (index_language(language), base_lexeme(*place[:2]), _words(content.name or ""))
    for start in range(0, len(chunks), _AT_ONCE):
        columns = await asyncio.to_thread(_columns, chunks[start : start + _AT_ONCE])
        await connection.execute(_PUT, *place, *columns, *indexed)


async def replace_metadata(connection: Connection, place: tuple[str, str, UUID], *, before: str, after: str) -> None:
    """Give the chunks of a content its new metadata.

    Args:
        connection: in a transaction.
        place: project, base and id of the content.
        before: JSON of the metadata it had; what a chunk had of it goes.
        after: JSON of the metadata it has.
    """
    await connection.execute(_REPLACE_METADATA, *place, before, after)


async def replace_name(connection: Connection, place: tuple[str, str, UUID], name: str, *, language: str) -> None:
    """Have the chunks of a content found by its new name.

    Args:
        connection: in a transaction.
        place: project, base and id of the content.
        name: what it is called now.
        language: of PostgreSQL's text search.
    """
    indexed = (index_language(language), base_lexeme(*place[:2]), _words(name))
    await connection.execute(_REPLACE_NAME, *place, *indexed)


def _columns(chunks: Sequence[NewChunk]) -> list[Sequence[Any]]:
    return [
        [chunk.position for chunk in chunks],
        [storable(chunk.text) for chunk in chunks],
        [dump_json(storable_json(chunk.metadata)).decode() for chunk in chunks],
        [chunk.tokens for chunk in chunks],
        [_words(chunk.text) for chunk in chunks],
        [_words(chunk.heading) for chunk in chunks],
    ]


def _words(text: str) -> str:
    return " ".join(words_of(storable(text)))
