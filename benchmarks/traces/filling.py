"""Traces by the thousand: a server makes one, and PostgreSQL copies its rows with other ids, owners and times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.database import run
from benchmarks.state.copies import LOAD_TIMEOUT_S, Connection, without_indexes
from benchmarks.traces.asks import AGENTS, FAILED_OF, TRACES_OF_SESSION, USERS
from serai.storage.connection import Database
from serai.storage.trace_counts import TraceCounts

_AT_A_TIME = 20_000
_DAYS = 30
"""As long as a server keeps traces unless it is told otherwise."""
_COPY = """
with wanted as (
    select md5(n::text) as id, 'user-' || lpad((n % {users})::text, 4, '0') as user_id,
           'session-' || n / {in_session} as session_id, 'agent-' || n % {agents} as agent_id,
           case when n % {failed_of} = 0 then 'ERROR' else 'OK' end as status,
           now() - interval '1 minute' - interval '{days} days' * (($3::float8 - n) / $3::float8) as at
    from generate_series($1::bigint, $2::bigint) as n
)"""
_OURS = (
    """
    insert into traces
    select copy.* from wanted cross join traces as template
    cross join lateral jsonb_populate_record(template, jsonb_build_object(
        'trace_id', wanted.id, 'user_id', wanted.user_id, 'session_id', wanted.session_id, 'run_id', wanted.id,
        'agent_id', wanted.agent_id, 'status', wanted.status, 'started_at', at,
        'ended_at', at + (template.ended_at - template.started_at), 'created_at', at
    )) as copy where template.project_id = 'default' and template.trace_id::text = $4""",
    """
    insert into spans
    select copy.* from wanted cross join spans as template join traces using (project_id, trace_id)
    cross join lateral jsonb_populate_record(template, jsonb_build_object(
        'trace_id', wanted.id, 'user_id', wanted.user_id, 'run_id', wanted.id,
        'status', case when template.parent_id is null then wanted.status else template.status end,
        'started_at', at + (template.started_at - traces.started_at)
    )) as copy where template.project_id = 'default' and template.trace_id::text = $4""",
)
_ISO = """to_char(({0}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
_THEIRS = (
    f"""
    insert into ai.agno_traces
    select copy.* from wanted cross join ai.agno_traces as template
    cross join lateral jsonb_populate_record(template, jsonb_build_object(
        'trace_id', wanted.id, 'user_id', wanted.user_id, 'session_id', wanted.session_id, 'run_id', wanted.id,
        'agent_id', wanted.agent_id, 'status', wanted.status, 'start_time', {_ISO.format("at")},
        'end_time', {_ISO.format("at + (template.end_time::timestamptz - template.start_time::timestamptz)")},
        'created_at', {_ISO.format("at")}
    )) as copy where template.trace_id = $4""",
    f"""
    insert into ai.agno_spans
    select copy.* from wanted cross join ai.agno_spans as template
    join ai.agno_traces as traces on traces.trace_id = template.trace_id
    cross join lateral jsonb_populate_record(template, jsonb_build_object(
        'trace_id', wanted.id, 'span_id', left(md5(wanted.id || template.span_id), 16),
        'parent_span_id', left(md5(wanted.id || template.parent_span_id), 16),
        'start_time', {_ISO.format("at + (template.start_time::timestamptz - traces.start_time::timestamptz)")},
        'end_time', {_ISO.format("at + (template.end_time::timestamptz - traces.start_time::timestamptz)")},
        'created_at', {_ISO.format("at")}
    )) as copy where template.trace_id = $4""",
)
_REMOVE_OURS = ("delete from spans where trace_id::text = $1", "delete from traces where trace_id::text = $1")
# It has written one for each request, too.
_REMOVE_THEIRS = (
    "delete from ai.agno_spans where trace_id in (select trace_id from ai.agno_traces where session_id is null)",
    "delete from ai.agno_traces where session_id is null",
)


def fill_ours(dsn: str, template: str, traces: int) -> None:
    """Store so many traces like one that Serai has written, instead of that one, and count them."""
    run(dsn, lambda connection: _fill(connection, _OURS, ("public.traces", "public.spans"), template, traces))
    run(dsn, lambda connection: _execute_all(connection, _REMOVE_OURS, template))
    asyncio.run(_fold(dsn))


def fill_theirs(dsn: str, template: str, traces: int) -> None:
    """Store so many traces like one that agno has written, instead of all that there are."""
    run(dsn, lambda connection: _fill(connection, _THEIRS, ("ai.agno_traces", "ai.agno_spans"), template, traces))
    run(dsn, lambda connection: _execute_all(connection, _REMOVE_THEIRS))


async def _fill(
    connection: Connection, statements: Sequence[str], tables: Sequence[str], template: str, traces: int
) -> None:
    numbers = {"users": USERS, "in_session": TRACES_OF_SESSION, "agents": AGENTS, "failed_of": FAILED_OF}
    copies = [_COPY.format(days=_DAYS, **numbers) + statement for statement in statements]
    async with without_indexes(connection, *tables):
        for first in range(1, traces + 1, _AT_A_TIME):
            last = min(traces, first + _AT_A_TIME - 1)
            for copy in copies:
                await connection.execute(copy, first, last, traces, template, timeout=LOAD_TIMEOUT_S)


async def _execute_all(connection: Connection, statements: Sequence[str], *arguments: str) -> None:
    for statement in statements:
        await connection.execute(statement, *arguments)


async def _fold(dsn: str) -> None:
    database = Database(dsn, connections=2)
    await database.open()
    try:
        await TraceCounts(database).fold()
    finally:
        await database.close()
