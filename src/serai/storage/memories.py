"""Memories of users: make, read, list, change and remove them. Reads and new ones that wait together share a statement.

What a model, a tool or a job changes goes through `serai.storage.memory_changes`, which writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from serai.domain.ids import new_key
from serai.domain.memories import MemoryRecord, NewMemory, as_stored, fold_hash
from serai.storage import memory_rows
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import FirstAnswer, RequestKey, find_first_answers
from serai.storage.memory_rows import COLUMNS, record_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_GET = f"""
select {COLUMNS} from memories
where (project_id, id) in (select * from unnest($1::text[], $2::uuid[]))"""  # noqa: S608 - our own text

_LATEST_OF_USER = f"""
select {COLUMNS} from memories where project_id = $1 and user_id = $2
order by updated_at desc, id desc limit $3"""  # noqa: S608 - our own text

# Memories whose texts differ from the asked ones in case and blanks at most; the oldest of each.
_FIND_FOLDED = """
select distinct on (fold_hash) fold_hash, id from memories
where fold_hash = any($3) and project_id = $1 and user_id = $2 order by fold_hash, id"""

_ERASE = """
with kept as (
    select memories from memory_users where project_id = $1 and user_id = $2
), gone as (
    delete from memories where project_id = $1 and user_id = $2 returning true
), topics as (
    delete from memory_topics where project_id = $1 and user_id = $2 returning true
), changes as (
    delete from memory_changes where project_id = $1 and user_id = $2 returning true
), users as (
    delete from memory_users where project_id = $1 and user_id = $2 returning last_updated_at
), counts as (
    insert into memory_counts as kept (project_id, slot, memories, users)
    select $1, pg_backend_pid() % 16, -memories, -1 from kept where memories > 0
    on conflict (project_id, slot) do update
    set memories = kept.memories + excluded.memories, users = kept.users + excluded.users
)
select (select count(*) from gone) as memories, (select count(*) from topics) as memory_topics,
       (select count(*) from changes) as memory_changes,
       (select count(*) from users where last_updated_at > '-infinity') as memory_users"""


class _New(NamedTuple):
    id: UUID
    memory: NewMemory
    key: RequestKey | None


_Outcome = MemoryRecord | Exception | None
"""None: somebody held the key and holds it no more; try again."""


class MemoryStore:
    """The memories of all users. Writes that take a connection happen within its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gets: Batcher[tuple[str, UUID], MemoryRecord | None] = Batcher(self._get)
        self._creates: Batcher[_New, MemoryRecord | None] = Batcher(self._create)

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

    async def update(
        self,
        connection: Connection,
        project_id: str,
        memory_id: UUID,
        *,
        user_id: str | None,
        memory: str,
        topics: tuple[str, ...] | None,
    ) -> MemoryRecord | None:
        """Replace a memory's text, and its topics unless they are None; None when the user has no such memory."""
        held = await memory_rows.hold(connection, project_id, [memory_id], user_id)
        if not held:
            return None
        after = replace(held[0], memory=memory, topics=held[0].topics if topics is None else topics)
        return await memory_rows.replace_held(connection, held[0], after)

    async def delete(
        self, connection: Connection, project_id: str, memory_ids: Sequence[UUID], *, user_id: str | None
    ) -> int:
        """Remove memories, of the named user only, and return how many there were."""
        held = [record.id for record in await memory_rows.hold(connection, project_id, memory_ids, user_id)]
        await memory_rows.remove_held(connection, project_id, held)
        return len(held)

    async def list_of_user(self, project_id: str, user_id: str, *, limit: int) -> list[MemoryRecord]:
        """Return a user's memories, those that were changed last first."""
        return [record_of(row) for row in await self._database.fetch(_LATEST_OF_USER, project_id, user_id, limit)]

    async def find_folded(self, project_id: str, user_id: str, texts: Sequence[str]) -> dict[str, UUID]:
        """Return those of the texts that a user's memories say already, in other case and blanks at most; with ids."""
        hashes = [fold_hash(project_id, user_id, text) for text in texts]
        rows = await self._database.fetch(_FIND_FOLDED, project_id, user_id, hashes)
        known = {row["fold_hash"]: row["id"] for row in rows}
        return {text: known[one] for text, one in zip(texts, hashes, strict=True) if one in known}

    async def _get(self, items: list[tuple[str, UUID]]) -> list[MemoryRecord | None]:
        rows = await self._database.fetch(_GET, [project for project, _ in items], [key for _, key in items])
        found = {(row["project_id"], row["id"]): record_of(row) for row in rows}
        return [found.get(item) for item in items]

    async def _create(self, items: list[_New]) -> list[_Outcome]:
        keys = [item.key and (item.key.project_id, item.key.key) for item in items]
        # Of requests with one key the first stores; the others are answered as if they came later.
        own = [at for at, key in enumerate(keys) if key is None or keys.index(key) == at]
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
