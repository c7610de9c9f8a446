"""The model of the record store knows the protocol's table of edge cases."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.oracle.collection import Collection
from tests.oracle.edge_cases import (
    GROUPS,
    RECORDS,
    REFUSED_FILTERS,
    REFUSED_GROUPS,
    REFUSED_ORDERS,
    SEARCHES,
)
from tests.oracle.filters import read_filter
from tests.oracle.instants import read_instant
from tests.oracle.paths import read_path
from tests.oracle.record import Record
from tests.oracle.refusal import RefusedError
from tests.oracle.values import identity, is_kept

NEW_YEAR = read_instant("2025-01-01")


def collection_of(**payloads: dict[str, Any]) -> Collection:
    times = count(NEW_YEAR, 1000)
    return Collection([Record(name, data, time := next(times), time) for name, data in payloads.items()])


@pytest.fixture
def collection() -> Collection:
    return collection_of(**RECORDS)


@pytest.mark.parametrize(("question", "expected"), SEARCHES.values(), ids=SEARCHES)
def test_searches_find_what_the_table_says(collection: Collection, question: dict[str, Any], expected: str):
    assert "".join(record.id for record in collection.search(**question).items) == expected


@pytest.mark.parametrize("wanted", REFUSED_FILTERS.values(), ids=REFUSED_FILTERS)
def test_filters_of_another_form_are_refused_and_nothing_is_removed(collection: Collection, wanted: Any):
    for question in (collection.search, collection.aggregate, collection.delete):
        with pytest.raises(RefusedError):
            question(filter=wanted)
    assert len(collection.records) == 4


@pytest.mark.parametrize("order", REFUSED_ORDERS)
def test_orders_of_another_form_are_refused(collection: Collection, order: str):
    with pytest.raises(RefusedError):
        collection.search(order_by=order)


@pytest.mark.parametrize(("question", "expected"), GROUPS.values(), ids=GROUPS)
def test_groups_are_those_of_the_table(collection: Collection, question: dict[str, Any], expected: Any):
    answers = [group.answer(count=True, first=True) for group in collection.aggregate(**question).items]
    assert [(answer["group_key"], answer["count"]) for answer in answers] == expected


@pytest.mark.parametrize("question", REFUSED_GROUPS.values(), ids=REFUSED_GROUPS)
def test_groups_of_another_form_are_refused(collection: Collection, question: dict[str, Any]):
    with pytest.raises(RefusedError):
        collection.aggregate(**question)


def test_the_first_item_is_the_payload_of_the_earliest():
    collection = collection_of(A={"v": 1.0, "n": 1}, B={"v": 1, "n": 2}, C={"v": True})
    answers = [group.answer(count=False, first=True) for group in collection.aggregate(group_by=["v"]).items]
    assert answers == [
        {"group_key": {"v": True}, "count": None, "first_item": {"v": True}},
        {"group_key": {"v": 1.0}, "count": None, "first_item": {"v": 1.0, "n": 1}},
    ]


def test_a_grouped_field_named_count_wins_over_the_number():
    collection = collection_of(A={"count": 2}, B={"count": 1}, C={"count": 2})
    groups = collection.aggregate(group_by=["count"], order_by="count").items
    assert [group.values for group in groups] == [(1,), (2,)]


def test_delete_removes_what_a_search_finds(collection: Collection):
    assert collection.delete(filter={"v": {"ne": None}}) == 2
    assert [record.id for record in collection.records] == ["C", "D"]
    assert collection.delete() == 2


def test_a_page_knows_whether_more_follow_and_the_total(collection: Collection):
    assert collection.search(page_size=3, include_total=True).total_size == 4
    assert collection.search(page_size=3).has_more
    assert not collection.search(page_size=4).has_more
    assert not collection.search(page_size=0).has_more
    assert collection.search().total_size is None


@pytest.mark.parametrize("paging", [{"page_size": -1}, {"offset": -1}, {"page_size": "1"}, {"offset": True}], ids=str)
def test_other_numbers_of_a_page_are_refused(collection: Collection, paging: dict[str, Any]):
    with pytest.raises(RefusedError):
        collection.search(**paging)


@pytest.mark.parametrize(
    ("path", "payload", "expected"),
    [
        ("a.b", {"a": {"b": 1}, "a.b": 2}, 1),
        ('"a.b"', {"a": {"b": 1}, "a.b": 2}, 2),
        ('"q""t"', {'q"t': 1}, 1),
        ('q"t', {'q"t': 1}, 1),
        ('data."x y"', {"x y": 1}, 1),
        ("data", {"data": 1}, 1),
        ("data.a", {"data": {"a": 1}}, 1),
        ("data.a", {"a": None, "data": {"a": 1}}, None),
        ("data.a.b", {"a": 1, "data": {"a": {"b": 2}}}, 2),
        ("data.data.a", {"a": 1, "data": {"data": {"a": 2}}}, None),
        ('"data".a', {"a": 1}, None),
        ("a.0", {"a": [1]}, None),
        ("a.0", {"a": {"0": 1}}, 1),
    ],
)
def test_paths_find_members(path: str, payload: dict[str, Any], expected: Any):
    assert read_path(path).find(payload) == expected


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ("2025-01-01", 0),
        ("2025-01-01T00:00:00Z", 0),
        ("2025-01-01 01:00:00+01:00", 0),
        ("2024-12-31T19:00:00-05:00", 0),
        ("2025-01-01T00:00:00.000000001", 1),
        ("2025-01-01T00:00:00.5", 500_000_000),
    ],
)
def test_instants_are_compared_whatever_their_form(operand: str, expected: int):
    assert read_instant(operand) - NEW_YEAR == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"eq": None}, False),
        ({"ne": None}, True),
        ({"gt": None}, False),
        ({"includes": [None]}, False),
        ({"excludes": [None]}, True),
        ({"includes": [None, "2025-01-01 00:00:00"]}, True),
        ({"lt": "2025-01-01T00:00:00.000000001Z"}, True),
        ({"eq": "2025-01-01T00:00:00.000000001Z"}, False),
    ],
    ids=str,
)
def test_a_timestamp_is_never_null(condition: dict[str, Any], expected: bool):
    record = Record("A", {}, NEW_YEAR, NEW_YEAR)
    assert read_filter({"created_at": condition})(record) is expected


def test_strings_are_in_the_order_of_code_points():
    collection = collection_of(A={"v": "\U0001f600"}, B={"v": "\uffff"}, C={"v": "z"})
    assert [record.id for record in collection.search(order_by="v").items] == ["C", "B", "A"]


def test_values_are_equal_by_type_and_depth():
    assert identity({"a": [1, {}]}) == identity({"a": [1.0, {}]})
    assert len({identity(value) for value in (1, "1", True, None, [], {}, [1], [True], {"a": None})}) == 9
    assert identity(2**64 + 1) != identity(float(2**64))


def test_a_kept_payload_has_its_integers():
    assert is_kept({"a": [1, 1.5, -0.0]}, {"a": [1, 1.5, 0]})
    assert not is_kept({"a": 1}, {"a": 1.0})
    assert not is_kept({"a": 1}, {"a": True})
