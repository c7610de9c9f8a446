"""Answers from slots are those from payloads, for random records and questions, whoever wrote the slots."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from serai.records.bulk import BatchItem
from serai.records.filters import parse_filter
from serai.records.groups import Aggregation
from serai.records.indexes.catalog import GUARD
from serai.records.orders import parse_order
from serai.records.paging import Page
from serai.records.paths import Path, parse_path
from serai.records.place import Place
from serai.records.queries import RecordQueries
from serai.records.search import Search
from serai.records.shapes import Shape, SlotPlan, shape_of
from serai.records.slots import FILL, SLOTS, SWEEP, can_have_slot, long_bit, nested_bit, paths_of_slot
from serai.records.store import RecordStore
from serai.storage.connection import Database
from tests.oracle.payloads import histories, member_names
from tests.oracle.questions import Known, filters, groupings, orders
from tests.oracle.record import Record

QUIET = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
QUESTIONS = 12


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url)
    await database.open()
    yield database
    await database.close()


class Slotted:
    """A new collection with slots; plans every question with them, and notes what they could not answer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = RecordStore(database)
        self.place = Place(project_id=uuid4().hex, deployment_name="d", collection="c")
        self.where = (self.place.project_id, self.place.deployment_name, self.place.collection)
        self.number = 0
        self.slots: dict[Path, int] = {}
        self.answered = 0

    def plans(self, place: Place, shape: Shape) -> Sequence[SlotPlan | None]:
        """Return the one way, through the slots."""
        assert place == self.place
        mask = sum(long_bit(self.slots[path]) for path in shape.fields)
        mask += sum(nested_bit(self.slots[path]) for path in {*shape.contains, *shape.group})
        return (SlotPlan(self.number, self.slots, GUARD.format(number=self.number, version=1, mask=mask)),)

    def learn(self, place: Place, shape: Shape, seconds: float) -> None:
        """Note that the slots answered."""
        self.answered += 1

    async def open(self, paths: Sequence[Path]) -> None:
        """Give fields slots, before there is any record or after."""
        self.slots = {path: slot for slot, path in enumerate(paths, 1)}
        await self.database.execute("delete from record_slots where place = $1", self.number)
        await self.database.execute("delete from record_places where number = $1", self.number)
        self.number = await self.database.fetchval(
            "insert into record_places (project_id, deployment_name, collection) values ($1, $2, $3) returning number",
            *self.where,
        )
        for path, slot in self.slots.items():
            statement = f"update record_places set path_{slot} = $2, else_{slot} = $3 where number = $1"
            await self.database.execute(statement, self.number, *paths_of_slot(path))

    async def fill(self) -> None:
        """Store the slots of all records there are, three at a time."""
        after = (datetime(1970, 1, 1, tzinfo=UTC), "")
        while row := await self.database.fetchrow(FILL, *self.where, *after, 3):
            after = (row["created_at"], row["id"])
        assert await self.database.execute(SWEEP, self.number, *self.where) == "DELETE 0"


async def write(slotted: Slotted, history: Any, data: st.DataObject) -> list[Record]:
    created, updated = history
    bodies = await slotted.store.create_many(
        slotted.place, [BatchItem(json.dumps(payload)) for payload in created[: len(created) // 2]]
    )
    ids = [json.loads(body)["id"] for body in bodies]
    alone = [await slotted.store.create(slotted.place, json.dumps(payload)) for payload in created[len(created) // 2 :]]
    ids += [json.loads(stored.body)["id"] for stored in alone]
    for position, payload in updated:
        await slotted.store.update(slotted.place.project_id, ids[position], json.dumps(payload))
    await slotted.store.delete(slotted.place.project_id, data.draw(st.sampled_from(ids)))
    page = await RecordQueries(slotted.database).search(Search(place=slotted.place, page=Page(1000)))
    return [Record.of(item) for item in json.loads(page)["items"]]


def has_odd_value(records: Sequence[Record], paths: Mapping[Path, int]) -> bool:
    """Tell whether some record has an array or an object, or something long, where a path leads."""

    def find(value: Any, names: Sequence[str]) -> Any:
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    ways = [names for path in paths for names in (path.segments, ("data", *path.segments))]
    found = [find(record.data, names) for record in records for names in ways]
    return any(isinstance(value, (list, dict)) or len(str(value)) > 20 for value in found)


async def ask(slotted: Slotted, records: Sequence[Record], question: Search | Aggregation) -> None:
    """Compare the answers to a question, and to those for all further pages, whoever made the token."""
    paths = [parse_path(text) for text in getattr(question, "group_by", ())]
    shape = shape_of(parse_filter(question.filter), parse_order(question.order_by), paths)
    if shape.uses_updated_at or len(shape.fields) > SLOTS or not all(can_have_slot(path) for path in shape.fields):
        return
    if not set(shape.fields) <= set(slotted.slots):
        await slotted.open(shape.fields)
        await slotted.fill()
    kind = "search" if isinstance(question, Search) else "aggregate"
    plain, through_slots = RecordQueries(slotted.database), RecordQueries(slotted.database, slotted)
    more = True
    while more:
        expected = json.loads(await getattr(plain, kind)(question))
        try:
            answer = json.loads(await getattr(through_slots, kind)(question))
        except AssertionError:
            assert has_odd_value(records, slotted.slots)
            return
        assert answer == expected
        more = expected["next_page_token"] is not None
        question = replace(question, page=replace(question.page, token=answer["next_page_token"]))


PAGES = st.builds(Page, st.sampled_from((1, 2, 3, 1000)), st.sampled_from((0, 0, 1, 2)))


@given(history=histories(largest=12), data=st.data())
@QUIET
async def test_slots_answer_as_payloads_do(database: Database, history: Any, data: st.DataObject):
    slotted = Slotted(database)
    ways = [way for payload in history[0] for way in member_names(payload)] or [("v",)]
    paths = data.draw(st.lists(st.builds(Path, st.sampled_from(ways)), max_size=SLOTS, unique=True))
    await slotted.open([path for path in paths if can_have_slot(path)])
    records = await write(slotted, history, data)
    assume(records)
    known = Known.of(records)
    for _ in range(QUESTIONS):
        asked: dict[str, Any] = {
            "place": slotted.place,
            "filter": json.dumps(data.draw(filters(known))).encode(),
            "page": data.draw(PAGES),
            "include_total": data.draw(st.booleans()),
        }
        if data.draw(st.booleans()):
            await ask(slotted, records, Search(**asked, order_by=data.draw(orders(known))))
        else:
            grouping = data.draw(groupings(known))
            asked |= {"group_by": grouping["group_by"] or (), "order_by": grouping["order_by"]}
            asked |= {name: bool(grouping[name]) for name in ("count", "first")}
            await ask(slotted, records, Aggregation(**asked))
    TALLY.append(slotted.answered)


TALLY: list[int] = []


def test_slots_did_answer():
    assert sum(TALLY) > 2 * QUESTIONS
