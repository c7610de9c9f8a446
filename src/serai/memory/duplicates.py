"""Which memories say the same: exactly, but for case and blanks, or nearly, by their words. No I/O.

What is called a duplicate may be dropped, so it errs on the side of keeping both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from serai.domain.memories import UNSPACED, fold_said
from serai.domain.search_text import fold

NEAR: Final = 0.8
"""From which share of common words on two memories may say the same."""

_FEWEST_TURNED: Final = 4
"""Of fewer words a turned order mostly changes who does what."""

_FILLERS: Final = frozenset({"the", "a", "an", "user", "users", "s"})
_NEGATIONS: Final = frozenset(
    {
        *("not", "no", "never", "none", "without", "cannot", "t", "dont", "doesnt", "isnt", "nicht", "kein", "keine"),
        *("nie", "ohne", "ne", "pas", "jamais", "sans", "nunca", "sin", "non", "mai", "не", "нет", "никогда", "без"),
        *("不", "没", "沒", "无", "無", "非", "别", "ない", "안", "않", "못"),
    }
)
# A date or a version is one word; in scripts that are written without blanks each character is.
_WORD: Final = re.compile(rf"\d+(?:[^\w\s]+\d+)+|[{UNSPACED}]|[^\W_{UNSPACED}]+")

Words: TypeAlias = dict[str, None]
"""Words in their order, each once."""


def words_of(text: str) -> Words:
    """Return the words of a memory that carry meaning, each once, without regard to case and punctuation."""
    return dict.fromkeys(word for word in _WORD.findall(fold(text)) if word not in _FILLERS)


def are_near(one: Words, other: Words) -> bool:
    """Return whether memories of these words nearly say the same.

    One has all words of the other and few more, none of which is a number or a negation: a memory in which one word
    stands for another tells something else. So does one whose words stand in another order, unless only a part at its
    end has moved to its beginning.
    """
    fewer, more = sorted((one, other), key=len)
    if not fewer or not fewer.keys() <= more.keys() or len(fewer) < NEAR * len(more):
        return False
    if any(word in _NEGATIONS or any(letter.isdigit() for letter in word) for word in more.keys() - fewer.keys()):
        return False
    return _is_turned([*fewer], [word for word in more if word in fewer])


def group_exact(texts: Sequence[str]) -> list[list[int]]:
    """Return the positions of texts that are the same but for case and blanks, two or more in a group."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        positions[fold_said(text)].append(position)
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


def _is_turned(one: list[str], other: list[str]) -> bool:
    """Return whether the same words stand in the same order, or would if the text began elsewhere."""
    if one == other or len(one) < _FEWEST_TURNED:
        return one == other
    start = other.index(one[0])
    return one == other[start:] + other[:start]


def _near_pairs(words: Mapping[int, Words]) -> Iterable[tuple[int, int]]:
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
