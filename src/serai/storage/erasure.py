"""Erasing a user: one person out of every table, log, journal, blob and stored answer of a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from serai.storage.blob_sweeping import (
    disown_blobs,
    find_referenced,
    hashes_in,
    list_blobs_of_user,
    remove_blobs,
)
from serai.storage.connection import Connection, Database, count_of
from serai.storage.memories import erase_user_memories
from serai.storage.metrics import forget_user, keep_run_totals
from serai.storage.run_moves import PROMOTE_NEXT
from serai.storage.sessions import remove_sessions

SESSIONS_AT_A_TIME: Final = 100
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

_SESSIONS = "select id from sessions where project_id = $1 and user_id = $2 order by id limit $3"
_COUNT_OF_SESSIONS = """
with gone as (
    select key, parent_key from runs where project_id = $1 and session_id = any($2::text[])
)
select (select count(*) from gone where parent_key is null) as runs,
       (select count(*) from run_events join gone on run_key = key) as run_events,
       (select count(*) from run_steps join gone on run_key = key) as run_steps"""

# Sessions of others in which the user has runs; those in which nobody else has any are the user's, too.
_VISITED = """
select session_id, exists(
           select from runs as others
           where others.project_id = $1 and others.session_id = runs.session_id and others.parent_key is null
             and others.user_id is distinct from $2) as is_shared
from runs where project_id = $1 and user_id = $2 and parent_key is null
group by session_id order by session_id limit $3"""
_LOCK_SESSION = """
select active_run_key, first_run_key, name from sessions where project_id = $1 and id = $2 for update"""
_LOCK_RUNS = """
select key, id from runs where project_id = $1 and session_id = $2 and user_id = $3 and parent_key is null
order by key for update"""
_REMOVE_RUNS = "delete from runs where root_key = any($1::uuid[]) returning key"
_REMOVE_LOGS: Final = {
    "run_events": "delete from run_events where run_key = any($1::uuid[])",
    "run_steps": "delete from run_steps where run_key = any($1::uuid[])",
}
_REMOVE_CANCELS = "delete from run_cancellations where project_id = $1 and run_id = any($2::text[])"
# The next run gives the session a name.
_FORGET_FIRST = "update sessions set first_run_key = null, first_message = null where project_id = $1 and id = $2"
_FORGET_NAME = "delete from session_names where project_id = $1 and session_id = $2"

# All that the user's runs hold, and those of the user's sessions.
_DOCUMENTS = """
select array_remove(array[input, output, messages, carried], null) as documents from runs
where project_id = $1 and (user_id = $2 or session_id in (
    select id from sessions where project_id = $1 and user_id = $2))"""

# Rows that are the user's by themselves. The rest goes with sessions, runs and memories.
_OWN_ROWS: Final = {
    "eval_runs": "delete from eval_runs where project_id = $1 and user_id = $2",
    "schedule_runs": """
delete from schedule_runs where project_id = $1 and (user_id = $2 or schedule_id in (
    select id from schedules where project_id = $1 and user_id = $2))""",
    "schedules": "delete from schedules where project_id = $1 and user_id = $2",
    "jobs": "delete from jobs where project_id = $1 and user_id = $2",
    "retention_left": "delete from retention_left where project_id = $1 and user_id = $2",
}
# What writes with an Idempotency-Key were answered with names one of these, or the user.
_IDS = """
select id::text from memories where project_id = $1 and user_id = $2
union all select id::text from schedules where project_id = $1 and user_id = $2
union all select id::text from eval_runs where project_id = $1 and user_id = $2
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
       (select count(*) from eval_runs where project_id = $1 and user_id = $2) as eval_runs,
       (select count(*) from schedules where project_id = $1 and user_id = $2) as schedules,
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
        user_id: of whom nothing is left: no session, run, event, step, memory, schedule, eval, job, blob and no name in
            the totals of days, which stay as they are.

    Sessions go some at a time, each time in a transaction, the rest in one. Safe to stop at any place and to repeat. A
    run that is at work just now is refused its next write.
    """
    removed: Counter[str] = Counter()
    ids = [row[0] for row in await database.fetch(_IDS, project_id, user_id)]
    hashes: set[bytes] = set()
    for row in await database.fetch(_DOCUMENTS, project_id, user_id):
        hashes |= hashes_in(row["documents"])
    while own := await database.fetch(_SESSIONS, project_id, user_id, SESSIONS_AT_A_TIME):
        async with database.transaction() as connection:
            removed.update(await _remove_sessions(connection, project_id, [row["id"] for row in own]))
    while visited := await database.fetch(_VISITED, project_id, user_id, SESSIONS_AT_A_TIME):
        async with database.transaction() as connection:
            alone = [row["session_id"] for row in visited if not row["is_shared"]]
            removed.update(await _remove_sessions(connection, project_id, alone))
            for session_id in (row["session_id"] for row in visited if row["is_shared"]):
                removed.update(await _leave_session(connection, project_id, session_id, user_id))
    async with database.transaction() as connection:
        removed.update(await erase_user_memories(connection, project_id, user_id))
        for table, sql in _OWN_ROWS.items():
            removed[table] += count_of(await connection.execute(sql, project_id, user_id))
        removed["idempotency_keys"] += count_of(await connection.execute(_REMOVE_KEYS, project_id, ids, user_id))
        removed.update(await forget_user(connection, project_id, user_id))
        hashes |= await list_blobs_of_user(connection, project_id, user_id)
        if hashes:
            unused = hashes - await find_referenced(connection, project_id)
            removed["blobs"] += await remove_blobs(connection, project_id, unused, before=_NEVER)
            await disown_blobs(connection, project_id, user_id)
    return {table: rows for table, rows in sorted(removed.items()) if rows}


async def _remove_sessions(connection: Connection, project_id: str, session_ids: Sequence[str]) -> dict[str, int]:
    row = await connection.fetchrow(_COUNT_OF_SESSIONS, project_id, session_ids)
    assert row is not None  # it counts
    counts: dict[str, int] = dict(row)
    return {"sessions": len(await remove_sessions(connection, project_id, session_ids)), **counts}


async def _leave_session(connection: Connection, project_id: str, session_id: str, user_id: str) -> dict[str, int]:
    """Remove a user's runs from a session that is others', too."""
    session = await connection.fetchrow(_LOCK_SESSION, project_id, session_id)
    rows = await connection.fetch(_LOCK_RUNS, project_id, session_id, user_id)
    roots = [row["key"] for row in rows]
    if session is None or not roots:
        return {}
    await keep_run_totals(connection, project_id, roots)
    await connection.execute(_REMOVE_CANCELS, project_id, [row["id"] for row in rows])
    keys = [row["key"] for row in await connection.fetch(_REMOVE_RUNS, roots)]
    removed = {"runs": len(roots)}
    for table, sql in _REMOVE_LOGS.items():
        removed[table] = count_of(await connection.execute(sql, keys))
    if session["first_run_key"] in roots:
        await connection.execute(_FORGET_FIRST, project_id, session_id)
        if not session["name"]:
            await connection.execute(_FORGET_NAME, project_id, session_id)
    if session["active_run_key"] in roots:
        await connection.fetchval(PROMOTE_NEXT, project_id, session_id)
    return removed
