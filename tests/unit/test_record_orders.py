"""The grammar of `order_by`, and the keys that it becomes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.fields import PayloadFields
from serai.records.orders import parse_order, sort_keys

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)
KEYWORDS = {"": False, " asc": False, " ASC": False, "\tdesc": True, "  DeSc ": True}


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), st.sampled_from(sorted(KEYWORDS))), min_size=1))
def test_quoted_names_of_any_characters_come_back(items: list[tuple[list[str], str]]):
    text = " , ".join(".".join(map(quote, names)) + keyword for names, keyword in items)
    expected: dict[tuple[str, ...], bool] = {}
    for names, keyword in items:
        expected.setdefault(tuple(names), KEYWORDS[keyword])
    assert {item.path.segments: item.descending for item in parse_order(text)} == expected
    assert [item.path.segments for item in parse_order(text)] == list(expected)


@given(st.text('a."data, \tdesc', max_size=20))
def test_any_text_is_an_order_or_is_refused(text: str):
    with suppress(InvalidFieldError):
        assert bool(parse_order(text)) == bool(text.strip())


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "a,",
        ",a",
        "a,,b",
        "a b",
        "a asc desc",
        "a ascending",
        "data.",
        ".a",
        "a.",
        "a..b",
        '"a',
        '"a"b',
        '""',
        "a. b",
    ],
)
def test_other_texts_are_refused(text: str):
    with pytest.raises(InvalidFieldError) as caught:
        parse_order(text)
    assert caught.value.issues[0]["loc"] == ["body", "order_by"]


@pytest.mark.parametrize("text", [None, "", "  \t"])
def test_no_order_has_no_items(text: str | None):
    assert parse_order(text) == ()


def test_the_first_of_two_items_for_one_field_counts():
    assert [(item.text, item.descending) for item in parse_order("a desc, data.a, b, a")] == [("a", True), ("b", False)]


def test_a_payloads_own_member_is_not_the_records_timestamp():
    items = parse_order("data.created_at, created_at desc")
    assert [item.text for item in items] == ["data.created_at", "created_at"]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        (None, [("created_at", True), ("id", True)]),
        ("created_at", [("created_at", False), ("id", False)]),
        ("updated_at", [("updated_at", False), ("created_at", True), ("id", True)]),
        ("v, created_at", [("created_at", False), ("id", False)]),
        ("created_at desc, v", [("id", True)]),
    ],
)
def test_ties_end_with_insertion(text: str | None, ending: list[tuple[str, bool]]):
    keys = sort_keys(parse_order(text), PayloadFields(Arguments()))
    assert [(key.sql, key.descending) for key in keys[-len(ending) :]] == ending
