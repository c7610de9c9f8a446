"""The grammar of filters, and what of it may reach SQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.fields import PayloadFields
from serai.records.filters import OPERATORS, TimeTerm, compile_filter, parse_filter
from serai.records.scalars import Instant, read_instant

MARK = "MARKED'\"$1;--"
"""Stands in every name and value of a caller: no piece of it may be seen in a statement."""


def compile_json(wanted: Any) -> tuple[str, Arguments]:
    arguments = Arguments()
    return compile_filter(parse_filter(json.dumps(wanted).encode()), PayloadFields(arguments), arguments), arguments


@given(
    st.dictionaries(st.text('ab."data', max_size=6), st.sampled_from(OPERATORS), max_size=3),
    st.one_of(st.just(MARK), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()),
)
def test_nothing_of_a_callers_text_reaches_sql(names: dict[str, str], value: Any):
    wanted = {
        '"{}"'.format(f"{MARK}{name}".replace('"', '""')): {
            operator: [value, MARK] if operator in ("includes", "excludes") else value
        }
        for name, operator in names.items()
    }
    sql, arguments = compile_json(wanted)
    assert "MARKED" not in sql
    assert all(f"${number}::" in sql for number in range(1, len(arguments.values) + 1))


@pytest.mark.parametrize(
    ("wanted", "loc"),
    [
        ([], []),
        ("x", []),
        ({"v": 1}, ["v"]),
        ({"v": None}, ["v"]),
        ({"v": {"contains": "1"}}, ["v", "contains"]),
        ({"v": {"EQ": 1}}, ["v", "EQ"]),
        ({"v": {"eq": [1]}}, ["v", "eq"]),
        ({"v": {"lt": {}}}, ["v", "lt"]),
        ({"v": {"includes": "x"}}, ["v", "includes"]),
        ({"v": {"includes": ["x", ["y"]]}}, ["v", "includes", 1]),
        ({"v": {"excludes": None}}, ["v", "excludes"]),
        ({"": {"eq": 1}}, [""]),
        ({"a.": {}}, ["a."]),
        ({'"a': {"eq": 1}}, ['"a']),
        ({"created_at": {"gte": 1704067200}}, ["created_at", "gte"]),
        ({"created_at": {"eq": True}}, ["created_at", "eq"]),
        ({"updated_at": {"includes": ["2024-01-01", "yesterday"]}}, ["updated_at", "includes", 1]),
    ],
)
def test_what_is_wrong_is_named(wanted: Any, loc: list[Any]):
    with pytest.raises(InvalidFieldError) as caught:
        compile_json(wanted)
    assert caught.value.issues[0]["loc"] == ["body", "filter", *loc]


@pytest.mark.parametrize("wanted", [None, {}, {"a": {}}])
def test_an_empty_filter_always_holds(wanted: Any):
    assert compile_json(wanted)[0] == "true"


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time", "is_later"),
    [
        ("2024-02-29T12:00:00Z", NOON, False),
        ("2024-02-29 12:00:00", NOON, False),
        ("2024-02-29t12:00:00z", NOON, False),
        ("2024-02-29T12:00", NOON, False),
        ("2024-02-29 12:00:00+00:00", NOON, False),
        ("2024-02-29T14:30:00+02:30", NOON, False),
        ("2024-02-29T14:00:00+0200", NOON, False),
        ("2024-02-29T00:00:00.0-12:00", NOON, False),
        ("2024-02-29", NOON.replace(hour=0), False),
        ("2024-02-29T12:00:00.5Z", NOON.replace(microsecond=500_000), False),
        ("2024-02-29T12:00:00.000001000Z", NOON.replace(microsecond=1), False),
        ("2024-02-29T12:00:00.000001001Z", NOON.replace(microsecond=1), True),
    ],
)
def test_iso_8601_is_read(text: str, time: datetime, is_later: bool):
    assert read_instant(json.dumps(text).encode(), ("body",)) == Instant(time, is_later)


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2024", "2024-02-30", "2024-13-01", "2024-02-29T", "2024-02-29T25:00:00", "20240229",
        "29.02.2024", "2024-02-29T12:00:00.0000000001Z", "2024-02-29T12:00:00 UTC", "0001-01-01T00:00:00+14:00",
        "2024-02-29Z", "9999-12-31T23:59:59-01:00", "٢٠٢٤-02-29", "2024-02-29T12:00.5Z",
    ],
)  # fmt: skip
def test_other_texts_are_no_times(text: str):
    with pytest.raises(InvalidFieldError):
        read_instant(json.dumps(text).encode(), ("body",))


@pytest.mark.parametrize(
    ("operator", "sql"),
    [
        ("eq", "false"),
        ("ne", "true"),
        ("gt", "created_at > $1"),
        ("gte", "created_at > $1"),
        ("lt", "created_at <= $1"),
        ("lte", "created_at <= $1"),
    ],
)
def test_a_moment_between_two_microseconds_compares_exactly(operator: str, sql: str):
    term = TimeTerm("created_at", operator, (Instant(NOON, is_later=True),))
    assert compile_filter((term,), PayloadFields(Arguments()), Arguments()).removesuffix("::timestamptz") == sql
