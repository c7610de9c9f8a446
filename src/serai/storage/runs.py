"""Runs and the turn they have in their sessions: submit, claim, finish, hand over, read.

Order of locks, everywhere: session, then run, then the rest. Submits, claims and finishes come in batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import asyncpg

from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Event, NewRun, NextJob, RunRecord
from serai.domain.usage import Usage, sum_tokens
from serai.errors import NotFoundError
from serai.storage.connection import Connection, Database
from serai.storage.jobs import put_next_jobs
from serai.storage.run_log import put_children

RECORD_COLUMNS = """runs.key, runs.id, runs.project_id, runs.user_id, runs.session_id, runs.root_key, runs.parent_key,
       runs.kind, runs.component_id, runs.status, runs.position, runs.epoch, runs.segment, runs.segment_seq,
       runs.takeovers, runs.cancel_asked_at is not null as is_cancel_asked, runs.idempotency_key, runs.fingerprint,
       runs.input, runs.created_at"""
"""What a `RunRecord` is made of."""

# Stores new runs and gives each its place in its session; an idle session's run is claimed by its node at once.
# A session of another user yields no row, nor does a busy one when the run would not wait. The first run of a session
# gives it a name to be found by, and its kind and component if it was made without.
_SUBMIT = """
with item as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::bytea[], $9::text[], $10::bytea[], $11::text[], $12::boolean[], $13::text[], $14::text[],
                         $15::text[])
        as item(key, id, project_id, user_id, session_id, kind, component_id,
                input, idempotency_key, fingerprint, node_id, waits, title, folded, pieces)
), turn as (
    insert into sessions (project_id, id, user_id, kind, component_id, active_run_key, run_count, first_run_key,
                          first_message)
    select project_id, session_id, user_id, kind, component_id, key, 1, key, title from item
    order by project_id, session_id
    on conflict (project_id, id) do update
        set active_run_key = coalesce(sessions.active_run_key, excluded.active_run_key),
            run_count = sessions.run_count + 1, updated_at = now(),
            first_run_key = coalesce(sessions.first_run_key, excluded.first_run_key),
            first_message = case when sessions.first_run_key is null then excluded.first_message
                                 else sessions.first_message end,
            kind = case when sessions.first_run_key is null and sessions.made_kind is not null then excluded.kind
                        else sessions.kind end,
            component_id = case when sessions.first_run_key is null and sessions.made_kind is not null
                                then excluded.component_id else sessions.component_id end
        where (sessions.user_id is null or excluded.user_id is null or sessions.user_id = excluded.user_id)
          and (sessions.active_run_key is null or (select waits from item where key = excluded.active_run_key))
    returning project_id, id, user_id, kind, component_id, name, active_run_key, run_count, first_run_key, made_kind,
              created_at::date as day, xmax = 0 as is_new
), named as (
    insert into session_names (project_id, session_id, user_id, folded, pieces)
    select item.project_id, item.session_id, turn.user_id, item.folded, string_to_array(item.pieces, chr(31))
    from item join turn on turn.first_run_key = item.key
    where coalesce(turn.name, '') = ''
    on conflict (project_id, session_id) do update set folded = excluded.folded, pieces = excluded.pieces
), counted as (
    insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed)
    select turn.project_id, day, turn.user_id, change.kind, change.component_id, change.sessions, change.sessions
    from turn join item on turn.first_run_key = item.key
    cross join lateral (values (turn.kind, turn.component_id, 1, true),
                               (made_kind, null::text, -1, not is_new)) as change(kind, component_id, sessions, applies)
    where change.applies and (is_new or made_kind is not null)
)
insert into runs (key, id, project_id, user_id, session_id, root_key, kind, component_id, input, idempotency_key,
                  fingerprint, ready, position, status, node_id, epoch, started_at, cancel_asked_at)
select item.key, item.id, item.project_id, item.user_id, item.session_id, item.key, item.kind, item.component_id,
       item.input, item.idempotency_key, item.fingerprint, here.ready, turn.run_count,
       case when here.now then 'RUNNING' else 'PENDING' end, case when here.now then item.node_id end,
       here.now::int, case when here.now then now() end,
       (select created_at from run_cancellations
        where run_cancellations.project_id = item.project_id and run_id = item.id)
from item
join turn on turn.project_id = item.project_id and turn.id = item.session_id
cross join lateral (select turn.active_run_key = item.key as ready,
                           turn.active_run_key = item.key and item.node_id is not null as now) as here
returning key, status, position, epoch, cancel_asked_at is not null as is_cancel_asked, created_at"""

# Takes the oldest runs whose turn has come, of the components this node has.
_CLAIM = f"""
with next as (
    select waiting.key
    from unnest($1::text[], $2::text[]) as item(kind, id) cross join lateral (
        select key, created_at from runs
        where status = 'PENDING' and ready and kind = item.kind and component_id = item.id
        order by created_at limit $3 for update skip locked) as waiting
    order by waiting.created_at limit $3
)
update runs set status = 'RUNNING', node_id = $4, epoch = epoch + 1, started_at = coalesce(started_at, now())
from next where runs.key = next.key
returning {RECORD_COLUMNS}"""  # noqa: S608 - our own text

# Claims of components with a limit come one after the other, so that two nodes cannot fill the same place.
_LOCK_LIMITS = """
select pg_advisory_xact_lock(hashtextextended('serai-limit/' || kind || '/' || id, 0))
from unnest($1::text[], $2::text[]) as item(kind, id) order by kind, id"""

# Takes the oldest runs of components with a limit, as many of each as have a place.
_CLAIM_LIMITED = f"""
with places as (
    select item.kind, item.id,
           item.most - (select count(*) from runs where runs.status = 'RUNNING' and runs.parent_key is null
                        and runs.kind = item.kind and runs.component_id = item.id) as free
    from unnest($1::text[], $2::text[], $3::int[]) as item(kind, id, most)
), next as (
    select key from places cross join lateral (
        select key, created_at from runs
        where status = 'PENDING' and ready and kind = places.kind and component_id = places.id
        order by created_at limit greatest(places.free, 0) for update skip locked) as waiting
    order by created_at limit $4
)
update runs set status = 'RUNNING', node_id = $5, epoch = epoch + 1, started_at = coalesce(started_at, now())
from next where runs.key = next.key
returning {RECORD_COLUMNS}"""  # noqa: S608 - our own text

_WAITS_FOR_PLACE = """
select exists(
    select from unnest($1::text[], $2::text[]) as item(kind, id) cross join lateral (
        select from runs where status = 'PENDING' and ready and kind = item.kind and component_id = item.id
        order by created_at limit 1) as waiting)"""

# Locks the sessions of the runs that are about to end; the statement after it sees every run submitted before.
_LOCK_SESSIONS = """
select sessions.project_id, id, case when id = any($3::text[]) then state end as state
from sessions
join unnest($1::text[], $2::text[]) as item(project_id, session_id)
    on sessions.project_id = item.project_id and sessions.id = item.session_id
order by sessions.project_id, id for update of sessions"""

# Ends runs this node still owns: their last events, their answers, their sessions' totals, what they add to the day's,
# and whose turn it is next.
_FINISH = """
with item as (
    select * from unnest($1::uuid[], $2::int[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[],
                         $8::bigint[], $14::int[], $15::bytea[], $16::text[])
        as item(key, epoch, status, output, messages, state, input_tokens, output_tokens, next_seq, carried, usage)
), done as (
    update runs set status = item.status, output = item.output, messages = item.messages, ready = false,
                    next_seq = item.next_seq, carried = item.carried,
                    usage = coalesce(runs.usage, '[]') || item.usage::jsonb,
                    ended_at = case when item.status <> 'PAUSED' then now() end
    from item
    where runs.key = item.key and runs.epoch = item.epoch and runs.node_id = $9 and runs.status = 'RUNNING'
    returning runs.key, runs.epoch, runs.project_id, runs.user_id, runs.session_id, runs.kind, runs.component_id,
              runs.usage, runs.ended_at, item.state, item.input_tokens, item.output_tokens
), log as (
    insert into run_events (run_key, seq, epoch, project_id, user_id, name, event)
    select event.key, event.seq, done.epoch, done.project_id, done.user_id, event.name, event.data
    from unnest($10::uuid[], $11::int[], $12::text[], $13::bytea[]) as event(key, seq, name, data)
    join done on done.key = event.key
    on conflict do nothing
), next as (
    select done.key as done_key, waiting.key
    from done left join lateral (
        select key from runs
        where runs.project_id = done.project_id and runs.session_id = done.session_id and runs.status = 'PENDING'
          and runs.parent_key is null and not runs.ready
        order by position limit 1) as waiting on true
), promoted as (
    update runs set ready = true from next where runs.key = next.key
), counted as (
    insert into usage_deltas (project_id, day, user_id, kind, component_id, runs, usage)
    select project_id, ended_at::date, user_id, kind, component_id, 1, usage from done where ended_at is not null
), totals as (
    update sessions set active_run_key = next.key, state = coalesce(done.state, sessions.state), updated_at = now(),
                        input_tokens = sessions.input_tokens + done.input_tokens,
                        output_tokens = sessions.output_tokens + done.output_tokens
    from done join next on next.done_key = done.key
    where sessions.project_id = done.project_id and sessions.id = done.session_id
)
select done_key, key as next_key from next"""

# Of runs a finish did not touch: those that this very claim had ended before (its answer was lost on the way).
_ENDED_BY = """
select runs.key from runs join unnest($1::uuid[], $2::int[]) as item(key, epoch) using (key)
where runs.epoch = item.epoch and runs.node_id = $3 and runs.status not in ('RUNNING', 'PENDING')"""

# Makes chosen running runs of one node claimable again.
_RELEASE_RUNS = """
with held as (
    select key from runs where key = any($1::uuid[]) and node_id = $2 and status = 'RUNNING' order by key for update
)
update runs set status = 'PENDING', node_id = null, takeovers = takeovers + 1
from held where runs.key = held.key returning runs.key"""

_RUNNING_OF_NODE = "select key from runs where node_id = $1 and status = 'RUNNING'"

# Runs of a node that somebody wants to end; the cancel may have come before the run.
_CANCELS_OF_NODE = """
select key from runs
where node_id = $1 and status = 'RUNNING'
  and (cancel_asked_at is not null
       or exists (select from run_cancellations
                  where run_cancellations.project_id = runs.project_id and run_id = runs.id))"""

# A run by its public id, or by the idempotency key it was stored with; the other is null.
_FIND = f"""
select {RECORD_COLUMNS} from runs where project_id = $1 and (id = $2 or idempotency_key = $3)"""  # noqa: S608 - our own text

_ANSWER = "select status, output, messages, carried from runs where key = $1"

_LIST = f"""
select {RECORD_COLUMNS}, runs.output, runs.messages, runs.carried
from runs
where project_id = $1 and session_id = $2 and parent_key is null and kind = $3 and component_id = $4
  and ($5::text is null or status = $5)
order by position desc limit $6"""  # noqa: S608 - our own text

_HAS_SESSION = "select exists(select from sessions where project_id = $1 and id = $2)"

_USER_OF_SESSION = "select user_id from sessions where project_id = $1 and id = $2"

# The session's state and the messages of its last runs before this one that have any, newest first.
_CONTEXT = """
select state, array(
    select messages from runs
    where project_id = $1 and session_id = $2 and position < $3 and status in ('COMPLETED', 'CANCELLED')
      and parent_key is null and messages is not null
    order by position desc limit $4)
from sessions where project_id = $1 and id = $2"""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a new run: its record, and whether the asking node holds it already."""

    record: RunRecord
    is_claimed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run about to end: the proof of ownership, the answer, the last events and the change of session state."""

    record: RunRecord
    status: RunStatus
    output: bytes
    messages: bytes | None
    carried: bytes | None
    events: Sequence[Event]
    next_seq: int
    children: Sequence[ChildRun] = ()
    state_changes: dict[str, Any]
    state_removals: tuple[str, ...]
    usage: Usage
    jobs: Sequence[NextJob] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a finish: refused by the fence, or done and perhaps another run's turn."""

    is_done: bool
    next_key: UUID | None = None


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a run starts from: its session's state and the messages of earlier runs, oldest first."""

    state: dict[str, Any]
    history: list[bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer: all but the status as written when the last segment ended, None before the first has."""

    status: RunStatus
    output: bytes | None
    messages: bytes | None
    carried: bytes | None = None


class RunStore:
    """The statements about runs. The owner is in every record; engine calls go by key, callers' by project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, runs: list[NewRun]) -> list[Submitted | None]:
        """Store new runs; None stands for a session of another user, or a busy one and a run that would not wait.

        Raises:
            asyncpg.UniqueViolationError: an id or idempotency key is taken.

        All or none are stored, durably when it returns. One statement for each run of the same session in the batch.
        """
        rounds = _rounds(runs)
        if len(rounds) == 1:
            rows = await self._database.fetch(_SUBMIT, *_columns(runs, _SUBMIT_COLUMNS))
        else:
            async with self._database.transaction() as connection:
                pages = [await connection.fetch(_SUBMIT, *_columns(some, _SUBMIT_COLUMNS)) for some in rounds]
            rows = [row for page in pages for row in page]
        by_key = {run.key: run for run in runs}
        found = {row["key"]: _submitted(by_key[row["key"]], row) for row in rows}
        return [found.get(run.key) for run in runs]

    async def claim(self, components: Iterable[tuple[str, str]], *, node_id: str, limit: int) -> list[RunRecord]:
        """Take up to `limit` runs of the given (kind, component id) pairs for a node."""
        kinds, ids = zip(*components, strict=True)
        return [read_record(row) for row in await self._database.fetch(_CLAIM, list(kinds), list(ids), limit, node_id)]

    async def claim_limited(
        self, limits: Mapping[tuple[str, str], int], *, node_id: str, limit: int
    ) -> list[RunRecord]:
        """Take up to `limit` runs of components of which only so many may run at a time, on all nodes together."""
        kinds, ids = zip(*limits, strict=True)
        if not await self._database.fetchval(_WAITS_FOR_PLACE, kinds, ids):
            return []
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_LIMITS, kinds, ids)
            rows = await connection.fetch(_CLAIM_LIMITED, kinds, ids, list(limits.values()), limit, node_id)
        return [read_record(row) for row in rows]

    async def finish(self, items: list[FinishedRun], *, node_id: str) -> list[Finished]:
        """End runs in one transaction; a run that is no longer ours comes back as not done."""
        async with self._database.transaction() as connection:
            states = await self._merged_states(connection, items)
            rows = await connection.fetch(_FINISH, *_finish_arguments(items, states, node_id))
            if children := [(item.record, child) for item in items for child in item.children]:
                await put_children(connection, children, node_id)
            done = {row["done_key"]: Finished(is_done=True, next_key=row["next_key"]) for row in rows}
            if jobs := [(item.record, job) for item in items if item.record.key in done for job in item.jobs]:
                await put_next_jobs(connection, jobs)
            missing = [item.record for item in items if item.record.key not in done]
            if missing:
                keys, epochs = [record.key for record in missing], [record.epoch for record in missing]
                for row in await connection.fetch(_ENDED_BY, keys, epochs, node_id):
                    done[row["key"]] = Finished(is_done=True)
        return [done.get(item.record.key, Finished(is_done=False)) for item in items]

    async def release_runs(self, keys: Sequence[UUID], *, node_id: str) -> int:
        """Make runs of a node claimable again that it does not know it holds."""
        return len(await self._database.fetch(_RELEASE_RUNS, list(keys), node_id))

    async def list_running_keys(self, node_id: str) -> set[UUID]:
        """Return the keys of the runs that the table gives to a node."""
        return {row["key"] for row in await self._database.fetch(_RUNNING_OF_NODE, node_id)}

    async def list_cancels(self, node_id: str) -> set[UUID]:
        """Return the keys of a node's running runs that somebody cancelled."""
        return {row["key"] for row in await self._database.fetch(_CANCELS_OF_NODE, node_id)}

    async def may_use_session(self, project_id: str, session_id: str, user_id: str | None) -> bool:
        """Return whether a session is free for all, new, or the user's."""
        owner = await self._database.fetchval(_USER_OF_SESSION, project_id, session_id)
        return owner is None or user_id is None or owner == user_id

    async def find(self, project_id: str, run_id: str) -> RunRecord | None:
        """Return a project's run by its public id."""
        row = await self._database.fetchrow(_FIND, project_id, run_id, None)
        return None if row is None else read_record(row)

    async def find_repeated(self, project_id: str, idempotency_key: str) -> RunRecord | None:
        """Return the run that was stored with an idempotency key."""
        row = await self._database.fetchrow(_FIND, project_id, None, idempotency_key)
        return None if row is None else read_record(row)

    async def list_runs(
        self, project_id: str, session_id: str, kind: str, component_id: str, *, status: RunStatus | None, limit: int
    ) -> list[tuple[RunRecord, Answer]] | None:
        """Return a session's newest runs of a component, oldest first; None stands for a session nobody knows."""
        rows = await self._database.fetch(_LIST, project_id, session_id, kind, component_id, status, limit)
        if not rows and not await self._database.fetchval(_HAS_SESSION, project_id, session_id):
            return None
        return [(read_record(row), read_answer(row)) for row in reversed(rows)]

    async def get_answer(self, key: UUID) -> Answer:
        """Return a run's state and, once it rests, its answer.

        Raises:
            NotFoundError: it is there no more.
        """
        row = await self._database.fetchrow(_ANSWER, key)
        if row is None:
            raise run_gone()
        return read_answer(row)

    async def get_context(self, record: RunRecord, *, history_runs: int) -> SessionContext:
        """Return what a run starts from. O(history_runs), whatever the session's length."""
        if record.position == 1 and record.segment == 0:
            return SessionContext({}, [])
        row = await self._database.fetchrow(
            _CONTEXT, record.project_id, record.session_id, record.position, history_runs
        )
        if row is None:
            return SessionContext({}, [])
        return SessionContext(_load_state(row[0]), list(reversed(row[1])))

    async def _merged_states(self, connection: Connection, items: list[FinishedRun]) -> list[bytes | None]:
        """Lock the sessions and merge each run's changes key by key; None leaves a state as it is."""
        changed = {item.record.session_id for item in items if item.state_changes or item.state_removals}
        projects = [item.record.project_id for item in items]
        sessions = [item.record.session_id for item in items]
        rows = await connection.fetch(_LOCK_SESSIONS, projects, sessions, list(changed))
        stored = {(row["project_id"], row["id"]): row["state"] for row in rows}
        merged: list[bytes | None] = []
        for item in items:
            if not (item.state_changes or item.state_removals):
                merged.append(None)
                continue
            state = _load_state(stored.get((item.record.project_id, item.record.session_id)))
            state.update(item.state_changes)
            for name in item.state_removals:
                state.pop(name, None)
            merged.append(dump_json(state))
        return merged


_SUBMIT_COLUMNS = (
    *("key", "id", "project_id", "user_id", "session_id", "kind", "component_id"),
    *("input", "idempotency_key", "fingerprint", "node_id", "waits", "title", "folded", "pieces"),
)


def _rounds(runs: Sequence[NewRun]) -> list[list[NewRun]]:
    """Deal runs into rounds with each session once at most, for a statement can update a row only once."""
    rounds: list[list[NewRun]] = []
    places: Counter[tuple[str, str]] = Counter()
    for run in runs:
        session = (run.project_id, run.session_id)
        if places[session] == len(rounds):
            rounds.append([])
        rounds[places[session]].append(run)
        places[session] += 1
    return rounds


def _columns(items: Sequence[object], names: Sequence[str]) -> list[list[Any]]:
    return [[getattr(item, name) for item in items] for name in names]


def _finish_arguments(items: list[FinishedRun], states: list[bytes | None], node_id: str) -> list[Any]:
    events = [(item.record.key, event) for item in items for event in item.events]
    tokens = [sum_tokens(item.usage) for item in items]
    return [
        [item.record.key for item in items],
        [item.record.epoch for item in items],
        [item.status.value for item in items],
        [item.output for item in items],
        [item.messages for item in items],
        states,
        [used.get("input_tokens", 0) for used in tokens],
        [used.get("output_tokens", 0) for used in tokens],
        node_id,
        [key for key, _ in events],
        [event.seq for _, event in events],
        [event.name for _, event in events],
        [event.data for _, event in events],
        [item.next_seq for item in items],
        [item.carried for item in items],
        [dump_json(item.usage).decode() for item in items],
    ]


def _submitted(run: NewRun, row: asyncpg.Record) -> Submitted:
    status = RunStatus(row["status"])
    record = RunRecord(
        key=run.key,
        id=run.id,
        project_id=run.project_id,
        user_id=run.user_id,
        session_id=run.session_id,
        root_key=run.key,
        parent_key=None,
        kind=run.kind,
        component_id=run.component_id,
        status=status,
        position=row["position"],
        epoch=row["epoch"],
        segment=0,
        segment_seq=0,
        takeovers=0,
        is_cancel_asked=row["is_cancel_asked"],
        idempotency_key=run.idempotency_key,
        fingerprint=run.fingerprint,
        input=run.input,
        created_at=row["created_at"],
    )
    return Submitted(record, is_claimed=status is RunStatus.RUNNING)


def read_record(row: asyncpg.Record) -> RunRecord:
    """Return the record in a row of `RECORD_COLUMNS`."""
    values = {name: row[name] for name in RunRecord.__slots__}
    values["status"] = RunStatus(values["status"])
    return RunRecord(**values)


def run_gone() -> NotFoundError:
    """Return the error for a run that was there and is no more."""
    return NotFoundError("Run not found: its session was removed.")


def read_answer(row: asyncpg.Record) -> Answer:
    """Return the answer in a row that has its columns."""
    return Answer(RunStatus(row["status"]), row["output"], row["messages"], row["carried"])


def _load_state(data: bytes | None) -> dict[str, Any]:
    return {} if data is None else cast("dict[str, Any]", load_json(data))
