"""The event log and the journal of steps: appended under the fence, read from a place on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from serai.domain.runs import Event, RunRecord, Step
from serai.storage.connection import Database

# Appends events and steps of runs whose root this node still owns. The share lock on the root's row makes a takeover
# wait for the append, or the append see the takeover; a repeated append (its answer was lost) changes nothing.
_APPEND = """
with root as (
    select runs.key, runs.epoch, runs.project_id, runs.user_id
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
    insert into run_steps (run_key, segment, operation, call, epoch, project_id, user_id, fingerprint, result)
    select step.key, step.segment, step.operation, step.call, root.epoch, root.project_id, root.user_id,
           step.fingerprint, step.result
    from unnest($9::uuid[], $10::uuid[], $11::int[], $12::text[], $13::text[], $14::bytea[], $15::bytea[])
        as step(root_key, key, segment, operation, call, fingerprint, result)
    join root on root.key = step.root_key
    on conflict do nothing
)
select key from root"""

_READ_EVENTS = """
select seq, name, event from run_events where run_key = $1 and seq > $2 order by seq limit $3"""

_READ_STEPS = """
select operation, call, fingerprint, result from run_steps where run_key = $1 and segment = $2"""


_IS_AT_REST = "select status not in ('PENDING', 'RUNNING') from runs where key = $1"


@dataclass(slots=True)
class Append:
    """What one run has to write: events in order, steps, and the proof that its node owns it."""

    record: RunRecord
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


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
        rows = await self._database.fetch(
            _APPEND,
            list(roots),
            list(roots.values()),
            node_id,
            [record.root_key for record, _ in events],
            [record.key for record, _ in events],
            [event.seq for _, event in events],
            [event.name for _, event in events],
            [event.data for _, event in events],
            [record.root_key for record, _ in steps],
            [record.key for record, _ in steps],
            [record.segment for record, _ in steps],
            [step.operation for _, step in steps],
            [step.call for _, step in steps],
            [step.fingerprint for _, step in steps],
            [step.result for _, step in steps],
        )
        return {row["key"] for row in rows}

    async def read_events(self, key: UUID, *, after: int, limit: int = 1000) -> list[Event]:
        """Return committed events with a greater sequence number, in order."""
        rows = await self._database.fetch(_READ_EVENTS, key, after, limit)
        return [Event(seq=row["seq"], name=row["name"], data=row["event"]) for row in rows]

    async def is_at_rest(self, key: UUID) -> bool:
        """Return whether a run is neither waiting nor running; a run that is gone rests."""
        return await self._database.fetchval(_IS_AT_REST, key) is not False

    async def read_steps(self, key: UUID, *, segment: int) -> list[Step]:
        """Return the finished steps of a segment."""
        rows = await self._database.fetch(_READ_STEPS, key, segment)
        return [Step(**dict(row)) for row in rows]
