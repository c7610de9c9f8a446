"""Filters of what a run may find: as alternatives they mean what the expression says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.knowledge.filters import DEEPEST, MOST_ALTERNATIVES, alternatives_of

KEYS, VALUES = st.sampled_from("abc"), st.sampled_from([1, 2, "x"])
METADATA = st.dictionaries(KEYS, VALUES)
LEAVES = st.one_of(
    METADATA,
    st.builds(lambda key, value: {"op": "EQ", "key": key, "value": value}, KEYS, VALUES),
    st.builds(lambda key, values: {"op": "IN", "key": key, "values": values}, KEYS, st.lists(VALUES, max_size=2)),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda op, conditions: {"op": op, "conditions": conditions},
            st.sampled_from(["AND", "OR"]),
            st.lists(inner, max_size=2),
        ),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)


def holds(filters: Any, metadata: dict[str, Any]) -> bool:
    """Tell whether metadata fit a filter, read as it stands."""
    if isinstance(filters, list):
        return all(holds(each, metadata) for each in filters)
    match filters.get("op"):
        case None:
            return bool(filters.items() <= metadata.items())
        case "EQ":
            return filters["key"] in metadata and metadata[filters["key"]] == filters["value"]
        case "IN":
            return filters["key"] in metadata and metadata[filters["key"]] in filters["values"]
        case "AND":
            return all(holds(each, metadata) for each in filters["conditions"])
        case _:
            return any(holds(each, metadata) for each in filters["conditions"])


@given(FILTERS, METADATA)
def test_alternatives_mean_what_the_expression_says(filters: Any, metadata: dict[str, Any]):
    alternatives = alternatives_of(filters)
    assert any(each.items() <= metadata.items() for each in alternatives) == holds(filters, metadata)


def test_no_filter_lets_everything_through():
    assert alternatives_of(None) == alternatives_of({}) == alternatives_of([]) == [{}]


def test_true_is_not_one():
    assert alternatives_of([{"a": 1}, {"a": True}]) == []
    assert alternatives_of([{"a": 1}, {"a": 1.0}]) == [{"a": 1.0}]


def _nested(levels: int) -> Any:
    filters: Any = {"a": 1}
    for _ in range(levels):
        filters = {"op": "AND", "conditions": [filters]}
    return filters


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        (5, "should be an object"),
        ("tag", "should be an object"),
        (["tag"], "should be an object"),
        ({"op": "NOT", "condition": {"a": 1}}, "The filter NOT is not served; use EQ"),
        ({"op": "GT", "key": "a", "value": 1}, "The filter GT is not served; use EQ"),
        ({"op": "XOR"}, "Unknown filter operator 'XOR'"),
        ({"op": ["EQ"]}, "Unknown filter operator"),
        ({"op": "EQ", "key": "a"}, "The filter EQ needs 'value'"),
        ({"op": "EQ", "key": 1, "value": 1}, "'key' of the filter EQ should be a string"),
        ({"op": "IN", "key": "a", "values": "xy"}, "'values' of the filter IN should be a list"),
        ({"op": "AND"}, "The filter AND needs 'conditions'"),
        ({"op": "OR", "conditions": {}}, "'conditions' of the filter OR should be a list"),
        ({"op": "IN", "key": "a", "values": list(range(MOST_ALTERNATIVES + 1))}, "at most 20 alternatives"),
        ([{"op": "IN", "key": key, "values": [1, 2, 3]} for key in "abc"], "at most 20 alternatives"),
        (_nested(DEEPEST + 1), "nested at most 10 deep"),
    ],
)
def test_what_is_no_filter_or_is_not_served_says_what_to_do(filters: Any, text: str):
    with pytest.raises(ValueError, match=text):
        alternatives_of(filters)


def test_as_many_alternatives_as_may_be_are_taken():
    filters = {"op": "IN", "key": "a", "values": list(range(MOST_ALTERNATIVES))}
    assert len(alternatives_of(filters)) == MOST_ALTERNATIVES
    assert alternatives_of(_nested(DEEPEST)) == [{"a": 1}]
