"""Searches of traces: how expressions are read, and what is wrong with one. What they find is asked on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.trace_filters import (
    KEYS,
    MOST_NODES,
    AllOf,
    AnyOf,
    Comparison,
    Membership,
    Not,
    ValueType,
    read_filter,
    read_time,
)
from serai.errors import RequestError
from serai.storage.trace_filters import Arguments, condition_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPS = st.sampled_from(["EQ", "GT", "CONTAINS", "IN", "AND", "OR", "NOT", "XOR", "", None, 1])
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from([*KEYS])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries(
            {"op": OPS},
            optional={
                "key": st.sampled_from([*KEYS, "colour"]),
                "value": inner,
                "values": st.lists(inner, max_size=2),
                "conditions": st.lists(inner, max_size=3),
                "condition": inner,
            },
        ),
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_whatever_is_sent_is_read_or_refused_with_a_reason(expression: Any):
    refusal, arguments, condition = "", Arguments("p"), ""
    try:
        condition = condition_of(read_filter(expression), arguments)
    except RequestError as error:
        refusal = error.message
    assert bool(condition) != refusal.startswith("Invalid filter expression: ")
    assert all(f"${number}::" in condition for number in range(2, len(arguments.values) + 1))


def test_expressions_are_read_as_they_are_written():
    status = {"op": "EQ", "key": "status", "value": "OK"}
    late = {"op": "GTE", "key": "start_time", "value": "2026-11-20T13:00:00+01:00"}
    slow = {"op": "GT", "key": "duration_ms", "value": 5}
    named = {"op": "IN", "key": "user_id", "values": ["ada", "bob"]}
    asked = {"op": "AND", "conditions": [status, {"op": "OR", "conditions": [late, slow]}]}
    assert read_filter({"op": "NOT", "condition": {"op": "AND", "conditions": [asked, named]}}) == Not(
        AllOf(
            (
                AllOf(
                    (
                        Comparison("EQ", "status", "OK"),
                        AnyOf((Comparison("GTE", "start_time", NOON), Comparison("GT", "duration_ms", 5.0))),
                    )
                ),
                Membership("user_id", ("ada", "bob")),
            )
        )
    )


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00", "2026-11-20 13:00:00+01:00", "2026-11-20T13:00:00 01:00"],
)
def test_times_are_read_with_and_without_a_zone(text: str):
    assert read_time(text) == NOON


def _nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"op": "EQ", "key": "name", "value": "x"}
    for _ in range(levels):
        node = {"op": "NOT", "condition": node}
    return node


def _compare(**members: Any) -> dict[str, Any]:
    return {"op": "EQ", "key": "name", "value": "x", **members}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("x", "filter must be an object with 'op', got 'x'"),
        ({}, "filter.op must be one of EQ, NEQ"),
        ({"op": "XOR"}, "filter.op must be one of EQ, NEQ, GT, GTE, LT, LTE, CONTAINS, STARTSWITH, IN, AND, OR, NOT"),
        (_compare(key="colour"), "filter.key must be one of status, user_id"),
        (_compare(key=None), "filter needs 'key'"),
        (_compare(value=None), "filter needs 'value'"),
        (_compare(value=5), "filter.value must be a text of at most 1000 characters, got 5"),
        (_compare(value="x" * 1001), "filter.value must be a text of at most 1000 characters"),
        (_compare(value="a\0b"), "filter.value must be a text"),
        (_compare(key="duration_ms", value="5"), "filter.value must be a number, got '5'"),
        (_compare(key="duration_ms", value=True), "filter.value must be a number, got True"),
        (_compare(key="duration_ms", value=10**400), "filter.value must be a number"),
        (_compare(key="end_time", value="soon"), "filter.value: 'soon' is no ISO 8601 time"),
        (_compare(key="end_time", value="T" * 1_000_000), f"filter.value: '{'T' * 100}' is no ISO 8601 time"),
        (_compare(key="end_time", value=5), "filter.value must be an ISO 8601 time, got 5"),
        (_compare(op="CONTAINS", key="end_time"), "CONTAINS is about texts, and 'end_time' is a datetime"),
        ({"op": "IN", "key": "name", "values": "x"}, "filter.values must be a list"),
        ({"op": "IN", "key": "name", "values": ["x", 5]}, "filter.values[1] must be a text"),
        ({"op": "AND", "conditions": []}, "filter.conditions must be a list with at least one condition"),
        ({"op": "AND", "conditions": [_compare(), {"op": "OR"}]}, "filter.conditions[1] needs 'conditions'"),
        ({"op": "NOT"}, "filter needs 'condition'"),
        (_nested(11), "it is nested more than 10 levels deep"),
        ({"op": "OR", "conditions": [_compare()] * MOST_NODES}, "it has more than 1000 conditions"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(expression: Any, words: str):
    with pytest.raises(RequestError) as refusal:
        read_filter(expression)
    assert f"Invalid filter expression: {words}" in refusal.value.message.replace("filter: CONTAINS", "CONTAINS")


def test_ten_levels_are_not_too_deep():
    assert isinstance(read_filter(_nested(10)), Not)


def test_every_key_can_be_compared():
    values = {ValueType.TEXT: "x", ValueType.NUMBER: 1.5, ValueType.TIME: "2026-11-20T12:00:00Z"}
    for key, value_type in KEYS.items():
        wanted = read_filter({"op": "LTE", "key": key, "value": values[value_type]})
        assert isinstance(wanted, Comparison)
        assert wanted.key == key
