"""Erasing a user: one person out of every table, log, journal, blob and stored answer of a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from serai.storage.blob_sweeping import erase_blobs, find_blobs_of_user
from serai.storage.connection import Connection, Database, count_of
from serai.storage.memories import erase_user_memories
from serai.storage.metrics import fold_all, forget_user
from serai.storage.session_leaving import leave_session, lock_shared
from serai.storage.sessions import remove_sessions
from serai.storage.trace_counts import fold_all_traces
from serai.storage.trace_removal import erase_user_traces, forget_trace_counts

SESSIONS_AT_A_TIME: Final = 100

_SESSIONS = "select id from sessions where project_id = $1 and user_id = $2 order by id limit $3"
_COUNT_OF_SESSIONS = """
with gone as (
    select key, parent_key from runs where project_id = $1 and session_id = any($2::text[])
)
select (select count(*) from gone where parent_key is null) as runs,
       (select count(*) from run_events join gone on run_key = key) as run_events,
       (select count(*) from run_steps join gone on run_key = key) as run_steps"""

# Sessions of anybody in which the user has runs.
_VISITED = """
select distinct session_id from runs where project_id = $1 and user_id = $2 and parent_key is null
order by session_id limit $3"""

# Whether the user has come back since.
_IS_BACK = """
select exists(select from sessions where project_id = $1 and user_id = $2)
       or exists(select from runs where project_id = $1 and user_id = $2 and parent_key is null)
       or exists(select from traces where project_id = $1 and user_id = $2)"""

# Rows that are the user's by themselves. The rest goes with sessions, runs, memories and contents.
_OWN_ROWS: Final = {
    "eval_runs": "delete from eval_runs where project_id = $1 and user_id = $2",
    "schedule_runs": """
delete from schedule_runs where project_id = $1 and (user_id = $2 or schedule_id in (
    select id from schedules where project_id = $1 and user_id = $2))""",
    "schedules": "delete from schedules where project_id = $1 and user_id = $2",
    "knowledge_contents": "delete from knowledge_contents where project_id = $1 and user_id = $2",
    "knowledge_embeddings": "delete from knowledge_embeddings where project_id = $1 and user_id = $2",
    "jobs": "delete from jobs where project_id = $1 and user_id = $2",
    "retention_left": "delete from retention_left where project_id = $1 and user_id = $2",
}
# What writes with an Idempotency-Key were answered with names one of these, or the user.
_IDS = """
select id::text from memories where project_id = $1 and user_id = $2
union all select id::text from schedules where project_id = $1 and user_id = $2
union all select id::text from eval_runs where project_id = $1 and user_id = $2
union all select id::text from knowledge_contents where project_id = $1 and user_id = $2
union all select id from runs where project_id = $1 and user_id = $2
union all select id from sessions where project_id = $1 and user_id = $2"""
_REMOVE_KEYS = """
delete from idempotency_keys
where project_id = $1 and (
    answer->>'id' = any($2::text[])
    or jsonb_path_exists(answer, '$.**.user_id ? (@ == $name)', jsonb_build_object('name', $3::text)))"""

_FOUND = """
select (select count(*) from sessions where project_id = $1 and user_id = $2) as sessions,
       (select count(*) from runs where project_id = $1 and user_id = $2 and parent_key is null) as runs,
       (select count(*) from memories where project_id = $1 and user_id = $2) as memories,
       (select count(*) from memory_changes where project_id = $1 and user_id = $2) as memory_changes,
       (select count(*) from traces where project_id = $1 and user_id = $2) as traces,
       (select count(*) from eval_runs where project_id = $1 and user_id = $2) as eval_runs,
       (select count(*) from schedules where project_id = $1 and user_id = $2) as schedules,
       (select count(*) from knowledge_contents where project_id = $1 and user_id = $2) as knowledge_contents,
       (select count(*) from jobs where project_id = $1 and user_id = $2) as jobs,
       (select count(*) from blobs where project_id = $1 and user_id = $2) as blobs,
       (select count(*) from metrics_days where project_id = $1 and user_id = $2) as metrics_days"""


async def count_user(database: Database, project_id: str, user_id: str) -> dict[str, int]:
    """Return how many rows of each table name a user; what goes with them is not counted. Changes nothing."""
    row = await database.fetchrow(_FOUND, project_id, user_id)
    assert row is not None  # it counts
    found: dict[str, int] = dict(row)
    return found


async def erase_user(database: Database, project_id: str, user_id: str) -> dict[str, int]:
    """Remove a user from a project, and return how many rows of each table went.

    Args:
        database: where the project is.
        project_id: the project.
        user_id: of whom nothing is left: no session, run, event, step, memory, schedule, eval, job, trace, blob,
            content of a knowledge base, and no name in the totals of days, which stay as they are.

    Sessions go some at a time, or one by one where others are, each time in a transaction; the rest goes in one. Safe
    to stop at any place and to repeat. A run that is at work just now is refused its next write; one that comes
    meanwhile is removed, too.
    """
    removed: Counter[str] = Counter()
    ids: set[str] = set()
    hashes: set[bytes] = set()
    is_done = False
    while not is_done:
        ids |= {row[0] for row in await database.fetch(_IDS, project_id, user_id)}
        hashes |= await find_blobs_of_user(database, project_id, user_id)
        removed.update(await _erase_sessions(database, project_id, user_id))
        async with database.transaction() as connection:
            removed.update(await erase_user_memories(connection, project_id, user_id))
            removed.update(await erase_user_traces(connection, project_id, user_id))
            for table, sql in _OWN_ROWS.items():
                removed[table] += count_of(await connection.execute(sql, project_id, user_id))
            keys = await connection.execute(_REMOVE_KEYS, project_id, list(ids), user_id)
            removed["idempotency_keys"] += count_of(keys)
            await fold_all(connection)
            await fold_all_traces(connection)
            await forget_trace_counts(connection, project_id, user_id)
            # What comes after the fold is in no total yet: a name that is taken from them now was whole in them.
            if is_done := not await connection.fetchval(_IS_BACK, project_id, user_id):
                removed.update(await forget_user(connection, project_id, user_id))
    removed["blobs"] += await erase_blobs(database, project_id, user_id, hashes)
    return {table: rows for table, rows in sorted(removed.items()) if rows}


async def _erase_sessions(database: Database, project_id: str, user_id: str) -> Counter[str]:
    """Remove a user's sessions, those in which nobody else has runs, and the user's runs from those of others."""
    removed: Counter[str] = Counter()
    while own := await database.fetch(_SESSIONS, project_id, user_id, SESSIONS_AT_A_TIME):
        async with database.transaction() as connection:
            removed.update(await _remove_sessions(connection, project_id, [row["id"] for row in own]))
    while visited := await database.fetch(_VISITED, project_id, user_id, SESSIONS_AT_A_TIME):
        for (session_id,) in visited:
            async with database.transaction() as connection:
                session = await lock_shared(connection, project_id, session_id, user_id=user_id)
                if session is None:
                    removed.update(await _remove_sessions(connection, project_id, [session_id]))
                else:
                    removed.update(await leave_session(connection, project_id, session, user_id=user_id))
    return removed


async def _remove_sessions(connection: Connection, project_id: str, session_ids: Sequence[str]) -> dict[str, int]:
    row = await connection.fetchrow(_COUNT_OF_SESSIONS, project_id, session_ids)
    assert row is not None  # it counts
    counts: dict[str, int] = dict(row)
    return {"sessions": len(await remove_sessions(connection, project_id, session_ids)), **counts}
