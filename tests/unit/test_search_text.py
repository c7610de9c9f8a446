"""Text as it is searched: what people hold for the same is found, and the index never misses what is there."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.search_text import LONGEST_TITLE, fold, pieces_of, pieces_to_find, storable, title_of

TEXTS = st.text(max_size=40) | st.text(alphabet="aAbB éÉßſΣσςİı日本語\u0301\u1e9e\x1f", max_size=20)


@given(TEXTS, st.data())
def test_the_pieces_of_a_part_are_among_those_of_the_whole(text: str, data: st.DataObject):
    folded = fold(text)
    start = data.draw(st.integers(0, len(folded)))
    part = folded[start : data.draw(st.integers(start, len(folded)))]
    assert set(pieces_to_find(part)) <= pieces_of(folded)


@given(TEXTS)
def test_folding_is_done_at_once_and_leaves_nothing_that_is_not_in_one_form(text: str):
    folded = fold(text)
    assert fold(folded) == folded == unicodedata.normalize("NFKC", folded)
    assert "\x1f" not in folded


@given(TEXTS)
def test_upper_and_lower_case_and_the_forms_of_a_character_are_the_same(text: str):
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    if text.upper().casefold() == text.casefold():
        assert fold(text.upper()) == fold(text)


@pytest.mark.parametrize(
    ("written", "sought"),
    [
        ("Straße", "STRASSE"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("Ｆｕｌｌ width", "full WIDTH"),
        ("cafe\u0301", "CAFÉ"),
        ("ПРИВЕТ", "привет"),
    ],
)
def test_what_people_hold_for_the_same_is_the_same(written: str, sought: str):
    assert fold(written) == fold(sought)


def test_a_text_too_short_for_the_index_has_no_pieces_to_find():
    assert (pieces_to_find("ab"), pieces_to_find("日"), pieces_to_find("")) == ([], [], [])
    assert (pieces_to_find("日本"), pieces_to_find("abc")) == (["日本"], ["abc"])


@given(st.text(alphabet=st.characters(), max_size=400))
def test_a_title_can_be_stored_and_is_short(text: str):
    title = title_of(text)
    assert len(title) <= LONGEST_TITLE
    assert storable(title) == title
    assert "\0" not in title
    title.encode()
