"""What runs leave behind that nobody needs for ever: journals, token events, whole logs. Tidied from old to new.

A mark says how far each kind has come, so that no pass looks at a run twice; runs that have not ended are noted and
looked at again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from serai.domain.event_folding import CONTENT_NAMES, fold_content
from serai.domain.ids import first_key_of
from serai.domain.runs import Event
from serai.storage.connection import Connection, Database, count_of

RUNS_AT_A_TIME: Final = 200
_FIRST: Final = UUID(int=0)

_LOCK = "select pg_advisory_xact_lock(hashtextextended('serai-tidying', 0))"

_MARK = "select run_key from retention_marks where kind = $1"
_SET_MARK = """
insert into retention_marks (kind, run_key) values ($1, $2)
on conflict (kind) do update set run_key = greatest(retention_marks.run_key, excluded.run_key)"""

# The next roots by age, whether they have ended for long enough or not.
_NEXT = """
select key, ended_at is not null and ended_at < $3 as has_rested from runs
where key > $1 and key < $2 and parent_key is null order by key limit $4"""

_NOTE_LEFT = """
insert into retention_left (kind, project_id, user_id, run_key)
select $1, project_id, user_id, key from runs where key = any($2::uuid[]) on conflict do nothing"""

_LEFT = """
select left_over.run_key from retention_left as left_over left join runs on runs.key = left_over.run_key
where left_over.kind = $1 and (runs.key is null or runs.ended_at < $2) order by left_over.run_key limit $3"""
_FORGET_LEFT = "delete from retention_left where kind = $1 and run_key = any($2::uuid[])"

_REMOVE_STEPS = """
delete from run_steps where run_key in (
    select unnest($1::uuid[]) union all
    select key from runs where root_key = any($1::uuid[]) and parent_key is not null)"""
_REMOVE_EVENTS = "delete from run_events where run_key = any($1::uuid[])"

_TALKATIVE = """
select run_key from run_events where run_key = any($1::uuid[]) and name = any($2::text[])
group by run_key having count(*) > 1"""
_READ = "select seq, name, event as data from run_events where run_key = $1 order by seq"
_REMOVE_FOLDED = "delete from run_events where run_key = $1 and seq = any($2::int[])"
_WRITE_FOLDED = """
update run_events set event = item.event from unnest($2::int[], $3::bytea[]) as item(seq, event)
where run_key = $1 and run_events.seq = item.seq"""

_OLD = """
with old as (
    select key from runs
    where parent_key is null and ended_at < $3 and (
        (key < $2 and key > coalesce((select run_key from retention_marks where kind = $1),
                                     '00000000-0000-0000-0000-000000000000'))
        or key in (select run_key from retention_left where kind = $1))
)"""
_COUNTS = {
    "steps": f"""{_OLD}
select count(*) from run_steps where run_key in (
    select key from old union all
    select runs.key from runs join old on runs.root_key = old.key where parent_key is not null)""",  # noqa: S608
    "token_deltas": f"""{_OLD}, talkative as (
    select count(*) - 1 as spare from run_events join old on run_key = key
    where name in ('RunContent', 'TeamRunContent') group by run_key
)
select coalesce(sum(spare), 0)::bigint from talkative""",  # noqa: S608
    "events": f"{_OLD}\nselect count(*) from run_events join old on run_key = key",
}


class Tidied(StrEnum):
    """What is tidied of runs that have ended: steps of their journals, their events of tokens, all their events."""

    STEPS = "steps"
    TOKEN_DELTAS = "token_deltas"  # noqa: S105 - of models
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was tidied at once: how many rows went, and whether there is more to look at."""

    rows: int
    has_more: bool


class RunTidying:
    """The statements that tidy what old runs of all projects have left; each chunk is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tidy_some(self, kind: Tidied, *, before: datetime) -> Chunk:
        """Tidy the next runs that ended before a time. Safe to repeat, and to stop at any place."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            left = [row[0] for row in await connection.fetch(_LEFT, kind, before, RUNS_AT_A_TIME)]
            if left:
                rows = await _ACTS[kind](connection, left)
                await connection.execute(_FORGET_LEFT, kind, left)
                return Chunk(rows, has_more=True)
            mark = await connection.fetchval(_MARK, kind) or _FIRST
            found = await connection.fetch(_NEXT, mark, first_key_of(before), before, RUNS_AT_A_TIME)
            if not found:
                return Chunk(0, has_more=False)
            rows = await _ACTS[kind](connection, [row["key"] for row in found if row["has_rested"]])
            await connection.execute(_NOTE_LEFT, kind, [row["key"] for row in found if not row["has_rested"]])
            await connection.execute(_SET_MARK, kind, found[-1]["key"])
            return Chunk(rows, has_more=True)

    async def count(self, kind: Tidied, *, before: datetime) -> int:
        """Return how many rows would go; of events of tokens, at most. Cost: reads their keys."""
        counted: int = await self._database.fetchval(_COUNTS[kind], kind, first_key_of(before), before)
        return counted


async def _remove_steps(connection: Connection, keys: Sequence[UUID]) -> int:
    return count_of(await connection.execute(_REMOVE_STEPS, keys))


async def _remove_events(connection: Connection, keys: Sequence[UUID]) -> int:
    return count_of(await connection.execute(_REMOVE_EVENTS, keys))


async def _fold_events(connection: Connection, keys: Sequence[UUID]) -> int:
    """Join the events of tokens of runs that have more than one; return how many rows fewer there are."""
    removed = 0
    for row in await connection.fetch(_TALKATIVE, keys, list(CONTENT_NAMES)):
        events = [Event(**dict(each)) for each in await connection.fetch(_READ, row["run_key"])]
        before = {event.seq: event for event in events}
        folded = fold_content(events)
        changed = [event for event in folded if event.data != before[event.seq].data]
        gone = sorted(before.keys() - {event.seq for event in folded})
        await connection.execute(_REMOVE_FOLDED, row["run_key"], gone)
        await connection.execute(
            _WRITE_FOLDED, row["run_key"], [event.seq for event in changed], [event.data for event in changed]
        )
        removed += len(gone)
    return removed


_ACTS: Final[Mapping[Tidied, Callable[[Connection, Sequence[UUID]], Awaitable[int]]]] = {
    Tidied.STEPS: _remove_steps,
    Tidied.TOKEN_DELTAS: _fold_events,
    Tidied.EVENTS: _remove_events,
}
