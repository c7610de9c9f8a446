"""What indexes there are, as this process knows it: read again every few seconds while questions come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from serai.errors import RetryLaterError
from serai.records.paths import Path
from serai.records.place import Place
from serai.records.shapes import GinPlan, Plan, Shape, SlotPlan, shape_from_json
from serai.records.slots import SLOTS, long_bit, nested_bit
from serai.storage.connection import Database

STALE_AFTER_S = 2.0
NOTE_EVERY_S = 60.0
_log = structlog.get_logger("serai.records")

# Collections that have slots, and what is in them.
PLACES = "select * from record_places"

# Indexes that can be used.
READY = """
select project_id, deployment_name, collection, kind, shape::text as shape from record_indexes where state = 'ready'
"""

# Write down the use of indexes, which PostgreSQL counts and forgets when it crashes.
NOTE_USES = """
update record_indexes set uses = greatest(uses, used.idx_scan), last_used_at = used.last_idx_scan
from pg_stat_user_indexes as used
where used.indexrelname = record_indexes.name
  and used.last_idx_scan > coalesce(record_indexes.last_used_at, '-infinity')
"""

# True as long as a collection has the slots that were planned with, and no row that they cannot answer for.
GUARD = """
exists (select from record_places where number = {number} and version = {version})
and not exists (select from record_slots where place = {number} and odd <> 0 and odd & {mask} <> 0)
"""


@dataclass(frozen=True, slots=True)
class _Hot:
    """A collection with slots.

    Attributes:
        number: of the collection.
        version: rises when a slot is taken away.
        slots: the slots that hold the values of all records.
        indexes: what indexes were built for.
    """

    number: int
    version: int
    slots: Mapping[Path, int]
    indexes: set[Shape] = field(default_factory=set)


class Catalog:
    """Plans questions with the indexes of one database.

    Args:
        database: where the records are.
        learn: told how long each answer took.

    What it knows may be some seconds old. That is never wrong: each plan has a guard that PostgreSQL checks.
    """

    def __init__(self, database: Database, learn: Callable[[Place, Shape, float], None] | None = None) -> None:
        self._database = database
        self._learn = learn or (lambda place, shape, seconds: None)  # noqa: ARG005 - an advisor's signature
        self._hot: dict[Place, _Hot] = {}
        self._with_gin: set[Place] = set()
        self._noted_at = time.monotonic()
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def plans(self, place: Place, shape: Shape) -> Sequence[Plan]:
        """Return the ways to answer a question, the best first; the last reads payloads."""
        plan = self._plan(place, shape)
        on_payloads = GinPlan() if place in self._with_gin and (shape.equal or shape.contains) else None
        return (on_payloads,) if plan is None else (plan, on_payloads)

    def learn(self, place: Place, shape: Shape, seconds: float) -> None:
        """Tell the advisor how long an answer took."""
        self._learn(place, shape, seconds)

    def _plan(self, place: Place, shape: Shape) -> SlotPlan | None:
        if time.monotonic() - self._read_at > STALE_AFTER_S and self._reading is None:
            self._reading = asyncio.create_task(self._read_again(), name="serai-record-catalog")
        hot = self._hot.get(place)
        if hot is None or shape.uses_updated_at or not shape.fields:
            return None
        serves = shape in hot.indexes or any(_serves(built, shape) for built in hot.indexes)
        if not serves or not all(path in hot.slots for path in shape.fields):
            return None
        guard = GUARD.format(number=int(hot.number), version=int(hot.version), mask=odd_mask(shape, hot.slots))
        return SlotPlan(hot.number, hot.slots, guard)

    async def read(self) -> None:
        """Read what there is, and now and then write down what was used."""
        if time.monotonic() - self._noted_at > NOTE_EVERY_S:
            self._noted_at = time.monotonic()
            await self._database.execute(NOTE_USES)
        hot = {}
        for row in await self._database.fetch(PLACES):
            place = Place(
                project_id=row["project_id"], deployment_name=row["deployment_name"], collection=row["collection"]
            )
            slots = {
                Path(tuple(row[f"path_{slot}"]), or_below_data=row[f"else_{slot}"] is not None): slot
                for slot in range(1, SLOTS + 1)
                if row[f"path_{slot}"] is not None and row["filled"] & long_bit(slot)
            }
            hot[place] = _Hot(row["number"], row["version"], slots)
        with_gin = set()
        for row in await self._database.fetch(READY):
            place = Place(
                project_id=row["project_id"], deployment_name=row["deployment_name"], collection=row["collection"]
            )
            if row["kind"] == "gin":
                with_gin.add(place)
            elif place in hot:
                hot[place].indexes.add(shape_from_json(msgspec.json.decode(row["shape"])))
        self._hot, self._with_gin = hot, with_gin
        self._read_at = time.monotonic()

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_again(self) -> None:
        try:
            await self.read()
        except RetryLaterError:
            pass  # the next question tries again
        except Exception:  # noqa: BLE001 - questions are answered without it
            _log.exception("record_catalog_failed")
        finally:
            self._read_at = time.monotonic()
            self._reading = None


def _serves(built: Shape, asked: Shape) -> bool:
    """Tell whether an index built for one shape answers another, too: it holds all fields and begins as needed."""
    if not set(asked.fields) <= set(built.fields):
        return False
    if asked.group:
        return set(asked.group) <= {*built.group, *built.equal}
    if asked.order:
        return asked.equal == built.equal and asked.order == built.order
    return set(built.equal) <= {*asked.equal} or not built.equal


def odd_mask(shape: Shape, slots: Mapping[Path, int]) -> int:
    """Return the bits of `odd` that make a row one which slots cannot answer for."""
    mask = 0
    for path in shape.fields:
        mask |= long_bit(slots[path])
    for path in (*shape.contains, *shape.group):
        mask |= nested_bit(slots[path])
    return mask
