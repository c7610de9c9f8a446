"""Takes contents into their bases, as background jobs: fetches, reads, cuts and embeds them, and stores it all at once.

Whatever comes before the last transaction may be done again; what an embedding model was paid for is kept meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

import structlog

from serai.domain.knowledge import ContentPhase, ContentRecord, ContentStatus, NewChunk
from serai.domain.stored_text import storable
from serai.engine.interruption import describe
from serai.engine.jobs import MAX_ATTEMPTS, ActiveJob, JobHandler
from serai.errors import ConfigurationError, DatabaseUnavailableError, FencedError, RetryLaterError
from serai.knowledge.chunking import cut
from serai.knowledge.embedding import EmbedderUnavailableError, Embedding, EmbeddingError, embedded_text
from serai.knowledge.fetching import Fetched, UnfetchableError, UnreachableError, fetch
from serai.knowledge.late_vectors import LateVectors, embed_kind
from serai.knowledge.options import Knowledge
from serai.knowledge.reading import UnreadableError, read_document
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import ContentStore, TakenIn
from serai.storage.knowledge_vectors import clear_vectors, prepare, put_vectors

JOBS_AT_ONCE: Final = 4
"""Contents that a node takes in at a time, and as many at URLs: each holds a document in memory, and waits for much."""

REPORT_S: Final = 0.5
_CONTENTS: Final = UUID("5f3f4d8e-6a39-5b0c-9f0e-2d8c5c1b7a64")
_log = structlog.get_logger("serai.knowledge")


def job_kind(base_id: str, *, fetches: bool = False) -> str:
    """Return the kind of the jobs that take contents into a base; nodes that have it do them.

    Their payload is ``{"base_id", "content_id"}``. Those that fetch URLs are of a kind of their own: what was uploaded
    does not wait for slow servers.
    """
    return f"knowledge.{'fetch' if fetches else 'ingest'}/{base_id}"


def content_id(base_id: str, source: bytes | str) -> UUID:
    """Return the id of a content: the same bytes, or the same URL, are one content of a base."""
    of = f"url:{storable(source)}" if isinstance(source, str) else f"bytes:{hashlib.sha256(source).hexdigest()}"
    return uuid5(uuid5(_CONTENTS, storable(base_id)), of)


class Ingestion:
    """This node's part in taking contents in.

    Args:
        database: where contents are.
        bases: which bases this node knows.
    """

    def __init__(self, database: Database, bases: Iterable[Knowledge]) -> None:
        self._database = database
        self._contents = ContentStore(database)
        self._bases = {base.id: base for base in bases}
        self._embeddings = {
            base.id: Embedding(base, database) for base in self._bases.values() if base.embedder is not None
        }

    @property
    def handlers(self) -> dict[str, JobHandler]:
        """What does the jobs of its bases, by kind."""
        late = LateVectors(self._database, self._embeddings)
        handlers: dict[str, JobHandler] = {job_kind(base_id): self.do for base_id in self._bases}
        return handlers | {embed_kind(base_id): late.do for base_id in self._embeddings}

    @property
    def fetch_handlers(self) -> dict[str, JobHandler]:
        """The same for contents that are at URLs."""
        return {job_kind(base_id, fetches=True): self.do for base_id in self._bases}

    async def do(self, job: ActiveJob) -> None:
        """Take in a job's content; one that is gone, done or another job's by now is left alone.

        What is wrong with the content ends it as failed. Anything else is tried again with the job, and ends the
        content as failed when that comes to nothing.

        Raises:
            UnreachableError: the content's URL cannot be fetched just now.
            EmbedderUnavailableError: the embedding model cannot be asked just now.
            DatabaseUnavailableError: PostgreSQL cannot be reached.
            FencedError: the job is another node's by now.
        """
        record = await self._contents.get(job.project_id, job.payload["base_id"], UUID(job.payload["content_id"]))
        if record is None or record.status is not ContentStatus.PROCESSING or record.job_id != job.id:
            return
        if job.attempts >= MAX_ATTEMPTS:
            await self._fail(
                job, record, f"It was begun {MAX_ATTEMPTS - 1} times and came to no end; it may be too large."
            )
            return
        try:
            await self._take_in(record)
        except (UnfetchableError, UnreadableError, EmbeddingError, ConfigurationError) as error:
            if isinstance(error, UnreachableError | EmbedderUnavailableError) and job.attempts < MAX_ATTEMPTS - 1:
                await self._contents.explain(record, f"{error.message} It will be tried again.")
                raise
            await self._fail(job, record, error.message)
        except (FencedError, RetryLaterError):
            raise
        except Exception as error:
            if job.attempts < MAX_ATTEMPTS - 1:
                raise
            _log.exception("knowledge_content_failed", content_id=str(record.id))
            await self._fail(job, record, f"It could not be taken in ({describe(error)}); the server's log says more.")

    async def _take_in(self, record: ContentRecord) -> None:
        base = self._bases[record.base_id]
        async with _telling(self._contents, record) as progress:
            chunks, taken = await self._cut(base, record, progress)
            vectors = await self._embed(base, record, chunks, progress)
        if progress.written is not None:  # it takes long enough to be looked at
            await self._contents.advance(record, ContentPhase.STORING, 0, len(chunks))
        await self._store(base, record, taken, chunks, vectors)

    async def _cut(self, base: Knowledge, record: ContentRecord, progress: _Progress) -> tuple[list[NewChunk], TakenIn]:
        """Return the content's chunks, and what became known of it."""
        source = await self._source(base, record, progress)
        progress.enter(ContentPhase.READING)
        document = await read_document(
            source.data,
            name=source.name,
            media_type="; charset=".join(part for part in (source.media_type, source.charset) if part) or None,
            reader_id=record.reader_id,
        )
        progress.enter(ContentPhase.CHUNKING)
        size = record.chunk_size or base.chunk_size
        overlap = min(base.chunk_overlap, size // 2) if record.chunk_overlap is None else record.chunk_overlap
        chunker = record.chunker or base.chunker
        try:
            chunks = await cut(document, chunker=chunker, chunk_size=size, chunk_overlap=overlap)
        except ValueError as error:
            raise UnreadableError(f"It cannot be cut as asked: {error}.") from error
        return chunks, await asyncio.to_thread(_describe, source, len(chunks))

    async def _embed(
        self, base: Knowledge, record: ContentRecord, chunks: Sequence[NewChunk], progress: _Progress
    ) -> list[array[float]] | None:
        """Return the vectors of chunks; None where the base has none."""
        embedding = self._embeddings.get(base.id)
        if embedding is None or not await prepare(self._database, await embedding.dimensions()):
            return None
        progress.enter(ContentPhase.EMBEDDING, total=len(chunks))
        texts = [embedded_text(chunk) for chunk in chunks]
        return await embedding.embed(
            texts,
            project_id=record.project_id,
            user_id=record.user_id,
            content_id=record.id,
            tell=progress.tell,
        )

    async def _source(self, base: Knowledge, record: ContentRecord, progress: _Progress) -> Fetched:
        """Return the content's bytes; those of a URL are fetched, and kept as those of a file are."""
        place = (record.project_id, record.base_id, record.id)
        if record.url is None:
            data = await self._contents.source(*place)
            if data is None:
                raise UnreadableError("Its bytes are not there any more; upload it again.")
            return Fetched(data=data, media_type=record.media_type, name=record.name)
        progress.enter(ContentPhase.FETCHING)
        fetched = await fetch(record.url, allow_private=base.allow_private_urls)
        await self._contents.put_source(*place, fetched.data)
        return fetched

    async def _store(
        self,
        base: Knowledge,
        record: ContentRecord,
        taken: TakenIn,
        chunks: Sequence[NewChunk],
        vectors: Sequence[array[float]] | None,
    ) -> None:
        """Make the content found, all of it at once, unless it is gone or another job's by now."""
        async with self._database.transaction() as connection:
            held = await self._contents.hold(connection, record)
            if held is None:
                return
            named = replace(held, name=held.name or taken.name)
            await put_chunks(connection, named, chunks, language=base.language)
            if vectors is not None:
                await self._embeddings[base.id].settle(connection, record.project_id)
                await put_vectors(connection, record, vectors)
            else:
                await clear_vectors(connection, record)
            await self._contents.complete(connection, record, replace(taken, has_vectors=vectors is not None))

    async def _fail(self, job: ActiveJob, record: ContentRecord, message: str) -> None:
        await job.check()
        _log.info("knowledge_content_failed", content_id=str(record.id), base_id=record.base_id, reason=message)
        await self._contents.fail(record, message)


class _Progress:
    """How far a content is: the phase, and how many chunks of how many are through it."""

    def __init__(self) -> None:
        self.reached = (ContentPhase.QUEUED, 0, 0)
        self.written: tuple[ContentPhase, int, int] | None = None

    def enter(self, phase: ContentPhase, *, total: int = 0) -> None:
        """Begin a phase."""
        self.reached = (phase, 0, total)

    def tell(self, done: int) -> None:
        """Note how many chunks are through."""
        phase, _, total = self.reached
        self.reached = (phase, done, total)


@asynccontextmanager
async def _telling(contents: ContentStore, record: ContentRecord) -> AsyncIterator[_Progress]:
    """Lend a progress that is written down every now and then, while the block goes on."""
    progress = _Progress()
    writer = asyncio.create_task(_write(contents, record, progress))
    try:
        yield progress
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)  # what it met, the last transaction meets, too


async def _write(contents: ContentStore, record: ContentRecord, progress: _Progress) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        reached = progress.reached
        if reached != progress.written:
            with contextlib.suppress(DatabaseUnavailableError):  # it is only said, and said again soon
                await contents.advance(record, *reached)
                progress.written = reached


def _describe(source: Fetched, chunks: int) -> TakenIn:
    sha256 = hashlib.sha256(source.data).digest()
    return TakenIn(chunks=chunks, media_type=source.media_type, sha256=sha256, size=len(source.data), name=source.name)
