"""The chunks that are searched: texts of a vocabulary in which few words are common, and vectors near some centres."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from typing import Final

from benchmarks.knowledge.operations import DIMENSIONS, GROUPS
from serai.domain.ids import new_key
from serai.domain.knowledge import NewChunk, NewContent
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import ContentStore, TakenIn
from serai.storage.knowledge_vectors import put_vectors

PROJECT, BASE, LANGUAGE = "benchmark", "base", "english"
_WORDS, _WORDS_OF_CHUNK, _CENTRES, _CHUNKS_OF_CONTENT = 20_000, 120, 500, 200
_SPREAD: Final = 0.1
_HITS: Final = 200
_HARMONIC: Final = sum(1 / (n + 1) for n in range(_WORDS))


class Dataset:
    """Chunks and questions, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._words = ["".join(self._random.choices("bcdfglmnprst", k=4)) + f"{n}x" for n in range(_WORDS)]
        # The n-th word comes as often as 1/n, as in texts of people.
        self._weights = [1 / (n + 1) for n in range(_WORDS)]
        self._centres = [self._vector() for _ in range(_CENTRES)]

    async def load(self, database: Database, chunks: int) -> None:
        """Store so many chunks, with their vectors, as contents that were taken in."""
        store = ContentStore(database)
        for start in range(0, chunks, _CHUNKS_OF_CONTENT):
            count = min(_CHUNKS_OF_CONTENT, chunks - start)
            new = NewContent(project_id=PROJECT, base_id=BASE, id=new_key(), name=f"Document {start}")
            content, _ = await store.add(new, None, job_kind="benchmark")
            async with database.transaction() as connection:
                await put_chunks(connection, content, list(self._chunks(start, count)), language=LANGUAGE)
                await put_vectors(connection, content, [self.near_some() for _ in range(count)])
                await store.complete(connection, content, TakenIn(chunks=count))

    def question(self, chunks: int) -> list[str]:
        """Return two words that some hundred of so many chunks have both of."""
        rank = round(_WORDS_OF_CHUNK / _HARMONIC * (chunks / _HITS) ** 0.5)
        return self._random.sample(self._words[rank // 2 + 1 : rank * 2 + 4], 2)

    def near_some(self) -> list[float]:
        """Return a vector near one of the centres."""
        centre = self._random.choice(self._centres)
        return [value + _SPREAD * noise for value, noise in zip(centre, self._vector(), strict=True)]

    def text(self, words: int) -> str:
        """Return so many words."""
        return " ".join(self._random.choices(self._words, self._weights, k=words))

    def _chunks(self, start: int, count: int) -> Iterator[NewChunk]:
        for position in range(1, count + 1):
            metadata = {"group": (start + position) % GROUPS}
            yield NewChunk(position=position, text=self.text(_WORDS_OF_CHUNK), metadata=metadata, tokens=200)

    def _vector(self) -> array[float]:
        return array("f", [self._random.gauss(0, 1) for _ in range(DIMENSIONS)])
