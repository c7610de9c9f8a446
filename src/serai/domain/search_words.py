"""Words by which documents are found: the same of a document and of a question about it, in any script.

Scripts that put no blanks between words are taken by pairs of characters, each of which stands for a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from serai.domain.search_text import fold

LONGEST_WORD: Final = 64
LONGEST_QUESTION: Final = 4_000
"""What comes after so many characters is not looked for."""

MOST_INDEXED: Final = 200_000
"""Of a document's characters; PostgreSQL takes no more than a megabyte of words."""

# Han, kana, Hangul, Thai, Lao, Myanmar, Khmer.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035"
    "\u3041-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them: Latin, Cyrillic, Hebrew, Arabic, and the vowel signs of Indic scripts.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0971-\u0dff"
    "\u0f18-\u0fbc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
)
_TOKEN: Final = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?:[^\W_{_UNSPACED}]|[{_MARKS}])+")
_UNSPACED_WORD: Final = re.compile(f"[{_UNSPACED}]+")

# Points of Hebrew and Arabic, which most people leave out, tatweel, and what is not seen: joiners, hyphens, directions.
_UNSEEN: Final = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8"
    "\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
# Some keyboards make an en dash of a minus. But in prose one may begin what another one ends, stand before the end of a
# range, or, where a line begins, before what somebody says.
_MINUS: Final = r"(?<!\S)[-−]|(?<=[^\S\r\n])–(?=[^\W\d]|\")(?![^–]*[^\s–]–(?!\w))"
_PIECE: Final = re.compile(rf'(?P<minus>{_MINUS})?(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<plain>[^\s"]+))')


class Word(NamedTuple):
    """A word to be found.

    Attributes:
        is_prefix: all words that begin so are meant.
    """

    text: str
    is_prefix: bool = False


class Term(NamedTuple):
    """Words that follow each other.

    Attributes:
        is_quoted: somebody put them in quotes: there must be just these.
    """

    words: tuple[Word, ...]
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class WordQuestion:
    """What somebody looks for, in words.

    Attributes:
        wanted: a document should have one term of each group.
        unwanted: it must have none of these.
    """

    wanted: tuple[tuple[Term, ...], ...]
    unwanted: tuple[Term, ...]

    def words(self) -> Iterator[Word]:
        """Return all words, wanted or not."""
        for term in (*(term for group in self.wanted for term in group), *self.unwanted):
            yield from term.words


def words_of(text: str) -> list[str]:
    """Return the words by which a document is found, in the order in which they stand."""
    return [word.text for word in _words(_fold(text[:MOST_INDEXED]))]


def read_question(text: str) -> WordQuestion:
    """Return what a question means, as people type it: ``red "ripe apples" -green, pears OR plums``."""
    groups: list[tuple[Term, ...]] = []
    unwanted: list[Term] = []
    joins = False
    for piece in _PIECE.finditer(text.strip()[:LONGEST_QUESTION].translate(_QUOTES)):
        if piece["plain"] == "OR" and not piece["minus"]:
            joins = bool(groups)
            continue
        quoted = piece["quoted"]
        words = _to_find(_fold(piece["plain"] if quoted is None else quoted))
        if not words:
            continue
        term = Term(words, quoted is not None)
        if piece["minus"]:
            unwanted.append(term)
        elif joins:
            groups[-1] += (term,)
        else:
            groups.append((term,))
        joins = False
    return WordQuestion(tuple(dict.fromkeys(groups)), tuple(unwanted))


def _fold(text: str) -> str:
    folded = fold(text)
    return folded if folded.isascii() else _UNSEEN.sub("", folded)


def _words(folded: str) -> Iterator[Word]:
    """Return the words of a text; the last character of what has no blanks is one, too, so that each begins one."""
    for token in _TOKEN.finditer(folded):
        run = token["unspaced"]
        if run is None:
            yield Word(token[0][:LONGEST_WORD])
        else:
            yield from (Word(run[start : start + 2]) for start in range(len(run)))


def _to_find(folded: str) -> tuple[Word, ...]:
    """Return the words of a text that may go on in a document: what follows its last character is not known."""
    words = tuple(_words(folded))
    if not words or not _UNSPACED_WORD.fullmatch(words[-1].text):
        return words
    *before, last = words
    is_told = bool(before) and len(before[-1].text) > 1 and bool(_UNSPACED_WORD.fullmatch(before[-1].text))
    return tuple(before) if is_told else (*before, last._replace(is_prefix=True))
