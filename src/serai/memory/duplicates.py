"""Which memories say the same: exactly, but for case and blanks, or nearly, by their words. No I/O.

What is called a duplicate may be dropped, so it errs on the side of keeping both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from serai.domain.memories import UNSPACED, fold

NEAR: Final = 0.8
"""From which share of common words on two memories may say the same."""

_FILLERS: Final = frozenset({"the", "a", "an", "user", "users", "s"})
_NEGATIONS: Final = frozenset(
    {
        *("not", "no", "never", "none", "without", "cannot", "t", "dont", "doesnt", "isnt", "nicht", "kein", "keine"),
        *("nie", "ohne", "ne", "pas", "jamais", "sans", "nunca", "sin", "non", "mai", "не", "нет", "никогда", "без"),
        *("不", "没", "沒", "无", "無", "非", "别", "ない", "안", "않", "못"),
    }
)
# In scripts that are written without blanks each character counts as a word.
_WORD: Final = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")

Key = TypeVar("Key", bound=Hashable)


def words_of(text: str) -> frozenset[str]:
    """Return the words of a memory that carry meaning, without regard to case, order and punctuation."""
    return frozenset(_WORD.findall(fold(text))) - _FILLERS


def are_near(one: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether memories of these words nearly say the same.

    One has all words of the other and few more, none of which is a number or a negation: a memory in which one word
    stands for another tells something else.
    """
    fewer, more = sorted((one, other), key=len)
    if not fewer or not fewer <= more or len(fewer) < NEAR * len(more):
        return False
    return not any(word in _NEGATIONS or any(letter.isdigit() for letter in word) for word in more - fewer)


def find_near(text: str, known: Mapping[Key, str]) -> Key | None:
    """Return the key of a text that nearly, or exactly, says what a new one says; None when none does.

    Args:
        text: the new memory.
        known: the user's memories.
    """
    words, said = words_of(text), _said(text)
    return next((key for key, one in known.items() if _said(one) == said or are_near(words, words_of(one))), None)


def group_exact(texts: Sequence[str]) -> list[list[int]]:
    """Return the positions of texts that are the same but for case and blanks, two or more in a group."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        positions[_said(text)].append(position)
    return [group for group in positions.values() if len(group) > 1]


def group_near(texts: Sequence[str]) -> list[list[int]]:
    """Return the positions of texts that nearly say the same, and not exactly, two or more in a group.

    Cost: each text is compared with those that have its rarest words, not with all.
    """
    exact = {position for group in group_exact(texts) for position in group[1:]}
    words = {position: words_of(text) for position, text in enumerate(texts) if position not in exact}
    groups: dict[int, list[int]] = {}
    for position, other in _near_pairs(words):
        first, second = groups.setdefault(position, [position]), groups.setdefault(other, [other])
        if first is not second:
            first += second
            groups.update(dict.fromkeys(second, first))
    return [sorted(group) for position, group in sorted(groups.items()) if min(group) == position]


def _near_pairs(words: Mapping[int, frozenset[str]]) -> Iterable[tuple[int, int]]:
    """Yield the pairs of sets that are near.

    Of two such sets the smaller lies in the larger, which lacks at most a fifth of its own words in it; so they have a
    word in common among the rarest fifth, and one more, of the larger's words, and the smaller's rarest likewise.
    """
    frequency: dict[str, int] = defaultdict(int)
    for of_one in words.values():
        for word in of_one:
            frequency[word] += 1
    holders: dict[str, list[int]] = defaultdict(list)
    for position, of_one in sorted(words.items(), key=lambda item: len(item[1])):
        rarest = sorted(of_one, key=lambda word: (frequency[word], word))
        rarest = rarest[: len(rarest) - -(-len(rarest) * 4 // 5) + 1]
        candidates = {holder for word in rarest for holder in holders[word]}
        yield from ((position, holder) for holder in sorted(candidates) if are_near(of_one, words[holder]))
        for word in rarest:
            holders[word].append(position)


def _said(text: str) -> str:
    return " ".join(fold(text).split())
