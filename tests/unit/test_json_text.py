"""Whatever a model or a tool says becomes valid JSON text, and comes back as far as JSON can say it."""

from __future__ import annotations

import dataclasses
import json
import math
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.components.run_input import RunInput, load_run_input
from serai.domain.json_text import MOST_LEVELS, dump_json, is_too_deep, load_json

ANY_TEXT = st.text(st.characters())  # lone surrogates and U+0000 among them
ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**80)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["NaN", "Infinity", "-Infinity", "null"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=15,
)


@dataclasses.dataclass
class Point:
    x: int
    label: str


class City(pydantic.BaseModel):
    name: str


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def sayable(value: Any) -> Any:
    """The value as far as JSON can say it: no NaN, no infinity, surrogate pairs joined."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, list):
        return [sayable(item) for item in value]
    if isinstance(value, dict):
        return {joined(name): sayable(item) for name, item in value.items()}
    return value


def joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@settings(deadline=None)
@given(ANY_VALUE)
def test_any_value_becomes_strict_json_that_loads_back(value: Any):
    data = dump_json(value)
    assert json.loads(data.decode("utf-8"), parse_constant=refuse_constant) == sayable(value)
    assert load_json(data) == sayable(value)


@given(ANY_TEXT)
def test_any_text_is_one_line(text: str):
    assert b"\n" not in dump_json(text)
    assert b"\x00" not in dump_json(text)


def test_halves_of_a_character_are_joined_when_they_meet():
    assert load_json(dump_json("\ud83d" + "\ude80")) == "\N{ROCKET}"


def test_the_words_nan_and_infinity_stay_words():
    assert load_json(dump_json(["NaN \ud800", "-Infinity", math.nan, -math.inf])) == [
        "NaN \ud800",
        "-Infinity",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
        (uuid.UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (Decimal("1.50"), '"1.50"'),
        (Point(1, "a"), '{"x":1,"label":"a"}'),
        (City(name="Rome"), '{"name":"Rome"}'),
        ([City(name="\ud800")], '[{"name":"\\ud800"}]'),
        ((1, 2), "[1,2]"),
        ({3}, "[3]"),
        (b"hi", '"aGk="'),
        ({1: "one"}, '{"1":"one"}'),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
    ],
)
def test_values_beyond_json_are_written_as_json_knows_them(value: Any, text: str):
    assert dump_json(value).decode() == text


def test_what_json_cannot_say_at_all_becomes_its_text():
    assert load_json(dump_json({"odd": complex(1, 2)})) == {"odd": "(1+2j)"}


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="Expecting"):
        load_json(b"{")


@settings(deadline=None)
@given(ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_VALUE, max_size=3))
def test_a_stored_input_is_read_whatever_text_is_in_it(message: str, metadata: dict[str, Any]):
    stored = dump_json(RunInput(message=message, metadata=metadata))
    assert load_run_input(stored) == RunInput(message=joined(message), metadata=sayable(metadata))


def test_a_stored_input_of_another_form_is_refused():
    with pytest.raises(msgspec.ValidationError):
        load_run_input(b'{"message":3}')
    with pytest.raises(ValueError, match="line 1"):
        load_run_input(b'{"message"')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_levels_are_counted_whatever_lies_beside_them(opening: str):
    closing = "]" if opening == "[" else "}"
    for levels in (0, 1, MOST_LEVELS - 1, MOST_LEVELS, MOST_LEVELS + 1, 900):
        value = json.loads(opening * levels + "1" + closing * levels)
        assert is_too_deep(value) is (levels > MOST_LEVELS)
        assert is_too_deep([{}, [1, "[[["], value, {"b": []}]) is (levels + 1 > MOST_LEVELS)
