"""Payload text: what is kept as it came, what is spelled out, what is refused."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.errors import InvalidFieldError
from serai.records.payload import payload_text, value_text

LOC = ("body", "data")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(TEXT, JSON, max_size=3))
def test_every_value_stays_what_it_is(data: dict[str, object]):
    assert json.loads(payload_text(json.dumps(data).encode(), loc=LOC)) == data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_still_one_when_only_its_digits_are_kept(number: float):
    spelled = value_text(repr(number).encode(), loc=LOC)
    # What jsonb does with a number: it keeps value and scale, and forgets the exponent.
    kept = format(Decimal(spelled), "f")
    assert isinstance(json.loads(kept), float)
    assert json.loads(kept) == number


def test_text_that_needs_nothing_is_not_touched():
    raw = b'{ "a" : 1.50, "b": "1e400 \\" 1e5", "c": 123 }'
    assert payload_text(raw, loc=LOC) == raw.decode()


def test_exponents_are_spelled_out_outside_strings_only():
    raw = rb'{"1e5": 1e5, "x": "a\"1e5", "y": [-2E-3, 1e+2], "z": 1.5e1}'
    assert payload_text(raw, loc=LOC) == r'{"1e5": 100000.0, "x": "a\"1e5", "y": [-0.002, 100.0], "z": 15.0}'


def test_integers_keep_all_their_digits():
    raw = b'{"a": %d}' % 10**4000
    assert payload_text(raw, loc=LOC) == raw.decode()


@pytest.mark.parametrize("number", [b"1e400", b"-1E+99999", b"1" + b"0" * 400 + b".5", b"9" * 4301])
def test_numbers_that_readers_cannot_hold_are_refused(number: bytes):
    with pytest.raises(InvalidFieldError):
        payload_text(b'{"a": [%b]}' % number, loc=LOC)


def test_numbers_too_small_for_a_float_are_zero():
    assert payload_text(b'{"a": 1e-99999999}', loc=LOC) == '{"a": 0.0}'


@pytest.mark.parametrize("raw", [b"[]", b'"{}"', b"null", b"1"])
def test_what_is_no_object_is_refused(raw: bytes):
    with pytest.raises(InvalidFieldError, match="object"):
        payload_text(raw, loc=LOC)


def test_broken_utf_8_is_refused_with_its_position():
    with pytest.raises(InvalidFieldError, match="byte 7"):
        payload_text(b'{"a": "\xff"}', loc=LOC)


@pytest.mark.parametrize(
    "text", [r"\u0000", r"\ud800", r"\udc00", r"\ud800\ud800\udc00", r"\udc00\ud800", r"\ud800 \udc00", r"\\\u0000"]
)
def test_what_no_text_in_postgres_can_hold_is_refused(text: str):
    with pytest.raises(InvalidFieldError):
        payload_text(f'{{"a": "{text}"}}'.encode(), loc=LOC)


@pytest.mark.parametrize("text", [r"\ud83d\ude00", r"\\u0000", r"\\\\ud800", r"\u0001", r"\uD83D\uDE00\n"])
def test_escapes_that_name_a_character_are_kept(text: str):
    raw = f'{{"a": "{text}"}}'
    assert payload_text(raw.encode(), loc=LOC) == raw
