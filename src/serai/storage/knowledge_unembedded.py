"""Contents whose chunks have no vectors, and are found by words only: which there are, and when they have got them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from serai.domain.json_text import load_json
from serai.domain.knowledge import ContentRecord, NewChunk
from serai.domain.stored_text import storable
from serai.storage.connection import Connection, Database
from serai.storage.knowledge_contents import LONGEST_MESSAGE

_MOST: Final = 100
_AT_ONCE: Final = 500

_UNEMBEDDED = "status = 'completed' and not has_vectors and chunks > 0"
_PROJECTS = f"select distinct project_id from knowledge_contents where base_id = $1 and {_UNEMBEDDED}"  # noqa: S608
_COUNT = f"select count(*) from knowledge_contents where project_id = $1 and base_id = $2 and {_UNEMBEDDED}"  # noqa: S608
_NEXT = f"""
select id, chunks from knowledge_contents
where project_id = $1 and base_id = $2 and {_UNEMBEDDED} and ($3::uuid is null or id > $3)
order by id limit $4"""  # noqa: S608 - our own text

_CHUNKS = """
select position, text, metadata from knowledge_chunks
where project_id = $1 and base_id = $2 and content_id = $3 and position > $4 order by position limit $5"""

# Only while the chunks are those that were read: each taking in has a job of its own.
_OF_TAKING_IN = f"""
where project_id = $1 and base_id = $2 and id = $3 and job_id is not distinct from $4 and {_UNEMBEDDED}"""
_MARK = f"update knowledge_contents set has_vectors = true, status_message = '' {_OF_TAKING_IN} returning true"  # noqa: S608
_EXPLAIN = f"update knowledge_contents set status_message = $5 {_OF_TAKING_IN}"  # noqa: S608


async def projects_with_unembedded(database: Database, base_id: str) -> list[str]:
    """Return the projects that have such contents in a base, which all of them share."""
    return [row["project_id"] for row in await database.fetch(_PROJECTS, base_id)]


async def count_unembedded(database: Database, project_id: str, base_id: str) -> int:
    """Return how many such contents there are."""
    count: int = await database.fetchval(_COUNT, project_id, base_id)
    return count


async def next_unembedded(
    database: Database, project_id: str, base_id: str, *, after: UUID | None, most_chunks: int
) -> list[UUID]:
    """Return the ids of the next such contents: one, or some that have no more than so many chunks together."""
    rows = await database.fetch(_NEXT, project_id, base_id, after, _MOST)
    totals = accumulate(row["chunks"] for row in rows)
    return [
        row["id"] for at, (row, total) in enumerate(zip(rows, totals, strict=True)) if not at or total <= most_chunks
    ]


async def chunks_of(database: Database, content: ContentRecord) -> list[NewChunk]:
    """Return a content's chunks in their order, each with what is said of it alone as metadata."""
    found: list[NewChunk] = []
    while True:
        after = found[-1].position if found else 0
        rows = await database.fetch(_CHUNKS, content.project_id, content.base_id, content.id, after, _AT_ONCE)
        found += [NewChunk(position=at, text=text, metadata=_own(content, metadata)) for at, text, metadata in rows]
        if len(rows) < _AT_ONCE:
            return found


async def mark_embedded(connection: Connection, content: ContentRecord) -> bool:
    """Say that a content has vectors, in the transaction that stores them; False when it is gone or taken in anew."""
    return bool(await connection.fetchval(_MARK, *_place(content)))


async def explain_unembedded(database: Database, content: ContentRecord, message: str) -> None:
    """Say why a content has no vectors."""
    await database.execute(_EXPLAIN, *_place(content), storable(message[:LONGEST_MESSAGE]))


def _own(content: ContentRecord, metadata: str) -> dict[str, Any]:
    return {key: value for key, value in load_json(metadata).items() if key not in content.metadata}


def _place(content: ContentRecord) -> Sequence[object]:
    return content.project_id, content.base_id, content.id, content.job_id
