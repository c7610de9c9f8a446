"""How the texts of memories are folded, and that a part of a text is found by the marks of the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serai.domain.memories import fold, fold_hash, storable, tag_marks, text_marks

TEXT = st.text(alphabet=st.sampled_from("abcß ÄÉéйЙ喝茶ア가\u0e01\u0301ﬁ"), max_size=30)


@given(TEXT, st.data())
def test_the_marks_of_a_part_are_among_those_of_the_whole(text: str, data: st.DataObject):
    folded = fold(text)
    start = data.draw(st.integers(0, len(folded)))
    end = data.draw(st.integers(start, len(folded)))
    assert text_marks("p", folded[start:end]) <= text_marks("p", folded)


@given(TEXT)
def test_folding_twice_is_folding_once_and_case_does_not_matter(text: str):
    assert fold(fold(text)) == fold(text)
    assert fold(text.upper()) == fold(fold(text).upper())


def test_short_words_of_scripts_without_blanks_have_marks_and_others_do_not():
    assert len(text_marks("p", "喝茶")) == 3
    assert text_marks("p", "茶") <= text_marks("p", "喜欢喝茶")
    assert text_marks("p", "ab") == set()


def test_marks_differ_by_project_and_by_what_they_are_of():
    assert text_marks("p", "tea").isdisjoint(text_marks("q", "tea"))
    marks = [
        text_marks("p", "tea"),
        tag_marks("p", ["tea"], None, None),
        tag_marks("p", [], "tea", None),
        tag_marks("p", [], None, "tea"),
    ]
    assert len(set.union(*marks)) == 4
    assert all(-(2**31) <= mark < 2**31 for mark in set.union(*marks))


def test_what_cannot_be_stored_is_taken_out():
    assert storable("a\0b\ud800c") == "ab?c"


def test_texts_that_differ_in_case_and_blanks_have_one_hash_for_one_user():
    assert fold_hash("p", "u", " Likes\n TEA") == fold_hash("p", "u", "likes tea")
    assert len({fold_hash("p", "u", "tea"), fold_hash("p", "v", "tea"), fold_hash("q", "u", "tea")}) == 3
