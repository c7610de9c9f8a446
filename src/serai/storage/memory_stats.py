"""What is known of memories without reading them: the topics, and how many each user has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serai.storage.connection import Database

_TOPICS_OF_USER: Final = """
select topic from memory_topics where project_id = $1 and user_id = $2 order by topic"""

# Each topic once, by jumping in the index from one to the next.
_TOPICS: Final = """
with recursive found as (
    (select topic from memory_topics where project_id = $1 order by topic limit 1)
    union all
    select (select topic from memory_topics where project_id = $1 and topic > found.topic order by topic limit 1)
    from found where found.topic is not null
)
select topic from found where topic is not null"""

_USERS: Final = """
select user_id, memories, last_updated_at from memory_users where project_id = $1 and memories > 0
order by last_updated_at desc, user_id desc limit $2 offset $3"""

_USERS_FROM_END: Final = """
select user_id, memories, last_updated_at from memory_users where project_id = $1 and memories > 0
order by last_updated_at, user_id limit $2 offset $3"""

_USER: Final = """
select user_id, memories, last_updated_at from memory_users where project_id = $1 and user_id = $2 and memories > 0"""

_COUNT_USERS: Final = """
select coalesce((select users from memory_counts where project_id = $1), 0)
       + coalesce((select sum(memory_users) from usage_deltas where project_id = $1), 0)"""


@dataclass(frozen=True, slots=True)
class MemoryUser:
    """A user of whom something is remembered."""

    user_id: str
    memories: int
    last_updated_at: datetime


async def list_topics(database: Database, project_id: str, user_id: str | None) -> list[str]:
    """Return the topics of all memories, of one user or of all; cost: a step in an index for each."""
    if user_id is None:
        rows = await database.fetch(_TOPICS, project_id)
    else:
        rows = await database.fetch(_TOPICS_OF_USER, project_id, user_id)
    return [row["topic"] for row in rows]


async def list_memory_users(
    database: Database, project_id: str, *, user_id: str | None, limit: int, offset: int
) -> tuple[list[MemoryUser], int]:
    """Return a page of the users who have memories, the latest change first, and how many there are."""
    if user_id is not None:
        rows = await database.fetch(_USER, project_id, user_id)
        return [MemoryUser(*row) for row in rows[offset : offset + limit]], len(rows)
    total: int = await database.fetchval(_COUNT_USERS, project_id)
    if offset >= total:
        return [], total
    if offset <= total // 2:
        rows = await database.fetch(_USERS, project_id, limit, offset)
    else:
        limit = min(limit, total - offset)
        rows = (await database.fetch(_USERS_FROM_END, project_id, limit, total - offset - limit))[::-1]
    return [MemoryUser(*row) for row in rows], total
