"""Asks a base's embedding model for vectors: in batches, again when it is busy, and never twice for the same text."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from array import array
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple
from uuid import UUID

import httpx
import structlog
from pydantic_ai.embeddings import Embedder, EmbeddingSettings, infer_embedding_model
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelUnavailableError,
)

from serai.domain.knowledge import NewChunk
from serai.domain.stored_text import storable
from serai.engine.interruption import describe
from serai.errors import ConfigurationError, SeraiError
from serai.knowledge.options import Knowledge
from serai.storage.connection import Connection, Database
from serai.storage.knowledge_embeddings import VectorKind, find_embeddings, keep_embeddings, settle, settled_kinds

BATCH_TEXTS: Final = 32
"""Texts of one call: the answer to more of them takes long enough to parse that other requests notice."""

BATCH_CHARACTERS: Final = 100_000
WINDOW_TEXTS: Final = 1024
MOST_CALLS: Final = 8
"""Calls that a node makes at a time to take contents into one base, and as many for its searches."""

KEPT_QUERIES: Final = 500
"""Vectors of what was looked for last, which a node remembers for each base."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_BUSY: Final = frozenset({408, 409, 425, 429})
_PASSING: Final = (
    ModelConnectionError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelUnavailableError,
    httpx.TransportError,
    ConnectionError,
    TimeoutError,
)
_log = structlog.get_logger("serai.knowledge")


class Patience(NamedTuple):
    """How often a call is made, how many seconds each may take, and how many are waited before the next one."""

    attempts: int
    call_s: float
    pause_s: float


_SHORTLY: Final = Patience(2, 20.0, 2.0)
"""Somebody waits, or a node wants to start."""

_PATIENTLY: Final = Patience(4, 120.0, LONGEST_PAUSE_S)


class EmbeddingError(SeraiError):
    """The embedding model refuses what it is asked, or answers what cannot be used; the message has its own words."""

    code = "embedding_failed"


class EmbedderUnavailableError(EmbeddingError):
    """The embedding model cannot be reached or is too busy; try again later."""

    code = "embedder_unavailable"


class Embedding:
    """The embedding model of one base.

    Args:
        base: which has an embedder.
        database: where vectors of texts are kept.
        first_pause_s: seconds before a call is made again; each further pause is twice as long.

    Attributes:
        model_name: provider and name.

    Raises:
        ConfigurationError: the base has no embedder, or one that cannot be made, as when its key is missing.
    """

    def __init__(self, base: Knowledge, database: Database, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._base = base
        self._database = database
        self._first_pause_s = first_pause_s
        self._embedder, self.model_name = _open(base)
        self._settings: EmbeddingSettings = {} if base.dimensions is None else {"dimensions": base.dimensions}
        self._calls = asyncio.Semaphore(MOST_CALLS)
        self._learning = asyncio.Lock()
        self._dimensions: int | None = None
        self._queries: dict[str, array[float]] = {}

    async def check(self) -> int | None:
        """Return how long the vectors of the base are, None while it has none; does not ask the model.

        Raises:
            ConfigurationError: the base has vectors of another model or length.
        """
        for settled in await settled_kinds(self._database, self._base.id):
            self._expect(settled)
            self._dimensions = settled.dimensions
        return self._dimensions

    async def dimensions(self) -> int:
        """Return how long the model's vectors are; the first time on a new base it is asked for one.

        Raises:
            ConfigurationError: the base has vectors of another model or length.
            EmbeddingError: the model gives none.
        """
        if self._dimensions is None:
            async with self._learning:
                self._dimensions = await self.check() or len((await self._ask(["dimensions"], _SHORTLY))[0])
        return self._dimensions

    async def settle(self, connection: Connection, project_id: str) -> None:
        """Fix model and length of the base's vectors, in the transaction that stores some.

        Raises:
            ConfigurationError: another node, configured otherwise, stored others meanwhile.
        """
        self._expect(
            await settle(connection, project_id, self._base.id, VectorKind(self.model_name, await self.dimensions()))
        )

    async def embed(
        self,
        texts: Sequence[str],
        *,
        project_id: str,
        user_id: str | None = None,
        content_id: UUID | None = None,
        tell: Callable[[int], None] = lambda _: None,
    ) -> list[array[float]]:
        """Return the vectors of texts, in their order.

        What was paid for is kept in the database before the next call: after a crash only the rest is asked for.

        Args:
            texts: none of them empty.
            project_id: whose they are; another project's vectors are never looked at.
            user_id: whose they are, within the project.
            content_id: of the base, which they are of; nothing is kept of one that is removed meanwhile.
            tell: called with how many are there, again and again.

        Raises:
            EmbedderUnavailableError: the model was asked several times and could not be reached, or was busy.
            EmbeddingError: it refuses a text, or answers what cannot be used.
        """
        kind = VectorKind(self.model_name, await self.dimensions())
        content = None if content_id is None else (self._base.id, content_id)

        async def keep(vectors: Mapping[bytes, array[float]]) -> None:
            await keep_embeddings(self._database, project_id, kind, vectors, user_id=user_id, content=content)

        found: list[array[float]] = []
        for start in range(0, len(texts), WINDOW_TEXTS):
            window = texts[start : start + WINDOW_TEXTS]
            hashes = await asyncio.to_thread(_hashes, window)
            known = await find_embeddings(self._database, project_id, kind, [*set(hashes)])
            missing = {key: text for key, text in zip(hashes, window, strict=True) if key not in known}
            await self._learn(missing, known, keep, lambda done: tell(len(found) + done))
            found.extend(known[key] for key in hashes)
        return found

    async def embed_query(self, text: str) -> array[float]:
        """Return the vector of what somebody looks for; that of the last ones is remembered, for their further pages.

        Raises:
            EmbedderUnavailableError: the model cannot be reached, or is busy.
            EmbeddingError: it refuses the text, or answers what cannot be used.
        """
        await self.dimensions()
        vector = self._queries.pop(text, None)
        if vector is None:
            (vector,) = await self._ask([storable(text)], _SHORTLY, purpose="query")
        self._queries[text] = vector  # the last one now
        while len(self._queries) > KEPT_QUERIES:
            del self._queries[next(iter(self._queries))]
        return vector

    async def _learn(
        self,
        missing: Mapping[bytes, str],
        known: dict[bytes, array[float]],
        keep: Callable[[Mapping[bytes, array[float]]], Awaitable[None]],
        tell: Callable[[int], None],
    ) -> None:
        """Add the vectors of texts, by their hashes, to those that are known."""

        async def learn(batch: Sequence[tuple[bytes, str]]) -> None:
            vectors = await self._ask([text for _, text in batch], _PATIENTLY)
            new = dict(zip((key for key, _ in batch), vectors, strict=True))
            await keep(new)
            known.update(new)
            tell(len(known))

        tell(len(known))
        await at_once([learn(batch) for batch in _batches(missing)])

    async def _ask(
        self, texts: Sequence[str], patience: Patience, *, purpose: Literal["query", "document"] = "document"
    ) -> list[array[float]]:
        for attempt in range(1, 1 + patience.attempts):
            try:
                async with self._calls, asyncio.timeout(patience.call_s):
                    answer = await self._embedder.embed(texts, input_type=purpose, settings=self._settings)
            except Exception as error:
                if not _is_passing(error):
                    raise EmbeddingError(f"The embedding model {self.model_name} refused: {describe(error)}") from error
                pause_s = self._pause_after(attempt, error)
                if attempt == patience.attempts or pause_s > patience.pause_s:
                    raise EmbedderUnavailableError(
                        f"The embedding model {self.model_name} could not be asked: {describe(error)}"
                    ) from error
                _log.warning("embedder_busy", model=self.model_name, reason=describe(error), next_in_s=pause_s)
                await asyncio.sleep(pause_s)
            else:
                if len(texts) == 1:
                    return self._read(answer.embeddings, 1)
                return await asyncio.to_thread(self._read, answer.embeddings, len(texts))
        raise AssertionError("the last attempt returns or raises")

    def _pause_after(self, attempt: int, error: Exception) -> float:
        told_s = error.retry_after if isinstance(error, ModelAPIError) else None
        pause_s = self._first_pause_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return min(pause_s if told_s is None else told_s, LONGEST_PAUSE_S)

    def _read(self, vectors: Sequence[Sequence[float]], count: int) -> list[array[float]]:
        if len(vectors) != count:
            raise EmbeddingError(
                f"The embedding model {self.model_name} gave {len(vectors)} vectors for {count} texts."
            )
        read = [array("f", vector) for vector in vectors]
        wanted = self._dimensions or self._base.dimensions or len(read[0])
        for vector in read:
            if not vector or not all(map(math.isfinite, vector)):
                raise EmbeddingError(f"The embedding model {self.model_name} gave a vector that is empty or infinite.")
            if len(vector) != wanted:
                raise EmbeddingError(
                    f"The embedding model {self.model_name} gave vectors of {len(vector)} numbers where those of "
                    f"Knowledge {self._base.id!r} have {wanted}."
                )
        return read

    def _expect(self, settled: VectorKind) -> None:
        length = self._base.dimensions or self._dimensions or settled.dimensions
        if settled != VectorKind(self.model_name, length):
            raise ConfigurationError(
                f"Knowledge {self._base.id!r} holds vectors of {settled.model} with {settled.dimensions} dimensions "
                f"and is declared with {self.model_name} and {length}; these cannot be compared. Declare what it "
                "holds; or give the base another id, and upload its documents again; or remove its contents before, "
                f"while it is declared as it was: serai knowledge rm --all --base {self._base.id}"
            )


def _open(base: Knowledge) -> tuple[Embedder, str]:
    if base.embedder is None:
        raise ConfigurationError(f"Knowledge {base.id!r} has no embedder.")
    try:
        if isinstance(base.embedder, Embedder):
            model = infer_embedding_model(base.embedder.model)
            return base.embedder, f"{model.system}:{model.model_name}"
        model = infer_embedding_model(base.embedder)
    except Exception as error:
        raise ConfigurationError(
            f"The embedder {base.embedder!r} of Knowledge {base.id!r} cannot be used: {describe(error)}"
        ) from error
    return Embedder(model), f"{model.system}:{model.model_name}"


def _is_passing(error: Exception) -> bool:
    """Tell whether the same call may succeed later."""
    if isinstance(error, ModelQuotaExceededError):
        return False
    if isinstance(error, ModelHTTPError):
        return error.status_code in _BUSY or error.status_code >= 500
    return isinstance(error, _PASSING)


def _hashes(texts: Sequence[str]) -> list[bytes]:
    return [hashlib.sha256(text.encode()).digest() for text in texts]


def _batches(texts: Mapping[bytes, str]) -> Iterator[list[tuple[bytes, str]]]:
    batch: list[tuple[bytes, str]] = []
    characters = 0
    for key, text in texts.items():
        if batch and (len(batch) == BATCH_TEXTS or characters + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append((key, text))
        characters += len(text)
    if batch:
        yield batch


def embedded_text(chunk: NewChunk) -> str:
    """Return the text of which the vector of a chunk is made: what stands above it, and its own."""
    return f"{chunk.heading}\n\n{chunk.text}".lstrip()


async def at_once(calls: Iterable[Coroutine[None, None, None]]) -> None:
    """Await calls side by side; the first that fails stops the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
