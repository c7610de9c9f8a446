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


def test_a_quote_that_does_not_end_and_nothing_but_signs_do_no_harm():
    assert read_question('"ripe apples').wanted == ((Term((Word("ripe"), Word("apples")), True),),)
    assert read_question('OR - "" OR ( & ! :* \'').wanted == ()
