"""The grammar of field paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.records.orders import parse_order
from serai.records.paths import TIMESTAMPS, Path, PathError, format_path, parse_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age", Path(("age",))),
        ("a.b.c", Path(("a", "b", "c"))),
        ("data", Path(("data",))),
        ("data.age", Path(("age",), or_below_data=True)),
        ("data.created_at", Path(("created_at",), or_below_data=True)),
        ("data.data.vendor", Path(("data", "vendor"))),
        ("data.data", Path(("data",))),
        ('"a.b"', Path(("a.b",))),
        ('data."Invoice Number"', Path(("Invoice Number",), or_below_data=True)),
        ('"data".x', Path(("data", "x"))),
        ('"say ""hi"""', Path(('say "hi"',))),
        ('a"b', Path(('a"b',))),
        ("0", Path(("0",))),
        (" spaced out ", Path((" spaced out ",))),
    ],
)
def test_texts_name_paths(text: str, expected: Path):
    assert parse_path(text) == expected


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "data.", '"', '"a', '"a"b', '""', 'a."', '"a"".b', "a\x00b", "data.."]
)
def test_texts_that_break_the_grammar_are_refused(text: str):
    with pytest.raises(PathError):
        parse_path(text)


@given(st.lists(st.text(min_size=1, alphabet=st.characters(exclude_characters="\x00")), min_size=1))
def test_quoting_reaches_members_of_any_name(names: list[str]):
    text = ".".join('"{}"'.format(name.replace('"', '""')) for name in names)
    assert parse_path(text) == Path(tuple(names))


@given(st.lists(st.text(min_size=1, alphabet="abd.\"data, \t'0$created_at"), min_size=1), st.booleans())
def test_a_formatted_path_reads_as_itself(names: list[str], below: bool):
    path = Path(tuple(names), or_below_data=below and names[0] != "data")
    text = format_path(path)
    assert parse_path(text) == path
    [item] = parse_order(text)
    assert (item.path, item.text in TIMESTAMPS) == (path, False)


@pytest.mark.parametrize("text", ["a", "data.a", "data", "a.b", '"a.b"', 'data."a b".c', '"data".x', '"created_at"'])
def test_the_text_of_a_path_is_short(text: str):
    assert format_path(parse_path(text)) == text
