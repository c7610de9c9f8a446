"""Slots given to a collection's fields, filled with the values of its records, and taken away again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import asyncpg

from serai.records.paths import Path
from serai.records.place import Place
from serai.records.slots import FILL, REFILL, SLOTS, SWEEP, paths_of_slot
from serai.storage.connection import Connection

Report = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Tells how far a build is; raises when it must stop."""

LONG_S: Final = 6 * 3_600.0
_CHUNK = 2_000
_TRIES = 5
_REPORT_S = 1.0
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_Found = TypeVar("_Found")

# The collection's row, locked; made if it is not there.
_TAKE_PLACE = """
insert into record_places (project_id, deployment_name, collection) values ($1, $2, $3)
on conflict (project_id, deployment_name, collection) do update set filled = record_places.filled
returning *
"""
_FIND_PLACE = "select * from record_places where project_id = $1 and deployment_name = $2 and collection = $3"
_GIVE_SLOT = "update record_places set path_{slot} = $2, else_{slot} = $3 where number = $1"
_TAKE_SLOTS = "update record_places set {nulls}, filled = filled & ~$2::int, version = version + 1 where number = $1"
_MARK_FILLED = "update record_places set filled = filled | $2 where number = $1"

# The transactions that are under way in this database: what they write, they decided by an older view of it.
_UNDER_WAY = """
select array_agg(virtualxid) from pg_locks join pg_stat_activity using (pid)
where locktype = 'virtualxid' and granted and pid <> pg_backend_pid() and datname = current_database()
"""
_STILL_UNDER_WAY = """
select exists (
    select from pg_locks where locktype = 'virtualxid' and granted and pid <> pg_backend_pid() and virtualxid = any($1)
)
"""

_DROP_PLACE = "delete from record_places where number = $1"
_DROP_ROWS = """
delete from record_slots where place = $1 and id in (select id from record_slots where place = $1 limit 10000)
"""

# Numbers of collections that have slots, found from one to the next.
_PLACES_WITH_ROWS = """
with recursive found(place) as (
    select min(place) from record_slots
    union all
    select (select min(place) from record_slots where record_slots.place > found.place)
    from found where found.place is not null
)
select place from found where place is not null and place not in (select number from record_places)
"""


class NoFreeSlotError(Exception):
    """All slots of the collection are in use."""


@dataclass(frozen=True, slots=True)
class SlottedPlace:
    """A collection with slots.

    Attributes:
        number: its number.
        slots: number of the slot of each field that has one.
        filled: bit i-1 says that slot i holds the values of all records.
    """

    number: int
    slots: Mapping[Path, int]
    filled: int

    @classmethod
    def of(cls, row: asyncpg.Record) -> SlottedPlace:
        """Return what a row of `record_places` says."""
        slots = {
            Path(tuple(row[f"path_{slot}"]), or_below_data=row[f"else_{slot}"] is not None): slot
            for slot in range(1, SLOTS + 1)
            if row[f"path_{slot}"] is not None
        }
        return cls(row["number"], slots, row["filled"])

    def lacks(self, paths: Iterable[Path]) -> int:
        """Return the bits of slots, among those of some fields, that are not filled."""
        return sum(1 << (self.slots[path] - 1) for path in paths) & ~self.filled


class Progress:
    """Reports not more often than about once a second.

    Args:
        report: receives the reports.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._said_at = 0.0

    async def say(self, **members: Any) -> None:
        """Report now."""
        self._said_at = asyncio.get_running_loop().time()
        await self._report(members)

    async def tick(self, **members: Any) -> None:
        """Report if the last one was a while ago."""
        if asyncio.get_running_loop().time() - self._said_at >= _REPORT_S:
            await self.say(**members)

    async def during(self, work: Awaitable[_Found], **members: Any) -> _Found:
        """Report until some work is done; the work is cancelled when a report fails."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=_REPORT_S))[0]:
                await self.tick(**members)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def find_place(connection: Connection, place: Place) -> SlottedPlace | None:
    """Return a collection's slots, None if it never had any."""
    row = await connection.fetchrow(_FIND_PLACE, place.project_id, place.deployment_name, place.collection)
    return None if row is None else SlottedPlace.of(row)


async def assign_slots(
    connection: Connection, place: Place, paths: Sequence[Path], *, likely: Sequence[Path] = ()
) -> SlottedPlace:
    """Give slots to fields that have none: from now on each new write fills them.

    Args:
        connection: where the assignment is committed.
        place: the collection.
        paths: fields that need slots.
        likely: fields that get those which are left, if any is given: filling more of them at once costs little.

    Raises:
        NoFreeSlotError: there are not enough.
    """
    async with connection.transaction():
        row = await connection.fetchrow(_TAKE_PLACE, place.project_id, place.deployment_name, place.collection)
        assert row is not None
        known = SlottedPlace.of(row)
        missing = [path for path in paths if path not in known.slots]
        free = [slot for slot in range(1, SLOTS + 1) if slot not in known.slots.values()]
        if len(missing) > len(free):
            raise NoFreeSlotError
        if missing:
            taken = {path.segments for path in known.slots}
            missing += [path for path in likely if path.segments not in taken]
        given = dict(zip(missing, free, strict=False))
        for path, slot in given.items():
            await connection.execute(_GIVE_SLOT.format(slot=slot), known.number, *paths_of_slot(path))
    return SlottedPlace(known.number, {**known.slots, **given}, known.filled)


async def fill_slots(connection: Connection, place: Place, known: SlottedPlace, progress: Progress) -> None:
    """Fill all slots of a collection with the values of its records while others write."""
    await wait_for_others(connection, progress)
    count = await _fill(connection, place, progress)
    await wait_for_others(connection, progress)
    names = (place.project_id, place.deployment_name, place.collection)
    for statement in (SWEEP, REFILL):
        compare = _compare_all(connection, statement, known.number, *names)
        await progress.during(compare, phase="sweep", records=count)
    await connection.execute(_MARK_FILLED, known.number, sum(1 << (slot - 1) for slot in known.slots.values()))
    # Index-only scans need to know which pages hold no dead row.
    await progress.during(connection.execute("vacuum (analyze) record_slots", timeout=LONG_S), phase="vacuum")


async def wait_for_others(connection: Connection, progress: Progress) -> None:
    """Wait until all transactions have ended that may not have seen what was committed here before."""
    under_way = await connection.fetchval(_UNDER_WAY)
    pause_s = 0.01
    while under_way and await connection.fetchval(_STILL_UNDER_WAY, under_way):
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.5)
        await progress.tick(phase="wait")


async def take_slots(connection: Connection, place: Place, needed: Collection[Path]) -> bool:
    """Take away the slots of fields that are not needed; tell whether there were any."""
    known = await find_place(connection, place)
    gone = [slot for path, slot in known.slots.items() if path not in needed] if known is not None else []
    if known is None or not gone:
        return False
    nulls = ", ".join(f"path_{slot} = null, else_{slot} = null" for slot in sorted(gone))
    bits = sum(1 << (slot - 1) for slot in gone)
    await connection.execute(_TAKE_SLOTS.format(nulls=nulls), known.number, bits)
    return True


async def drop_slots_of(connection: Connection, place: Place, progress: Progress) -> None:
    """Take away all slots of a collection, and the copies in them."""
    known = await find_place(connection, place)
    if known is not None:
        await connection.execute(_DROP_PLACE, known.number)
        await wait_for_others(connection, progress)
        await _drop_rows(connection, known.number, progress)


async def drop_orphans(connection: Connection, progress: Progress) -> None:
    """Remove copies that belong to no collection: who removed the collection died in the middle."""
    for row in await connection.fetch(_PLACES_WITH_ROWS):
        await _drop_rows(connection, row["place"], progress)


async def _fill(connection: Connection, place: Place, progress: Progress) -> int:
    names = (place.project_id, place.deployment_name, place.collection)
    after: tuple[datetime, str] = (_BEGINNING, "")
    count = 0
    while True:
        row = await progress.during(_fill_chunk(connection, names, after), phase="fill", records=count)
        if row is None:
            return count
        after = (row["created_at"], row["id"])
        count += row["count"]
        await progress.tick(phase="fill", records=count)


async def _fill_chunk(
    connection: Connection, names: tuple[str, str, str], after: tuple[datetime, str]
) -> asyncpg.Record | None:
    for tries in range(1, _TRIES + 1):
        try:
            return await connection.fetchrow(FILL, *names, *after, _CHUNK, timeout=LONG_S)
        except asyncpg.DeadlockDetectedError:
            if tries == _TRIES:
                raise
    raise AssertionError("the last try returns or raises")


async def _compare_all(connection: Connection, statement: str, *arguments: Any) -> None:
    """Run a statement that compares two tables; without statistics PostgreSQL would seek each row among all others."""
    async with connection.transaction():
        await connection.execute("set local enable_nestloop = off")
        await connection.execute(statement, *arguments, timeout=LONG_S)


async def _drop_rows(connection: Connection, number: int, progress: Progress) -> None:
    while await connection.execute(_DROP_ROWS, number, timeout=LONG_S) != "DELETE 0":
        await progress.tick(phase="clean")
