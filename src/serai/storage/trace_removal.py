"""Removing traces with their spans: of sessions and users that are removed, and those that are old.

What writers still hold of a removed session or user comes a moment later: it is known by its digest, and goes, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from serai.domain.traces import ASKING_KINDS
from serai.storage.connection import Connection, Database, count_of

TRACES_AT_A_TIME: Final = 2000
_LONGEST_S: Final = 3600.0

# Spans are locked before their trace and in the order in which they are written, so that nobody waits in a ring.
_LOCK = """
select count(*) from (
    select from spans join unnest($1::text[], $2::uuid[]) as gone(project_id, trace_id) using (project_id, trace_id)
    order by project_id, trace_id, span_id for update of spans
) as locked"""
_REMOVE_SPANS = """
delete from spans using unnest($1::text[], $2::uuid[]) as gone(project_id, trace_id)
where spans.project_id = gone.project_id and spans.trace_id = gone.trace_id"""
_REMOVE = """
delete from traces using unnest($1::text[], $2::uuid[]) as gone(project_id, trace_id)
where traces.project_id = gone.project_id and traces.trace_id = gone.trace_id"""

_OF_SESSIONS = "select trace_id from traces where project_id = $1 and session_id = any($2::text[])"
_OF_USER = "select trace_id from traces where project_id = $1 and user_id = $2 limit $3"
_OLD = "select project_id, trace_id from traces where started_at < $1 and ended_at < $1 limit $2"
_COUNT_OLD = "select count(*) from traces where started_at < $1 and ended_at < $1"

_ASKS: Final = ", ".join(f"'{kind}'" for kind in ASKING_KINDS)
# A user's spans in the traces of others, and what these come to without them.
_REMOVE_VISITS = f"""
with gone as (
    delete from spans where project_id = $1 and user_id = $2
    returning trace_id, kind, status, input_tokens, output_tokens, cost
), by_trace as (
    select trace_id, count(*) as spans, count(*) filter (where status = 'ERROR') as errors,
           coalesce(sum(input_tokens) filter (where kind in ({_ASKS})), 0) as input_tokens,
           coalesce(sum(output_tokens) filter (where kind in ({_ASKS})), 0) as output_tokens,
           sum(cost) filter (where kind in ({_ASKS})) as cost
    from gone group by trace_id
), changed as (
    update traces set total_spans = total_spans - spans, error_count = error_count - errors,
                      input_tokens = traces.input_tokens - by_trace.input_tokens,
                      output_tokens = traces.output_tokens - by_trace.output_tokens,
                      cost = traces.cost - coalesce(by_trace.cost, 0)
    from by_trace where project_id = $1 and traces.trace_id = by_trace.trace_id
)
select count(*) from gone"""  # noqa: S608 - our own text

_NOTE = """
insert into trace_removals (project_id, digest)
select $1, sha256(convert_to(name, 'UTF8')) from unnest($2::text[]) as name
on conflict (project_id, digest) do update set removed_at = excluded.removed_at"""
_FORGET_REMOVALS = "delete from trace_removals where removed_at < now() - interval '10 minutes'"
# Only what has just come is looked at: it is in no count yet.
_LATE = """
with came as materialized (
    select project_id, 'user' as noun, user_id as name from trace_deltas
    where exists(select from trace_removals) and traces > 0 and user_id is not null
    union
    select project_id, 'session', session_id from trace_deltas
    where exists(select from trace_removals) and traces > 0 and session_id is not null
), gone as materialized (
    select came.*, removed_at from came join trace_removals as removed
    on removed.project_id = came.project_id and removed.digest = sha256(convert_to(name, 'UTF8'))
)
select traces.project_id, trace_id from gone join traces
on traces.project_id = gone.project_id and noun = 'user' and traces.user_id = gone.name and started_at <= removed_at
union
select traces.project_id, trace_id from gone join traces
on traces.project_id = gone.project_id and noun = 'session' and traces.session_id = gone.name
   and started_at <= removed_at"""

# What counts say of a user, once all deltas are folded.
_FORGET_USER: Final = (
    "delete from trace_counts where project_id = $1 and user_id = $2",
    "delete from trace_session_parts where project_id = $1 and user_id = $2",
)


async def remove_traces_of_sessions(connection: Connection, project_id: str, session_ids: Sequence[str]) -> None:
    """Remove the traces of sessions in the transaction that removes these."""
    await connection.execute(_NOTE, project_id, session_ids)
    rows = await connection.fetch(_OF_SESSIONS, project_id, session_ids)
    await _remove(connection, [(project_id, row["trace_id"]) for row in rows])


async def erase_user_traces(connection: Connection, project_id: str, user_id: str) -> dict[str, int]:
    """Remove a user's traces, and the user's spans in those of others; return how many rows of each table went.

    Cost: reads all spans of the project.
    """
    await connection.execute(_NOTE, project_id, [user_id])
    removed = {"traces": 0, "spans": 0}
    while rows := await connection.fetch(_OF_USER, project_id, user_id, TRACES_AT_A_TIME):
        traces, spans = await _remove(connection, [(project_id, row["trace_id"]) for row in rows])
        removed["traces"] += traces
        removed["spans"] += spans
    removed["spans"] += await connection.fetchval(_REMOVE_VISITS, project_id, user_id, timeout=_LONGEST_S)
    return removed


async def forget_trace_counts(connection: Connection, project_id: str, user_id: str) -> None:
    """Take a user's name out of the counts, in a transaction that has folded all deltas; those of all stay."""
    for sql in _FORGET_USER:
        await connection.execute(sql, project_id, user_id)


async def remove_old_traces(database: Database, *, before: datetime) -> int:
    """Remove some traces of all projects that had begun and ended before a time; return how many, 0: there are none."""
    async with database.transaction() as connection:
        rows = await connection.fetch(_OLD, before, TRACES_AT_A_TIME)
        traces, _ = await _remove(connection, [(row["project_id"], row["trace_id"]) for row in rows])
        return traces


async def count_old_traces(database: Database, *, before: datetime) -> int:
    """Return how many traces `remove_old_traces` would remove in all."""
    counted: int = await database.fetchval(_COUNT_OLD, before)
    return counted


async def remove_late_traces(connection: Connection) -> None:
    """Remove what has come since of sessions and users that were removed a short while ago.

    Args:
        connection: of a transaction that will fold the deltas that it sees now.
    """
    await connection.execute(_FORGET_REMOVALS)
    rows = await connection.fetch(_LATE)
    await _remove(connection, [(row["project_id"], row["trace_id"]) for row in rows])


async def _remove(connection: Connection, keys: Sequence[tuple[str, UUID]]) -> tuple[int, int]:
    """Remove traces, and return how many and how many spans."""
    if not keys:
        return 0, 0
    named = ([project_id for project_id, _ in keys], [trace_id for _, trace_id in keys])
    await connection.execute(_LOCK, *named)
    spans = count_of(await connection.execute(_REMOVE_SPANS, *named))
    return count_of(await connection.execute(_REMOVE, *named)), spans
