"""How many traces there are, of whom and from when: folded from deltas that triggers write with the traces."""

from __future__ import annotations

from typing import Final

from serai.storage.connection import Connection, Database
from serai.storage.trace_removal import remove_late_traces

FOLDED_AT_A_TIME: Final = 10_000
_MANY: Final = 1000

# Folds come one after the other: each sees what the one before it has left.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('serai-traces', 0))"
_TRY_LOCK = "select pg_try_advisory_xact_lock(hashtextextended('serai-traces', 0))"
_IS_PENDING = "select exists(select from trace_deltas)"

# Lists read all deltas that there are: what is gone must not be passed each time.
_VACUUM = "vacuum trace_deltas"

# Moves deltas into the counts; tells how many, and whether traces went.
_FOLD = """
with taken as materialized (
    delete from trace_deltas where ctid = any (array(select ctid from trace_deltas limit $1)) returning *
), about as (
    select taken.*, kind, component_id
    from taken cross join lateral (
        values (null, null), ('agent', agent_id), ('team', team_id), ('workflow', workflow_id)
    ) as component(kind, component_id)
    where kind is null or component_id is not null
), counted as (
    insert into trace_counts as kept (project_id, user_id, kind, component_id, status, traces)
    select project_id, user_id, kind, component_id, status, sum(traces) from about
    group by project_id, kind, component_id, cube (user_id, status)
    having (grouping(user_id) = 1 or user_id is not null) and sum(traces) <> 0
    on conflict (project_id, user_id, kind, component_id, status) do update set traces = kept.traces + excluded.traces
), counted_hours as (
    insert into trace_hours as kept (project_id, kind, component_id, status, hour, traces)
    select project_id, kind, component_id, status, hour, sum(traces) from about
    group by project_id, kind, component_id, hour, rollup (status) having sum(traces) <> 0
    on conflict (project_id, kind, component_id, status, hour) do update set traces = kept.traces + excluded.traces
), parts as materialized (
    select project_id, session_id, user_id, agent_id, team_id, workflow_id, sum(traces) as traces,
           min(first_at) as first_at, max(last_at) as last_at, bool_or(traces < 0 and first_at is null) as has_lost
    from taken where session_id is not null
    group by project_id, session_id, user_id, agent_id, team_id, workflow_id
), counted_parts as (
    insert into trace_session_parts as kept (project_id, session_id, user_id, agent_id, team_id, workflow_id, traces,
                                             first_at, last_at, has_lost)
    select * from parts
    on conflict (project_id, session_id, user_id, agent_id, team_id, workflow_id) do update
    set traces = kept.traces + excluded.traces, first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at), has_lost = kept.has_lost or excluded.has_lost
), counted_sessions as (
    insert into trace_sessions as kept (project_id, session_id, traces, first_at, last_at, has_lost)
    select project_id, session_id, sum(traces), min(first_at), max(last_at), bool_or(has_lost)
    from parts group by project_id, session_id
    on conflict (project_id, session_id) do update
    set traces = kept.traces + excluded.traces, first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at), has_lost = kept.has_lost or excluded.has_lost
    returning project_id, xmax = 0 as is_new
), number_of_sessions as (
    insert into trace_session_counts as kept (project_id, sessions)
    select project_id, count(*) from counted_sessions where is_new group by project_id
    on conflict (project_id) do update set sessions = kept.sessions + excluded.sessions
)
select count(*) as deltas, coalesce(bool_or(traces < 0), false) as has_lost from taken"""

# What is counted no more; and the first and last traces of sessions that have lost some.
_TIDY: Final = (
    "delete from trace_counts where traces = 0",
    "delete from trace_hours where traces = 0",
    "delete from trace_session_parts where has_lost and traces = 0",
    """
update trace_session_parts as kept set first_at = found.first_at, last_at = found.last_at, has_lost = false
from trace_session_parts as lost cross join lateral (
    select min(created_at) as first_at, max(created_at) as last_at from traces
    where traces.project_id = lost.project_id and traces.session_id = lost.session_id
      and (traces.user_id, traces.agent_id, traces.team_id, traces.workflow_id)
          is not distinct from (lost.user_id, lost.agent_id, lost.team_id, lost.workflow_id)
) as found
where lost.has_lost and kept.nr = lost.nr""",
    """
with gone as (
    delete from trace_sessions where has_lost and traces = 0 returning project_id
), sessions as (
    select project_id, count(*) as sessions from gone group by project_id
)
update trace_session_counts as kept set sessions = kept.sessions - sessions.sessions
from sessions where kept.project_id = sessions.project_id""",
    """
update trace_sessions as kept set first_at = found.first_at, last_at = found.last_at, has_lost = false
from trace_sessions as lost cross join lateral (
    select min(first_at) as first_at, max(last_at) as last_at from trace_session_parts as part
    where part.project_id = lost.project_id and part.session_id = lost.session_id
) as found
where lost.has_lost and kept.project_id = lost.project_id and kept.session_id = lost.session_id""",
)


class TraceCounts:
    """The statements that count traces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fold(self) -> int:
        """Fold the deltas that there are and return how many; waits for whoever else folds."""
        folded = 0
        some = FOLDED_AT_A_TIME
        while some == FOLDED_AT_A_TIME and await self._database.fetchval(_IS_PENDING):
            async with self._database.transaction() as connection:
                await connection.execute(_LOCK)
                some = await _fold(connection)
            folded += some
        return folded

    async def fold_some(self) -> int:
        """Fold some thousand deltas, if there are any and nobody else folds; return how many."""
        if not await self._database.fetchval(_IS_PENDING):
            return 0
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_TRY_LOCK):
                return 0
            folded = await _fold(connection)
        if folded >= _MANY:
            await self._database.execute(_VACUUM)
        return folded


async def fold_all_traces(connection: Connection) -> None:
    """Fold the deltas that there are; until the connection's transaction ends nobody else does."""
    await connection.execute(_LOCK)
    while await _fold(connection) == FOLDED_AT_A_TIME:
        pass


async def _fold(connection: Connection) -> int:
    await remove_late_traces(connection)
    row = await connection.fetchrow(_FOLD, FOLDED_AT_A_TIME)
    assert row is not None  # it counts
    if row["has_lost"]:
        for sql in _TIDY:
            await connection.execute(sql)
    folded: int = row["deltas"]
    return folded
