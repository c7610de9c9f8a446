"""Which indexes of records are asked for, and what they are made of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai import RecordIndex
from serai.errors import ConfigurationError, DatabaseUnavailableError
from serai.records.indexes.advisor import REMEMBERED, Advisor
from serai.records.indexes.columns import index_columns
from serai.records.indexes.requests import IndexRequest, index_name
from serai.records.paths import parse_path as path
from serai.records.place import Place
from serai.records.shapes import Shape

PLACE = Place(project_id="p", deployment_name="_public", collection="c")
STATUS, AGE, TAGS = path("status"), path("data.age"), path("tags")
BY_STATUS = Shape(equal=(STATUS,))


class Asked:
    """Notes what an advisor asks for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[IndexRequest] = []
        self.error = error
        self.now = 0.0

    async def __call__(self, request: IndexRequest) -> None:
        self.requests.append(request)
        if self.error:
            raise self.error

    def advisor(self) -> Advisor:
        return Advisor(self, slow_s=0.01, clock=lambda: self.now)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_shape_that_is_slow_three_times_is_asked_for_once():
    asked = Asked()
    advisor = asked.advisor()
    for seconds in (0.02, 0.001, 0.02, 0.009, 0.02, 0.02, 0.02, 0.02):
        advisor.learn(PLACE, BY_STATUS, seconds)
    await settle()
    assert asked.requests == [IndexRequest(place=PLACE, shape=BY_STATUS)]


async def test_a_shape_that_stays_slow_is_asked_for_a_minute_later_and_then_once_an_hour():
    asked = Asked()
    advisor = asked.advisor()
    counts = []
    for asked.now in (0, 59, 61, 1_000, 3_600, 3_700, 7_000, 7_400):
        for _ in range(3):
            advisor.learn(PLACE, BY_STATUS, 1.0)
        await settle()
        counts.append(len(asked.requests))
    assert counts == [1, 1, 2, 2, 2, 3, 3, 4]


async def test_what_no_index_can_help_is_not_asked_for():
    asked = Asked()
    advisor = asked.advisor()
    for shape in (Shape(), Shape(order=(("created_at", True),)), Shape(equal=(STATUS,), uses_updated_at=True)):
        for _ in range(5):
            advisor.learn(PLACE, shape, 1.0)
    await settle()
    assert asked.requests == []


@pytest.mark.parametrize("error", [DatabaseUnavailableError("away"), RuntimeError("broken")])
async def test_an_advisor_that_cannot_ask_fails_no_question(error: Exception):
    asked = Asked(error)
    advisor = asked.advisor()
    for _ in range(3):
        advisor.learn(PLACE, BY_STATUS, 1.0)
    await settle()
    assert len(asked.requests) == 1
    await advisor.close()


async def test_an_advisor_remembers_the_shapes_that_came_last():
    asked = Asked()
    advisor = asked.advisor()
    for number in range(REMEMBERED + 1):
        for _ in range(2):
            advisor.learn(PLACE, Shape(equal=(path(f"f{number}"),)), 1.0)
    advisor.learn(PLACE, Shape(equal=(path("f0"),)), 1.0)  # forgotten
    advisor.learn(PLACE, Shape(equal=(path(f"f{REMEMBERED}"),)), 1.0)
    await settle()
    assert [request.shape.equal[0].segments for request in asked.requests] == [(f"f{REMEMBERED}",)]


def test_a_request_is_the_same_after_a_journey_as_json():
    shape = Shape(equal=(STATUS,), ranged=(AGE,), contains=(TAGS,), order=((AGE, True), ("created_at", False)))
    request = IndexRequest(place=PLACE, shape=shape, is_declared=True)
    again = IndexRequest.from_json(request.to_json())
    assert again == request
    assert again.key == request.key
    assert again.key != IndexRequest(place=PLACE, shape=BY_STATUS).key


def test_names_are_ours_alone():
    names = {
        index_name(Place(project_id="p", deployment_name="d", collection=collection), kind, {})
        for collection in ("c", 'drop table "x"; --', "ü" * 300)
        for kind in ("gin", "shape")
    }
    assert len(names) == 6
    assert all(name.isascii() and name.isidentifier() and len(name) == 25 for name in names)


@pytest.mark.parametrize(
    ("shape", "kinds", "keys", "included"),
    [
        (BY_STATUS, {STATUS: [3]}, "t1, created_at desc, id desc", "k1, n1"),
        (BY_STATUS, {STATUS: [2]}, "n1, created_at desc, id desc", "k1, t1"),
        (BY_STATUS, {STATUS: [0, 1]}, "k1, created_at desc, id desc", "n1, t1"),
        (BY_STATUS, {STATUS: [2, 3]}, "t1, n1, k1, created_at desc, id desc", ""),
        (BY_STATUS, {STATUS: []}, "t1, n1, k1, created_at desc, id desc", ""),
        (
            Shape(equal=(STATUS,), order=((AGE, True),)),
            {STATUS: [3]},
            "t1, k2 desc nulls last, n2 desc nulls last, t2 desc nulls last, created_at desc, id desc",
            "k1, n1",
        ),
        (Shape(ranged=(AGE,), order=(("created_at", False),)), {}, "created_at, id", "k2, n2, t2"),
        (Shape(group=(STATUS, AGE)), {}, "k1, n1, t1, k2, n2, t2, created_at desc, id desc", ""),
        (Shape(equal=(STATUS,), group=(STATUS,)), {STATUS: [3]}, "t1, k1, n1, created_at desc, id desc", ""),
    ],
)
def test_an_index_begins_with_what_is_equal_and_goes_on_as_sorted(shape: Shape, kinds: Any, keys: str, included: str):
    found = index_columns(shape, {STATUS: 1, AGE: 2}, kinds)
    assert [", ".join(columns) for columns in found] == [keys, included]


def test_a_declared_index_is_that_of_the_questions_it_is_for():
    index = RecordIndex(
        "c", project_id="p", filter=["status", "a"], ranges=["data.age"], order_by="data.amount desc", includes=["tags"]
    )
    contains, shape = index.requests()
    assert contains.shape == Shape(contains=(TAGS,))
    assert contains.first_kind == "gin"
    order = ((path("data.amount"), True),)
    assert shape.shape == Shape(equal=(path("a"), STATUS), ranged=(AGE,), order=order)
    assert (shape.place, shape.is_declared, shape.first_kind) == (PLACE, True, "shape")
    assert [one.first_kind for one in RecordIndex("c", filter=["status"]).requests()] == ["shape"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"filter": ["a..b"]}, r"filter has 'a\.\.b'"),
        ({"ranges": ['"a']}, r"ranges has '\"a'"),
        ({"filter": "status"}, r"filter has 'status': write a list"),
        ({"filter": [1]}, "filter has 1"),
        ({"ranges": ["updated_at"]}, "ranges has 'updated_at'"),
        ({"group_by": ["created_at"]}, r"group_by has 'created_at'.*data\.created_at"),
        ({"includes": ["a."]}, r"includes has 'a\.'"),
        ({"order_by": "a descending"}, "order_by has 'a descending'"),
        ({"order_by": "updated_at"}, r"RecordIndex\('c'\): the time of the last update"),
        ({}, r"RecordIndex\('c'\): .*no field at all"),
        ({"filter": ["a.0"]}, r"a\.0 has a number"),
        ({"filter": list("abc"), "ranges": list("def")}, "6 fields are more than the 5"),
    ],
)
def test_a_declaration_that_is_not_valid_names_its_field(members: Any, message: str):
    with pytest.raises(ConfigurationError, match=message):
        RecordIndex("c", **members)
