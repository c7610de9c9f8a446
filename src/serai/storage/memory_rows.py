"""How memories are written: their rows, and what is counted of them, in the same statement.

Whoever writes holds the row of the user first; so writes to one user's memories follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.memories import MemoryOrigin, MemoryRecord, NewMemory, as_stored, fold, fold_hash, marks_of
from serai.storage.connection import Connection
from serai.storage.idempotency import RequestKey

COLUMNS: Final = (
    "project_id, user_id, memory, topics, agent_id, team_id, source_run_id, source_session_id, origin, "
    "id, revision, created_at, updated_at"
)

# Store memories and count them. One whose Idempotency-Key is taken stores nothing and returns no row. Times rise
# within the statement; users come in one order, so that two nodes never wait for each other in a circle.
_INSERT = """
with item as materialized (
    select item.*, clock_timestamp() + item.position * interval '1 microsecond' as at
    from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::timestamptz[],
                $16::text[], $17::bytea[]) with ordinality
        as item(project_id, id, user_id, memory, folded, fold_hash, marks, topics, agent_id, team_id, source_run_id,
                source_session_id, origin, revision, created_at, key, fingerprint, position)
), taken as (
    insert into idempotency_keys as kept (project_id, key, fingerprint, answer, expires_at)
    select project_id, key, fingerprint,
           jsonb_build_object('id', id, 'at', (date_part('epoch', at) * 1e6)::bigint), now() + interval '24 hours'
    from item where key is not null order by project_id, key
    on conflict (project_id, key) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    where kept.expires_at < now()
    returning project_id, key
), new as materialized (
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
), counts as (
    insert into memory_counts as kept (project_id, slot, memories, users)
    select project_id, pg_backend_pid() % 16, sum(added.memories),
           count(*) filter (where users.memories = added.memories)
    from users join added using (project_id, user_id) group by project_id order by project_id
    on conflict (project_id, slot) do update
    set memories = kept.memories + excluded.memories, users = kept.users + excluded.users
)
select id, revision, created_at, updated_at from stored"""

# Hold memories, and before them their users' rows, until the transaction ends.
_HOLD = f"""
with holder as materialized (
    select project_id, user_id from memory_users
    where project_id = $1 and user_id in (
        select user_id from memories where project_id = $1 and id = any($2) and ($3::text is null or user_id = $3)
    )
    order by user_id for update
)
select {COLUMNS} from holder join memories using (project_id, user_id)
where id = any($2) order by id for update of memories"""  # noqa: S608 - our own text

# Hold a user's row until the transaction ends, and make it when there is none.
_HOLD_USER = """
insert into memory_users as kept (project_id, user_id, memories, last_updated_at) values ($1, $2, 0, '-infinity')
on conflict (project_id, user_id) do update set memories = kept.memories"""

# Change a memory that is held, and what is counted of its topics.
_REPLACE = f"""
with changed as (
    update memories
    set memory = $3, folded = $4, fold_hash = $5, marks = $6, topics = $7, agent_id = $8, team_id = $9,
        source_run_id = $10, source_session_id = $11, origin = $12, revision = revision + 1,
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    where project_id = $1 and id = $2
    returning {COLUMNS}
), users as (
    update memory_users as kept set last_updated_at = greatest(kept.last_updated_at, changed.updated_at)
    from changed where kept.project_id = $1 and kept.user_id = changed.user_id
), gained as (
    insert into memory_topics as kept (project_id, user_id, topic, memories)
    select project_id, user_id, topic, 1 from changed, unnest($13::text[]) as topic order by topic
    on conflict (project_id, user_id, topic) do update set memories = kept.memories + 1
), lessened as (
    update memory_topics as kept set memories = kept.memories - 1
    from changed
    where kept.project_id = $1 and kept.user_id = changed.user_id and topic = any($14::text[]) and kept.memories > 1
), dropped as (
    delete from memory_topics as kept using changed
    where kept.project_id = $1 and kept.user_id = changed.user_id and topic = any($14::text[]) and kept.memories <= 1
)
select * from changed"""  # noqa: S608 - our own text

# Remove memories that are held, and what is counted of them.
_REMOVE = """
with gone as materialized (
    delete from memories where project_id = $1 and id = any($2) returning user_id, topics
), lost as materialized (
    select user_id, count(*) as memories from gone group by user_id
), users as (
    update memory_users as kept
    set memories = kept.memories - lost.memories,
        last_updated_at = coalesce((
            select updated_at from memories where project_id = $1 and user_id = lost.user_id and id <> all($2)
            order by updated_at desc limit 1
        ), kept.last_updated_at)
    from lost where kept.project_id = $1 and kept.user_id = lost.user_id
    returning kept.memories
), fewer as materialized (
    select user_id, topic, count(*) as memories from gone, unnest(topics) as topic group by user_id, topic
), lessened as (
    update memory_topics as kept set memories = kept.memories - fewer.memories
    from fewer
    where kept.project_id = $1 and kept.user_id = fewer.user_id and kept.topic = fewer.topic
      and kept.memories > fewer.memories
), dropped as (
    delete from memory_topics as kept using fewer
    where kept.project_id = $1 and kept.user_id = fewer.user_id and kept.topic = fewer.topic
      and kept.memories <= fewer.memories
)
insert into memory_counts as kept (project_id, slot, memories, users)
select $1, pg_backend_pid() % 16, -(select coalesce(sum(memories), 0) from lost),
       -(select count(*) from users where memories = 0)
on conflict (project_id, slot) do update
set memories = kept.memories + excluded.memories, users = kept.users + excluded.users"""


def record_of(row: asyncpg.Record) -> MemoryRecord:
    """Return the memory of a row that has `COLUMNS`."""
    values = dict(row)
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
    rows = await connection.fetch(_INSERT, *_columns(new, revisions or [1] * len(new), created or [None] * len(new)))
    stored = {row["id"]: row for row in rows}
    return [as_stored(key, one, **_given(row)) if (row := stored.get(key)) else None for key, one, _ in new]


async def hold(
    connection: Connection, project_id: str, memory_ids: Sequence[UUID], user_id: str | None = None
) -> list[MemoryRecord]:
    """Return those of the memories that exist and are the user's, held until the transaction ends."""
    return [record_of(row) for row in await connection.fetch(_HOLD, project_id, memory_ids, user_id)]


async def hold_user(connection: Connection, project_id: str, user_id: str) -> None:
    """Let nobody else write memories of a user until the transaction ends."""
    await connection.execute(_HOLD_USER, project_id, user_id)


async def replace_held(connection: Connection, before: MemoryRecord, after: NewMemory) -> MemoryRecord:
    """Change a memory that is held, and return it as it is then.

    Args:
        connection: the one that holds it.
        before: as it is.
        after: as it is to be; of the same user.
    """
    folded = fold(after.memory)
    row = await connection.fetchrow(
        _REPLACE,
        before.project_id,
        before.id,
        after.memory,
        folded,
        fold_hash(after.project_id, after.user_id, after.memory),
        marks_of(after, folded),
        after.topics,
        after.agent_id,
        after.team_id,
        after.source_run_id,
        after.source_session_id,
        after.origin,
        [topic for topic in after.topics if topic not in before.topics],
        [topic for topic in before.topics if topic not in after.topics],
    )
    assert row is not None  # it is held
    return record_of(row)


async def remove_held(connection: Connection, project_id: str, memory_ids: Sequence[UUID]) -> None:
    """Remove memories that are held."""
    if memory_ids:
        await connection.execute(_REMOVE, project_id, memory_ids)


def _given(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] for name in ("revision", "created_at", "updated_at")}


def _columns(
    new: Sequence[tuple[UUID, NewMemory, RequestKey | None]],
    revisions: Sequence[int],
    created: Sequence[datetime | None],
) -> list[Sequence[Any]]:
    memories = [one for _, one, _ in new]
    folded = [fold(one.memory) for one in memories]
    return [
        [one.project_id for one in memories],
        [key for key, _, _ in new],
        [one.user_id for one in memories],
        [one.memory for one in memories],
        folded,
        [fold_hash(one.project_id, one.user_id, one.memory) for one in memories],
        ["{" + str(marks_of(one, text))[1:-1] + "}" for one, text in zip(memories, folded, strict=True)],
        [_array_text(one.topics) for one in memories],
        [one.agent_id for one in memories],
        [one.team_id for one in memories],
        [one.source_run_id for one in memories],
        [one.source_session_id for one in memories],
        [one.origin for one in memories],
        revisions,
        created,
        [key and key.key for _, _, key in new],
        [key and key.fingerprint for _, _, key in new],
    ]


def _array_text(items: Sequence[str]) -> str:
    """Return an array as PostgreSQL writes it: arrays of different lengths cannot be sent in one."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"
