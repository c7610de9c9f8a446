"""The chunks that are searched, made from their numbers, and what is asked of them; the same in every process.

Few words are common and many are rare, as in texts of people, and vectors lie around centres, as those of models do.
Imported by the peers in environments of their own: it needs nothing but numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

BASE = "bench"
DIMENSIONS, CENTRES, SPREAD = 384, 500, 0.5
CHUNKS_OF_CONTENT, TAGS = 20, 100
WORDS, WORDS_OF_CHUNK = 10_000, 60
ASKED_RANKS = range(50, 2_000)
"""Questions have words that are neither among the most common nor among the rarest."""

_SYLLABLES = ("bo", "cu", "da", "fi", "ga", "lo", "mu", "no", "ra", "ti")
_DRAWS = 1 << 16

Vector = NDArray[np.float64]


def word_of(rank: int) -> str:
    """Return a word; 0 is the most common one."""
    return "".join(_SYLLABLES[int(digit)] for digit in str(rank))


def ranks_of(number: int) -> list[int]:
    """Return which words a chunk has: the n-th comes as often as 1/n."""
    digest = hashlib.shake_256(number.to_bytes(8, "big")).digest(2 * WORDS_OF_CHUNK)
    ranks = _ranks()
    return [ranks[digest[at] << 8 | digest[at + 1]] for at in range(0, len(digest), 2)]


def text_of(number: int) -> str:
    """Return the text of a chunk: its words, and a mark that no other has."""
    words = _words()
    return f"{' '.join([words[rank] for rank in ranks_of(number)])} mark{number}"


def tag_of(number: int) -> str:
    """Return the tag of a chunk, which about one of a hundred has; all chunks of a content have the same."""
    return f"t{(number - 1) // CHUNKS_OF_CONTENT % TAGS}"


def vector_of(text: str) -> Vector:
    """Return the vector of a text, near one of the centres: made of its hash, as good as for nothing."""
    digest = hashlib.shake_256(text.encode()).digest(DIMENSIONS + 2)
    noise = np.frombuffer(digest, np.uint8, offset=2) - 127.5
    vector: Vector = _centres()[int.from_bytes(digest[:2], "big") % CENTRES] + SPREAD * noise
    return vector


def number_asked(index: int, chunks: int) -> int:
    """Return the number of the chunk that a question is made of."""
    return 1 + index * 7919 % chunks


def question_of(index: int, chunks: int, *, is_loose: bool = False) -> str:
    """Return the words of a question: two of one chunk, or one each of six chunks, which hardly any has together."""
    numbers = [number_asked(index + at, chunks) for at in range(6 if is_loose else 1)]
    each = 1 if is_loose else 2
    asked = (list(dict.fromkeys(rank for rank in ranks_of(number) if rank in ASKED_RANKS)) for number in numbers)
    return " ".join(word_of(rank) for ranks in asked for rank in ranks[:each])


def contents(chunks: int) -> Iterator[range]:
    """Yield the numbers of each content's chunks."""
    for first in range(1, chunks + 1, CHUNKS_OF_CONTENT):
        yield range(first, min(first + CHUNKS_OF_CONTENT, chunks + 1))


def name_of(numbers: range) -> str:
    """Return the name of a content."""
    return f"Document {numbers[0]}"


@cache
def _words() -> list[str]:
    return [word_of(rank) for rank in range(WORDS)]


@cache
def _ranks() -> list[int]:
    """Return the ranks that draws of 16 bits stand for."""
    sums = list(accumulate(1 / (rank + 1) for rank in range(WORDS)))
    places = np.searchsorted(np.array(sums), (np.arange(_DRAWS) + 0.5) / _DRAWS * sums[-1])
    return [int(place) for place in places]


@cache
def _centres() -> NDArray[np.float64]:
    digests = b"".join(hashlib.shake_256(f"centre {at}".encode()).digest(DIMENSIONS) for at in range(CENTRES))
    centres: NDArray[Any] = np.frombuffer(digests, np.uint8).reshape(CENTRES, DIMENSIONS) - 127.5
    return centres
