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
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid5

import structlog

from serai.domain.knowledge import ContentPhase, ContentRecord, ContentStatus, NewChunk
from serai.domain.stored_text import is_storable, storable
from serai.engine.interruption import is_stop_request
from serai.engine.jobs import MAX_ATTEMPTS, ActiveJob
from serai.errors import ConfigurationError, DatabaseUnavailableError, FencedError, SeraiError
from serai.knowledge.chunking import cut
from serai.knowledge.embedding import EmbedderUnavailableError, Embedding, EmbeddingError
from serai.knowledge.fetching import FetchLimits, UnfetchableError, fetch
from serai.knowledge.options import Knowledge
from serai.knowledge.reading import ReadLimits, UnreadableError, read_document
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import put_chunks
from serai.storage.knowledge_contents import ContentStore
from serai.storage.knowledge_vectors import prepare, put_vectors

JOB: Final = "knowledge.ingest"
"""The kind of these jobs; their payload is ``{"base_id", "content_id"}``."""

JOBS_AT_ONCE: Final = 4
"""Contents that a node takes in at a time: each holds a document in memory, and waits for processes and models."""

REPORT_S: Final = 0.5
_CONTENTS: Final = UUID("5f3f4d8e-6a39-5b0c-9f0e-2d8c5c1b7a64")
_OVERLAP_SHARE: Final = 10
_LARGE_BYTES: Final = 1024 * 1024
_log = structlog.get_logger("serai.knowledge")


def content_id(base_id: str, source: bytes | str) -> UUID:
    """Return the id of a content: the same bytes, or the same URL, are one content of a base."""
    of = f"url:{storable(source)}" if isinstance(source, str) else f"bytes:{hashlib.sha256(source).hexdigest()}"
    return uuid5(uuid5(_CONTENTS, storable(base_id)), of)


class Ingestion:
    """This node's part in taking contents in.

    Args:
        database: where contents are.
        bases: which bases this node knows.
        read_limits: what a document may cost to read.
        fetch_limits: what a URL may cost to fetch.
    """

    def __init__(
        self,
        database: Database,
        bases: Iterable[Knowledge],
        *,
        read_limits: ReadLimits = ReadLimits(),  # noqa: B008 - frozen
        fetch_limits: FetchLimits = FetchLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._database = database
        self._contents = ContentStore(database)
        self._bases = {base.id: base for base in bases}
        self._embeddings = {
            base.id: Embedding(base, database) for base in self._bases.values() if base.embedder is not None
        }
        self._read_limits = read_limits
        self._fetch_limits = fetch_limits

    async def do(self, job: ActiveJob) -> None:
        """Take in a job's content; one that is gone, done or another job's by now is left alone.

        What is wrong with the content ends it as failed. Anything else is tried again with the job, and ends the
        content as failed when that comes to nothing.

        Raises:
            EmbedderUnavailableError: the embedding model cannot be asked just now.
            DatabaseUnavailableError: PostgreSQL cannot be reached.
            FencedError: the job is another node's by now.
        """
        record = await self._contents.get(job.project_id, job.payload["base_id"], UUID(job.payload["content_id"]))
        if record is None or record.status is not ContentStatus.PROCESSING or record.job_id != job.id:
            return
        if job.attempts >= MAX_ATTEMPTS:
            await self._fail(record, f"It was begun {MAX_ATTEMPTS - 1} times and came to no end; it may be too large.")
            return
        try:
            await self._take_in(record)
        except (UnfetchableError, UnreadableError, ConfigurationError) as error:
            await self._fail(record, error.message)
        except EmbeddingError as error:
            if isinstance(error, EmbedderUnavailableError) and job.attempts < MAX_ATTEMPTS - 1:
                raise
            await self._fail(record, error.message)
        except (FencedError, RetryLaterError):
            raise
        except Exception as error:
            if job.attempts < MAX_ATTEMPTS - 1:
                raise
            _log.exception("knowledge_content_failed", content_id=str(record.id))
            await self._fail(record, f"It could not be taken in ({describe(error)}); the server's log says more.")

    async def _take_in(self, record: ContentRecord) -> None:
        base = self._bases.get(record.base_id)
        if base is None:
            raise UnknownBaseError(f"no knowledge base {record.base_id!r} is declared on this server")
        embedding = self._embeddings.get(base.id)
        async with _telling(self._contents, record) as progress:
            data, record = await self._source(base, record, progress)
            progress.enter(ContentPhase.READING)
            document = await read_document(
                data,
                name=record.name,
                media_type=record.media_type,
                reader_id=record.reader_id,
                limits=self._read_limits,
            )
            progress.enter(ContentPhase.CHUNKING)
            chunks = await _cut(document, record, base)
            vectors = None
            if embedding is not None and await prepare(self._database, await embedding.dimensions()):
                progress.enter(ContentPhase.EMBEDDING, total=len(chunks))
                vectors = await embedding.embed(
                    [chunk.text for chunk in chunks],
                    project_id=record.project_id,
                    user_id=record.user_id,
                    tell=progress.tell,
                )
            progress.enter(ContentPhase.STORING, total=len(chunks))
            await self._store(base, record, chunks, vectors)
