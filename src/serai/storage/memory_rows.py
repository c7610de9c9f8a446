"""How memories are written: their rows, and what is counted of them, in the same statement.

Whoever writes holds the row of the user first; so writes to one user's memories follow each other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.memories import MemoryOrigin, MemoryRecord, NewMemory, as_stored, fold_hash, marks_of
from serai.domain.search_text import fold
from serai.storage.connection import Connection
from serai.storage.idempotency import RequestKey, take_keys

_LONG: Final = 2000
COLUMNS: Final = (
    "project_id, user_id, memory, topics, agent_id, team_id, source_run_id, source_session_id, origin, "
    "id, revision, created_at, updated_at"
)
_NAMES: Final = COLUMNS.split(", ")

_TAKEN = take_keys(
    "item where key is not null",
    answer="jsonb_build_object('id', id, 'at', (date_part('epoch', at) * 1e6)::bigint)",
)

# Store memories and count them. One whose Idempotency-Key is taken stores nothing and returns no row. Times rise
# within the statement; users come in one order, so that two nodes never wait for each other in a circle.
_INSERT = f"""
with item as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::timestamptz[],
                $16::text[], $17::bytea[]) with ordinality
        as item(project_id, id, user_id, memory, folded, fold_hash, marks, topics, agent_id, team_id, source_run_id,
                source_session_id, origin, revision, created_at, key, fingerprint, position)
), taken as (
{_TAKEN}), new as materialized (
    select item.* from item left join taken using (project_id, key) where item.key is null or taken.key is not null
), added as materialized (
    select project_id, user_id, count(*) as memories, max(at) as at from new group by project_id, user_id
), users as (
    insert into memory_users as kept (project_id, user_id, memories, last_updated_at)
    select project_id, user_id, memories, at from added order by project_id, user_id
    on conflict (project_id, user_id) do update
    set memories = kept.memories + excluded.memories,
        last_updated_at = greatest(kept.last_updated_at, excluded.last_updated_at)
    returning project_id, user_id, memories
), stored as (
    insert into memories (id, project_id, user_id, memory, folded, fold_hash, marks, topics, agent_id, team_id,
                          source_run_id, source_session_id, origin, revision, created_at, updated_at)
    select id, project_id, user_id, memory, folded, fold_hash, marks::integer[], topics::text[], agent_id, team_id,
           source_run_id, source_session_id, origin, revision, coalesce(created_at, at), at
    from new join users using (project_id, user_id)
    returning project_id, user_id, id, topics, revision, created_at, updated_at
), topics as (
    insert into memory_topics as kept (project_id, user_id, topic, memories)
    select project_id, user_id, topic, count(*) from stored, unnest(topics) as topic
    group by project_id, user_id, topic order by project_id, user_id, topic
    on conflict (project_id, user_id, topic) do update set memories = kept.memories + excluded.memories
), counted as (
    insert into usage_deltas (project_id, day, memories, memory_users)
    select project_id, day, sum(memories), sum(users)
    from (
        select project_id, updated_at::date as day, 1 as memories, 0 as users from stored
        union all
        select project_id, added.at::date, 0, 1 from users join added using (project_id, user_id)
        where users.memories = added.memories
    ) as counted
    group by project_id, day
)
select id, revision, created_at, updated_at from stored"""  # noqa: S608 - our own text

# Which memories a statement is about: several, for which PostgreSQL plans it anew each time, or one.
_SEVERAL: Final = "unnest($1::text[], $2::uuid[]) as item(project_id, id)"
_ONE: Final = "(values ($1::text, $2::uuid)) as item(project_id, id)"

# Hold memories, and before them their users' rows, until the transaction ends.
_HOLD = f"""
with holder as materialized (
    select project_id, user_id from memory_users
    where (project_id, user_id) in (
        select project_id, user_id
        from {{items}} join memories using (project_id, id)
    )
    order by project_id, user_id for update
)
select {COLUMNS}
from {{items}} join memories using (project_id, id) join holder using (project_id, user_id)
order by project_id, id for update of memories"""  # noqa: S608 - our own text

# Those of a user whose row is held.
_OF_HELD_USER = f"""
select {COLUMNS} from memories where project_id = $1 and user_id = $2 and id = any($3)"""  # noqa: S608 - our own text

# Hold a user's row until the transaction ends, and make it when there is none.
_HOLD_USER = """
insert into memory_users as kept (project_id, user_id, memories, last_updated_at) values ($1, $2, 0, '-infinity')
on conflict (project_id, user_id) do update set memories = kept.memories"""

_HOLD_KNOWN_USER = "select true from memory_users where project_id = $1 and user_id = $2 for update"

# Change memories that are held, and what is counted of their topics and of the days on which memories were changed.
_REPLACE = """
with item as materialized (
    select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
        as item(project_id, id, memory, folded, fold_hash, marks, topics, agent_id, team_id, source_run_id,
                source_session_id, origin, was_updated_at)
), changed as (
    update memories as kept
    set memory = item.memory, folded = item.folded, fold_hash = item.fold_hash, marks = item.marks::integer[],
        topics = item.topics::text[], agent_id = item.agent_id, team_id = item.team_id,
        source_run_id = item.source_run_id, source_session_id = item.source_session_id, origin = item.origin,
        revision = kept.revision + 1,
        updated_at = greatest(clock_timestamp(), kept.updated_at + interval '1 microsecond')
    from item where kept.project_id = item.project_id and kept.id = item.id
    returning kept.project_id, kept.user_id, kept.id, kept.revision, kept.updated_at, was_updated_at
), counted as (
    insert into usage_deltas (project_id, day, memories)
    select project_id, day, sum(memories)
    from changed cross join lateral (values (updated_at::date, 1), (was_updated_at::date, -1)) as told(day, memories)
    group by project_id, day having sum(memories) <> 0
), users as (
    update memory_users as kept set last_updated_at = greatest(kept.last_updated_at, latest.at)
    from (select project_id, user_id, max(updated_at) as at from changed group by project_id, user_id) as latest
    where kept.project_id = latest.project_id and kept.user_id = latest.user_id
), topic as materialized (
    select * from unnest($14::text[], $15::text[], $16::text[], $17::bigint[])
        as topic(project_id, user_id, topic, memories)
), gained as (
    insert into memory_topics as kept (project_id, user_id, topic, memories)
    select * from topic where memories > 0 order by project_id, user_id, topic
    on conflict (project_id, user_id, topic) do update set memories = kept.memories + excluded.memories
), lessened as (
    update memory_topics as kept set memories = kept.memories + topic.memories
    from topic
    where kept.project_id = topic.project_id and kept.user_id = topic.user_id and kept.topic = topic.topic
      and topic.memories < 0 and kept.memories + topic.memories > 0
), dropped as (
    delete from memory_topics as kept using topic
    where kept.project_id = topic.project_id and kept.user_id = topic.user_id and kept.topic = topic.topic
      and topic.memories < 0 and kept.memories + topic.memories <= 0
)
select project_id, id, revision, updated_at from changed"""

# Remove memories that are held, and what is counted of them.
_REMOVE = """
with gone as materialized (
    delete from memories using {items} where memories.project_id = item.project_id and memories.id = item.id
    returning memories.project_id, user_id, memories.id, topics, updated_at
), lost as materialized (
    select project_id, user_id, count(*) as memories from gone group by project_id, user_id
), users as (
    update memory_users as kept
    set memories = kept.memories - lost.memories,
        last_updated_at = coalesce((
            select updated_at from memories
            where project_id = lost.project_id and user_id = lost.user_id and id not in (select id from gone)
            order by updated_at desc limit 1
        ), kept.last_updated_at)
    from lost where kept.project_id = lost.project_id and kept.user_id = lost.user_id
    returning kept.project_id, kept.memories
), fewer as materialized (
    select project_id, user_id, topic, count(*) as memories from gone, unnest(topics) as topic
    group by project_id, user_id, topic
), lessened as (
    update memory_topics as kept set memories = kept.memories - fewer.memories
    from fewer
    where kept.project_id = fewer.project_id and kept.user_id = fewer.user_id and kept.topic = fewer.topic
      and kept.memories > fewer.memories
), dropped as (
    delete from memory_topics as kept using fewer
    where kept.project_id = fewer.project_id and kept.user_id = fewer.user_id and kept.topic = fewer.topic
      and kept.memories <= fewer.memories
)
insert into usage_deltas (project_id, day, memories, memory_users)
select project_id, day, -sum(memories), -sum(users)
from (
    select project_id, updated_at::date as day, 1 as memories, 0 as users from gone
    union all
    select project_id, current_date, 0, 1 from users where memories = 0
) as counted
group by project_id, day"""

Place = tuple[str, UUID]
"""Project and id of a memory."""


def record_of(row: asyncpg.Record) -> MemoryRecord:
    """Return the memory of a row that has `COLUMNS`."""
    values: dict[str, Any] = {name: row[name] for name in _NAMES}
    values["topics"] = tuple(values["topics"])
    values["origin"] = MemoryOrigin(values["origin"])
    return MemoryRecord(**values)


async def insert(
    connection: Connection,
    new: Sequence[tuple[UUID, NewMemory, RequestKey | None]],
    *,
    revisions: Sequence[int] | None = None,
    created: Sequence[datetime] | None = None,
) -> list[MemoryRecord | None]:
    """Store memories; None for one whose key another request has taken.

    Args:
        connection: in a transaction or not: it is one statement.
        new: each with its id and the request's key.
        revisions: their revisions; by default 1.
        created: when they were made first; by default now.
    """
    said = await _said_columns([one for _, one, _ in new])
    columns = _columns(new, said, revisions or [1] * len(new), created or [None] * len(new))
    rows = await connection.fetch(_INSERT, *columns)
    stored = {row["id"]: row for row in rows}
    return [as_stored(key, one, **_given(row)) if (row := stored.get(key)) else None for key, one, _ in new]


async def hold(connection: Connection, places: Sequence[Place]) -> dict[Place, MemoryRecord]:
    """Return those of the memories that exist, held until the transaction ends.

    Of any user: whose they may be is checked by the caller.
    """
    rows = await connection.fetch(*_about(_HOLD, places))
    return {(row["project_id"], row["id"]): record_of(row) for row in rows}


async def hold_user(connection: Connection, project_id: str, user_id: str) -> None:
    """Let nobody else write memories of a user until the transaction ends."""
    await connection.execute(_HOLD_USER, project_id, user_id)


async def hold_known_user(connection: Connection, project_id: str, user_id: str) -> bool:
    """Do so for a user of whom something was remembered; False when that was erased."""
    return bool(await connection.fetchval(_HOLD_KNOWN_USER, project_id, user_id))


async def find_of_held_user(
    connection: Connection, project_id: str, user_id: str, ids: Sequence[UUID]
) -> dict[UUID, MemoryRecord]:
    """Return those of the memories that are a user's whose row is held: so they are held, too."""
    rows = await connection.fetch(_OF_HELD_USER, project_id, user_id, ids)
    return {row["id"]: record_of(row) for row in rows}


async def replace_held(
    connection: Connection, changes: Sequence[tuple[MemoryRecord, MemoryRecord]]
) -> list[MemoryRecord]:
    """Change memories that are held, and return them as they are then.

    Args:
        connection: the one that holds them.
        changes: each as it is and as it is to be, each memory once; only what can be said anew counts.
    """
    if not changes:
        return []
    after = [one for _, one in changes]
    topics: Counter[tuple[str, str, str]] = Counter()
    for before, one in changes:
        topics.update((one.project_id, one.user_id, topic) for topic in one.topics)
        topics.subtract((one.project_id, one.user_id, topic) for topic in before.topics)
    deltas = [(*name, count) for name, count in topics.items() if count]
    columns = await _said_columns(after)
    rows = await connection.fetch(
        _REPLACE,
        [one.project_id for one in after],
        [one.id for one in after],
        *columns,
        [one.updated_at for one, _ in changes],
        *([one[at] for one in deltas] for at in range(4)),
    )
    written = {row["id"]: row for row in rows}
    return [
        replace(one, revision=written[one.id]["revision"], updated_at=written[one.id]["updated_at"]) for one in after
    ]


async def remove_held(connection: Connection, places: Sequence[Place]) -> None:
    """Remove memories that are held."""
    if places:
        await connection.execute(*_about(_REMOVE, places))


def _about(sql: str, places: Sequence[Place]) -> tuple[str, Any, Any]:
    """Return a statement about memories with its arguments."""
    if len(places) == 1:
        return (sql.format(items=_ONE), *places[0])
    return sql.format(items=_SEVERAL), [project_id for project_id, _ in places], [key for _, key in places]


def _given(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] for name in ("revision", "created_at", "updated_at")}


def _columns(
    new: Sequence[tuple[UUID, NewMemory, RequestKey | None]],
    said: Sequence[Sequence[Any]],
    revisions: Sequence[int],
    created: Sequence[datetime | None],
) -> list[Sequence[Any]]:
    memories = [one for _, one, _ in new]
    return [
        [one.project_id for one in memories],
        [key for key, _, _ in new],
        [one.user_id for one in memories],
        *said,
        revisions,
        created,
        [key and key.key for _, _, key in new],
        [key and key.fingerprint for _, _, key in new],
    ]


async def _said_columns(memories: Sequence[NewMemory]) -> list[Sequence[Any]]:
    """Return the columns of what memories say and where they come from; long texts are taken apart by a thread."""
    length = sum(len(one.memory) for one in memories)
    return _take_apart(memories) if length < _LONG else await asyncio.to_thread(_take_apart, memories)


def _take_apart(memories: Sequence[NewMemory]) -> list[Sequence[Any]]:
    folded = [fold(one.memory) for one in memories]
    return [
        [one.memory for one in memories],
        folded,
        [fold_hash(one.project_id, one.user_id, one.memory) for one in memories],
        [str(marks_of(one, text) or {}) for one, text in zip(memories, folded, strict=True)],
        [_array_text(one.topics) for one in memories],
        [one.agent_id for one in memories],
        [one.team_id for one in memories],
        [one.source_run_id for one in memories],
        [one.source_session_id for one in memories],
        [one.origin for one in memories],
    ]


def _array_text(items: Sequence[str]) -> str:
    """Return an array as PostgreSQL writes it: arrays of different lengths cannot be sent in one."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"
