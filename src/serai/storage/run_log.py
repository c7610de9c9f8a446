"""The event log and the journal of steps: appended under the fence, read from a place on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Event, RunRecord, Step
from serai.storage.connection import Connection, Database
from serai.storage.spans import signed, unsigned

# Appends events and steps of runs whose root this node still owns. The share lock on the root's row makes a takeover
# wait for the append, or the append see the takeover; a repeated append (its answer was lost) changes nothing.
_FENCED = """
with root as (
    select runs.key, runs.epoch, runs.project_id, runs.user_id, runs.session_id, runs.position
    from runs join unnest($1::uuid[], $2::int[]) as item(key, epoch) using (key)
    where runs.epoch = item.epoch and runs.node_id = $3 and runs.status = 'RUNNING'
    order by runs.key for share of runs
), log as (
    insert into run_events (run_key, seq, epoch, project_id, user_id, name, event)
    select event.key, event.seq, root.epoch, root.project_id, root.user_id, event.name, event.data
    from unnest($4::uuid[], $5::uuid[], $6::int[], $7::text[], $8::bytea[]) as event(root_key, key, seq, name, data)
    join root on root.key = event.root_key
    on conflict do nothing
), journal as (
    insert into run_steps (run_key, segment, operation, call, epoch, project_id, user_id, fingerprint, result,
                           started_ns, ended_ns)
    select step.key, step.segment, step.operation, step.call, root.epoch, root.project_id, root.user_id,
           step.fingerprint, step.result, step.started_ns, step.ended_ns
    from unnest($9::uuid[], $10::uuid[], $11::int[], $12::text[], $13::text[], $14::bytea[], $15::bytea[],
                $16::bigint[], $17::bigint[])
        as step(root_key, key, segment, operation, call, fingerprint, result, started_ns, ended_ns)
    join root on root.key = step.root_key
    on conflict do nothing
)"""
_APPEND = f"""{_FENCED}
select key from root"""  # noqa: S608 - our own text

_INSERT_CHILDREN = """
    insert into runs (key, id, project_id, user_id, session_id, root_key, parent_key, kind, component_id, status, ready,
                      position, epoch, segment, input, output, messages, carried, parent_span, started_at, ended_at)
    select child.key, child.key::text, root.project_id, root.user_id, root.session_id, root.key, child.parent_key,
           child.kind, child.component_id, child.status, false, root.position, root.epoch, child.segment, child.input,
           child.output, child.messages, child.carried, child.parent_span, now(),
           case when child.status not in ('RUNNING', 'PAUSED') then now() end
    from unnest({arrays})
        as child(root_key, key, parent_key, kind, component_id, status, segment, input, output, messages, carried,
                 parent_span)
    join root on root.key = child.root_key
    on conflict (key) do update
        set status = excluded.status, epoch = excluded.epoch, segment = excluded.segment, output = excluded.output,
            messages = excluded.messages, carried = excluded.carried, ended_at = excluded.ended_at"""

# The same with children of these runs, or what has become of them: one statement costs a fourth of a transaction.
_CHILDREN_OF_APPEND = _INSERT_CHILDREN.format(
    arrays="""$18::uuid[], $19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::text[], $24::int[], $25::bytea[],
                $26::bytea[], $27::bytea[], $28::bytea[], $29::bigint[]"""
)
_APPEND_WITH_CHILDREN = f"""{_FENCED}, children as ({_CHILDREN_OF_APPEND}
)
select key from root"""  # noqa: S608 - our own text

# Stores children of runs that end in the same transaction and were this node's.
_CHILDREN_OF_ENDED = _INSERT_CHILDREN.format(
    arrays="""$4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::int[], $11::bytea[],
                $12::bytea[], $13::bytea[], $14::bytea[], $15::bigint[]"""
)
_PUT_CHILDREN = f"""
with root as (
    select runs.key, runs.epoch, runs.project_id, runs.user_id, runs.session_id, runs.position
    from runs join unnest($1::uuid[], $2::int[]) as item(key, epoch) using (key)
    where runs.epoch = item.epoch and runs.node_id = $3
){_CHILDREN_OF_ENDED}"""  # noqa: S608 - our own text

_READ_CHILDREN = """
select key, parent_key, kind, component_id, status, segment, input, output, messages, carried, parent_span,
       started_at, ended_at
from runs where root_key = $1 and parent_key is not null"""

_READ_EVENTS = """
select seq, name, event from run_events where run_key = $1 and seq > $2 order by seq limit $3"""

_READ_STEPS = """
select operation, call, fingerprint, result, started_ns, ended_ns from run_steps where run_key = $1 and segment = $2"""


_EXISTS = "select exists(select from runs where key = $1)"
_IS_AT_REST = "select status not in ('PENDING', 'RUNNING') from runs where key = $1"


@dataclass(slots=True)
class Append:
    """What one run has to write: events in order, steps, child runs, and the proof that its node owns it."""

    record: RunRecord
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    children: list[ChildRun] = field(default_factory=list)

    @property
    def open_steps(self) -> int:
        """How much of it the run's next step waits for; a child that is lost right after its beginning begins again."""
        return len(self.steps) + sum(child.status.is_at_rest for child in self.children)


class RunLog:
    """The statements about events and steps; every one goes by the key of a run its caller already found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, items: Sequence[Append], *, node_id: str) -> set[UUID]:
        """Append in one statement; return the root keys that the fence let through.

        Durable when it returns. Safe to repeat.
        """
        roots = {item.record.root_key: item.record.epoch for item in items}
        events = [(item.record, event) for item in items for event in item.events]
        steps = [(item.record, step) for item in items for step in item.steps]
        children = _latest((item.record, child) for item in items for child in item.children)
        rows = await self._database.fetch(
            _APPEND_WITH_CHILDREN if children else _APPEND,
            list(roots),
            list(roots.values()),
            node_id,
            [record.root_key for record, _ in events],
            [record.key for record, _ in events],
            [event.seq for _, event in events],
            [event.name for _, event in events],
            [event.data for _, event in events],
            [record.root_key for record, _ in steps],
            [record.key if step.child is None else step.child[0] for record, step in steps],
            [record.segment if step.child is None else step.child[1] for record, step in steps],
            [step.operation for _, step in steps],
            [step.call for _, step in steps],
            [step.fingerprint for _, step in steps],
            [step.result for _, step in steps],
            [step.started_ns for _, step in steps],
            [step.ended_ns for _, step in steps],
            *(_child_columns(children) if children else ()),
        )
        return {row["key"] for row in rows}

    async def read_events(self, key: UUID, *, after: int, limit: int = 1000) -> list[Event]:
        """Return committed events with a greater sequence number, in order."""
        rows = await self._database.fetch(_READ_EVENTS, key, after, limit)
        return [Event(seq=row["seq"], name=row["name"], data=row["event"]) for row in rows]

    async def exists(self, key: UUID) -> bool:
        """Return whether a run is there; it goes with its session."""
        return bool(await self._database.fetchval(_EXISTS, key))

    async def is_at_rest(self, key: UUID) -> bool:
        """Return whether a run is neither waiting nor running; a run that is gone rests."""
        return await self._database.fetchval(_IS_AT_REST, key) is not False

    async def read_children(self, root_key: UUID) -> list[ChildRun]:
        """Return the children of a run, and theirs."""
        rows = await self._database.fetch(_READ_CHILDREN, root_key)
        return [_read_child(row) for row in rows]

    async def read_steps(self, key: UUID, *, segment: int) -> list[Step]:
        """Return the finished steps of a segment."""
        rows = await self._database.fetch(_READ_STEPS, key, segment)
        return [Step(**dict(row)) for row in rows]


async def put_children(connection: Connection, children: Sequence[tuple[RunRecord, ChildRun]], node_id: str) -> None:
    """Store children of runs, or what has become of them, in the caller's transaction; of lost runs nothing."""
    rows = _latest(children)
    roots = {root.root_key: root.epoch for root, _ in rows}
    await connection.execute(_PUT_CHILDREN, list(roots), list(roots.values()), node_id, *_child_columns(rows))


def _read_child(row: asyncpg.Record) -> ChildRun:
    parent_span = row["parent_span"]
    return ChildRun(
        **{
            **dict(row),
            "status": RunStatus(row["status"]),
            "parent_span": None if parent_span is None else unsigned(parent_span),
        }
    )


def _latest(children: Iterable[tuple[RunRecord, ChildRun]]) -> list[tuple[RunRecord, ChildRun]]:
    """Return each child once, as it was last."""
    return list({child.key: (root, child) for root, child in children}.values())


def _child_columns(children: Sequence[tuple[RunRecord, ChildRun]]) -> list[list[Any]]:
    return [
        [root.root_key for root, _ in children],
        [child.key for _, child in children],
        [child.parent_key for _, child in children],
        [child.kind for _, child in children],
        [child.component_id for _, child in children],
        [child.status.value for _, child in children],
        [child.segment for _, child in children],
        [child.input for _, child in children],
        [child.output for _, child in children],
        [child.messages for _, child in children],
        [child.carried for _, child in children],
        [None if child.parent_span is None else signed(child.parent_span) for _, child in children],
    ]
