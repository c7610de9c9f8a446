"""Embeds, as background jobs, what was taken in while its base had no embedder, or PostgreSQL no pgvector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from serai.domain.knowledge import ContentRecord
from serai.engine.jobs import ActiveJob
from serai.knowledge.embedding import (
    WINDOW_TEXTS,
    EmbedderUnavailableError,
    Embedding,
    EmbeddingError,
    at_once,
    embedded_text,
)
from serai.storage.connection import Database
from serai.storage.jobs import JobStore
from serai.storage.knowledge_contents import ContentStore
from serai.storage.knowledge_unembedded import (
    chunks_of,
    count_unembedded,
    explain_unembedded,
    mark_embedded,
    next_unembedded,
    projects_with_unembedded,
)
from serai.storage.knowledge_vectors import prepare, put_vectors

MOST_REFUSED: Final = 20
"""Contents that a job tries in vain until it ends: a model that refuses all of them has a wrong key, or the like."""

_log = structlog.get_logger("serai.knowledge")


def embed_kind(base_id: str) -> str:
    """Return the kind of the jobs that embed a base's contents; nodes that have it with an embedder do them.

    Their payload is ``{"base_id"}``; a project has one at a time.
    """
    return f"knowledge.embed/{base_id}"


async def enqueue_late(database: Database, base_id: str) -> bool:
    """Store jobs for the projects that have contents of a base without vectors; tell whether there are any new ones."""
    jobs = JobStore(database)
    payload = {"base_id": base_id}
    stored = [
        await jobs.enqueue(embed_kind(base_id), payload, project_id=project_id, dedupe_key=base_id)
        for project_id in await projects_with_unembedded(database, base_id)
    ]
    return any(stored)


class LateVectors:
    """This node's part in embedding what has no vectors yet.

    Args:
        database: where contents are.
        embeddings: the models of this node's bases, by their ids.
    """

    def __init__(self, database: Database, embeddings: Mapping[str, Embedding]) -> None:
        self._database = database
        self._contents = ContentStore(database)
        self._embeddings = embeddings

    async def do(self, job: ActiveJob) -> None:
        """Embed the contents of a job's base, some at a time; each gets its vectors all at once, and stays as it is.

        What the model refuses says so in its status message, and is tried again by later jobs. A job that is begun
        again passes over what has its vectors.

        Raises:
            EmbedderUnavailableError: the model cannot be asked just now.
            ConfigurationError: the base has vectors of another model.
            DatabaseUnavailableError: PostgreSQL cannot be reached.
            FencedError: the job is another node's by now.
        """
        project_id, base_id = job.project_id, job.payload["base_id"]
        embedding = self._embeddings[base_id]
        if not await prepare(self._database, await embedding.dimensions()):
            return
        progress = {"done": 0, "refused": 0, "total": await count_unembedded(self._database, project_id, base_id)}
        after: UUID | None = None
        _log.info("knowledge_embedding_begins", base_id=base_id, contents=progress["total"])
        while progress["refused"] < MOST_REFUSED:
            ids = await next_unembedded(self._database, project_id, base_id, after=after, most_chunks=WINDOW_TEXTS)
            if not ids:
                break
            found = [await self._contents.get(project_id, base_id, content_id) for content_id in ids]
            await at_once([self._embed(embedding, content, progress) for content in found if content])
            after = ids[-1]
            await job.report(progress)
        _log.info("knowledge_embedding_ends", base_id=base_id, done=progress["done"], refused=progress["refused"])

    async def _embed(self, embedding: Embedding, content: ContentRecord, progress: dict[str, int]) -> None:
        chunks = await chunks_of(self._database, content)
        texts = [embedded_text(chunk) for chunk in chunks]
        try:
            vectors = await embedding.embed(
                texts, project_id=content.project_id, user_id=content.user_id, content_id=content.id
            )
        except EmbedderUnavailableError:
            raise
        except EmbeddingError as error:
            progress["refused"] += 1
            _log.warning("knowledge_content_not_embedded", content_id=str(content.id), reason=error.message)
            await explain_unembedded(self._database, content, f"It is searched by words only. {error.message}")
            return
        async with self._database.transaction() as connection:
            if await mark_embedded(connection, content):
                await embedding.settle(connection, content.project_id)
                await put_vectors(connection, content, vectors)
                progress["done"] += 1
