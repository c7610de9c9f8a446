"""Words of documents and of questions, without a database."""

from __future__ import annotations

import pytest

from serai.domain.search_words import LONGEST_WORD, Term, Word, read_question, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't read serai.domain_words, 3.1!", ["don", "t", "read", "serai", "domain", "words", "3", "1"]),
        ("猫が iPhone手机", ["猫が", "が", "iphone", "手机", "机"]),
        ("\u202bשָׁלוֹם\u202c soft\u00adhyphen", ["שלום", "softhyphen"]),
        ("x" * 100, ["x" * LONGEST_WORD]),
        ("… -- 🎉", []),
    ],
)
def test_words_of_a_document(text: str, words: list[str]):
    assert words_of(text) == words


def test_a_question_is_read_as_people_type_it():
    asked = read_question('red “ripe apples” -green -"old pear" plum OR fig OR 猫 - x')
    apples, pear = (Term((Word(one), Word(other)), True) for one, other in (("ripe", "apples"), ("old", "pear")))
    red, plum, fig, green, x = (Term((Word(text),), False) for text in ("red", "plum", "fig", "green", "x"))
    cat = Term((Word("猫", is_prefix=True),), False)
    assert asked.wanted == ((red,), (apples,), (plum, fig, cat), (x,))
    assert asked.unwanted == (green, pear)


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("house –big –old", ["house"], ["big", "old"]),
        ("house  –“very big” garden 10–12", ["house", "garden", "10 12"], ["very big"]),
        ("house −big", ["house"], ["big"]),
        ("house – big –", ["house", "big"], []),
        ("the house –big and old– stands", ["the", "house", "big", "and", "old", "stands"], []),
        ("open 10 –12", ["open", "10", "12"], []),
        (" –Where is it?\n–Here", ["where", "is", "it", "here"], []),
        ("Paris–Dakar", ["paris dakar"], []),
    ],
)
def test_a_dash_is_a_minus_where_it_is_none_of_prose(text: str, wanted: list[str], unwanted: list[str]):
    asked = read_question(text)
    assert [text_of(term) for (term,) in asked.wanted] == wanted
    assert [text_of(term) for term in asked.unwanted] == unwanted


def text_of(term: Term) -> str:
    return " ".join(word.text for word in term.words)


def test_a_quote_that_does_not_end_and_nothing_but_signs_do_no_harm():
    assert read_question('"ripe apples').wanted == ((Term((Word("ripe"), Word("apples")), True),),)
    assert read_question('OR - "" OR ( & ! :* \'').wanted == ()
