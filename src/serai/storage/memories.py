"""Memories of users: make, read, list, change and remove them. Reads and new ones that wait together share a statement.

What a model, a tool or a job changes goes through `serai.storage.memory_changes`, which writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from serai.domain.ids import new_key
from serai.domain.memories import MemoryRecord, NewMemory, as_stored
from serai.storage import memory_rows
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import FirstAnswer, RequestKey, find_first_answers
from serai.storage.memory_rows import COLUMNS, Place, record_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_GET = f"select {COLUMNS} from memories where project_id = $1 and id = $2"  # noqa: S608 - our own text

# The same of several. PostgreSQL plans this anew each time.
_GET_ALL = f"""
select {COLUMNS} from memories
where (project_id, id) in (select * from unnest($1::text[], $2::uuid[]))"""  # noqa: S608 - our own text

LATEST_OF_USER = f"""
select {COLUMNS} from memories where project_id = $1 and user_id = $2
order by updated_at desc, id desc limit $3"""  # noqa: S608 - our own text
"""A user's memories, those that were changed last first."""

_ERASE = """
with kept as (
    select memories from memory_users where project_id = $1 and user_id = $2
), gone as (
    delete from memories where project_id = $1 and user_id = $2 returning updated_at::date as day
), topics as (
    delete from memory_topics where project_id = $1 and user_id = $2 returning true
), changes as (
    delete from memory_changes where project_id = $1 and user_id = $2 returning true
), users as (
    delete from memory_users where project_id = $1 and user_id = $2 returning last_updated_at
), counted as (
    insert into usage_deltas (project_id, day, memories, memory_users)
    select $1, day, -sum(memories), -sum(users)
    from (
        select day, 1 as memories, 0 as users from gone
        union all
        select current_date, 0, 1 from kept where memories > 0
    ) as counted
    group by day
)
select (select count(*) from gone) as memories, (select count(*) from topics) as memory_topics,
       (select count(*) from changes) as memory_changes,
       (select count(*) from users where last_updated_at > '-infinity') as memory_users"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedMemory:
    """What a memory is to say.

    Attributes:
        user_id: None is whosever it is.
        topics: None keeps those it has.
    """

    project_id: str
    id: UUID
    user_id: str | None
    memory: str
    topics: tuple[str, ...] | None


class _New(NamedTuple):
    id: UUID
    memory: NewMemory
    key: RequestKey | None


class DeletedMemories(NamedTuple):
    """Which memories are to be removed; of a user of None whosever they are."""

    project_id: str
    ids: Sequence[UUID]
    user_id: str | None


_Outcome = MemoryRecord | Exception | None
"""None: somebody held the key and holds it no more; try again."""


class MemoryStore:
    """The memories of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gets: Batcher[tuple[str, UUID], MemoryRecord | None] = Batcher(self._get)
        self._creates: Batcher[_New, MemoryRecord | None] = Batcher(self._create)
        self._updates: Batcher[UpdatedMemory, MemoryRecord | None] = Batcher(self._update)
        self._deletes: Batcher[DeletedMemories, int] = Batcher(self._delete)

    async def create(self, new: NewMemory, key: RequestKey | None = None) -> MemoryRecord:
        """Store a memory, or repeat the first answer to it.

        Raises:
            ConflictError: the key was used for another request.
        """
        while (created := await self._creates.submit(_New(new_key(), new, key))) is None:
            pass
        return created

    async def get(self, project_id: str, memory_id: UUID, user_id: str | None = None) -> MemoryRecord | None:
        """Return a memory; None when there is none, or when it is not the named user's."""
        found = await self._gets.submit((project_id, memory_id))
        return None if found is None or user_id not in (None, found.user_id) else found

    async def update(self, asked: UpdatedMemory) -> MemoryRecord | None:
        """Change a memory; None when the user has no such memory."""
        return await self._updates.submit(asked)

    async def delete(self, project_id: str, memory_ids: Sequence[UUID], *, user_id: str | None) -> int:
        """Remove memories, of the named user only, and return how many there were."""
        return await self._deletes.submit(DeletedMemories(project_id, memory_ids, user_id))

    async def list_of_user(self, project_id: str, user_id: str, *, limit: int) -> list[MemoryRecord]:
        """Return a user's memories, those that were changed last first."""
        return [record_of(row) for row in await self._database.fetch(LATEST_OF_USER, project_id, user_id, limit)]

    async def _get(self, items: list[tuple[str, UUID]]) -> list[MemoryRecord | None]:
        if len(items) == 1:
            row = await self._database.fetchrow(_GET, *items[0])
            return [None if row is None else record_of(row)]
        rows = await self._database.fetch(_GET_ALL, [project for project, _ in items], [key for _, key in items])
        found = {(row["project_id"], row["id"]): record_of(row) for row in rows}
        return [found.get(item) for item in items]

    async def _create(self, items: list[_New]) -> list[_Outcome]:
        # Of requests with one key the first stores; the others are answered as if they came later.
        first = {item.key and (item.key.project_id, item.key.key): at for at, item in reversed([*enumerate(items)])}
        own = sorted({at for at, item in enumerate(items) if item.key is None} | set(first.values()))
        outcomes: list[_Outcome] = [None] * len(items)
        async with self._database.connection() as connection:
            stored = await memory_rows.insert(connection, [items[at] for at in own])
            for at, record in zip(own, stored, strict=True):
                outcomes[at] = record
            taken = [(at, key) for at, item in enumerate(items) if outcomes[at] is None and (key := item.key)]
            answers = await find_first_answers(connection, [(key, None) for _, key in taken])
        for (at, _), answer in zip(taken, answers, strict=True):
            outcomes[at] = _first(items[at].memory, answer) if isinstance(answer, FirstAnswer) else answer
        return outcomes

    async def _update(self, items: list[UpdatedMemory]) -> list[MemoryRecord | None]:
        async with self._database.transaction() as connection:
            return await update_memories(connection, items)

    async def _delete(self, items: list[DeletedMemories]) -> list[int]:
        async with self._database.transaction() as connection:
            return await delete_memories(connection, items)


async def update_memories(connection: Connection, items: Sequence[UpdatedMemory]) -> list[MemoryRecord | None]:
    """Change memories, one after the other; None for one that the user does not have.

    Args:
        connection: in a transaction.
        items: what they are to say.
    """
    held = await memory_rows.hold(connection, list({(item.project_id, item.id): None for item in items}))
    outcomes: list[MemoryRecord | None] = [None] * len(items)
    waiting = [at for at, item in enumerate(items) if (item.project_id, item.id) in held]
    while waiting:
        changes: dict[Place, tuple[int, MemoryRecord, MemoryRecord]] = {}
        later = []
        for at in waiting:
            item = items[at]
            before = held[item.project_id, item.id]
            if item.user_id not in (None, before.user_id):
                continue
            if (item.project_id, item.id) in changes:
                later.append(at)
                continue
            topics = before.topics if item.topics is None else item.topics
            changes[item.project_id, item.id] = (at, before, replace(before, memory=item.memory, topics=topics))
        written = await memory_rows.replace_held(connection, [(before, after) for _, before, after in changes.values()])
        for (place, (at, _, _)), record in zip(changes.items(), written, strict=True):
            held[place] = outcomes[at] = record
        waiting = later
    return outcomes


async def delete_memories(connection: Connection, items: Sequence[DeletedMemories]) -> list[int]:
    """Remove memories, and return how many there were of each item.

    Args:
        connection: in a transaction.
        items: which ones.
    """
    places = list({(item.project_id, key): None for item in items for key in item.ids})
    held = await memory_rows.hold(connection, places)
    gone: list[Place] = []
    counts = []
    for item in items:
        own = [
            (item.project_id, key)
            for key in dict.fromkeys(item.ids)
            if (record := held.get((item.project_id, key))) and item.user_id in (None, record.user_id)
        ]
        for place in own:
            del held[place]
        gone += own
        counts.append(len(own))
    await memory_rows.remove_held(connection, gone)
    return counts


async def erase_user_memories(connection: Connection, project_id: str, user_id: str) -> dict[str, int]:
    """Remove all that is remembered of a user, with every trace of it, and return the rows removed of each table.

    Args:
        connection: in a transaction.
        project_id: the user's project.
        user_id: the user.
    """
    await memory_rows.hold_user(connection, project_id, user_id)
    row = await connection.fetchrow(_ERASE, project_id, user_id)
    assert row is not None  # it counts
    return dict(row)


def _first(new: NewMemory, answer: FirstAnswer) -> MemoryRecord:
    at = _EPOCH + timedelta(microseconds=answer.answer["at"])
    return as_stored(UUID(answer.answer["id"]), new, created_at=at, updated_at=at)
