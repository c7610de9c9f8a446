"""The chunks that are stored before anything is measured, made from their numbers, and what is asked of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from uuid import UUID

from serai.domain.knowledge import NewChunk

BASE = "bench"
DIMENSIONS = 384
CHUNKS_OF_CONTENT = 100
TAGS, WORDS, WORDS_OF_CHUNK = 100, 2000, 60


def text_of(number: int) -> str:
    """Return the text of a chunk: some words that many have, some that few have, and a mark of its own."""
    digest = hashlib.shake_256(number.to_bytes(8, "big")).digest(2 * WORDS_OF_CHUNK)
    places = (int.from_bytes(digest[at : at + 2], "big") for at in range(0, len(digest), 2))
    return f"{' '.join(f'word{place**2 * WORDS >> 32}' for place in places)} mark{number}"


def vector_of(text: str) -> list[float]:
    """Return the vector of a text: its hash, the same everywhere and for nothing."""
    return [byte - 127.5 for byte in hashlib.shake_256(text.encode()).digest(DIMENSIONS)]


def tag_of(number: int) -> str:
    """Return the tag of a chunk, which one of a hundred has."""
    return f"t{number % TAGS}"


def question_of(index: int, chunks: int) -> str:
    """Return the words of a question: three of a chunk's, of those that many have."""
    words = text_of(1 + index * 7919 % chunks).split()[:WORDS_OF_CHUNK]
    return " ".join(sorted(set(words), key=lambda word: int(word.removeprefix("word")))[2:5])


def contents(chunks: int) -> Iterator[tuple[UUID, str, list[NewChunk]]]:
    """Yield the contents: id, tag, chunks. All chunks of a content have its tag."""
    for first in range(1, chunks + 1, CHUNKS_OF_CONTENT):
        tag = tag_of(first // CHUNKS_OF_CONTENT)
        numbers = range(first, min(first + CHUNKS_OF_CONTENT, chunks + 1))
        some = [
            NewChunk(position=at, text=text_of(number), metadata={"tag": tag}, tokens=WORDS_OF_CHUNK)
            for at, number in enumerate(numbers, 1)
        ]
        yield UUID(int=first), tag, some
