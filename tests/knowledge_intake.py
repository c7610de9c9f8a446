"""A base of knowledge with a node that takes contents in, and what these may be fetched and embedded by. Not a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from pydantic_ai.embeddings import EmbeddingResult

from serai.domain.knowledge import ContentOrigin, ContentRecord, NewContent
from serai.engine.jobs import MAX_ATTEMPTS, JobRunner
from serai.knowledge.ingestion import JOBS_AT_ONCE, Ingestion, content_id, job_kind
from serai.knowledge.options import Knowledge
from serai.storage.connection import Database
from serai.storage.knowledge_contents import ContentStore
from serai.testing import HashedEmbeddingModel
from tests.run_values import until

WORDS = Knowledge(id="words")


class GatedModel(HashedEmbeddingModel):
    """Waits in every call that is about texts, and then fails with what is in `errors`."""

    def __init__(self) -> None:
        super().__init__(8)
        self.gate = asyncio.Event()
        self.waiting = asyncio.Semaphore(0)
        self.errors: list[Exception] = []

    async def embed(self, inputs: str | Sequence[str], **options: Any) -> EmbeddingResult:
        answer = await super().embed(inputs, **options)
        if answer.inputs != ["dimensions"]:
            self.waiting.release()
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return answer


@dataclass
class Intake:
    """A base, and a node that takes in what is added to it."""

    database: Database
    runner: JobRunner
    base: Knowledge
    project: str = field(default_factory=lambda: str(uuid4()))

    @property
    def contents(self) -> ContentStore:
        return ContentStore(self.database)

    async def add(self, source: bytes | str, **members: Any) -> UUID:
        """Add bytes, or what a URL answers."""
        is_url = isinstance(source, str)
        given: dict[str, Any] = {
            "project_id": self.project,
            "base_id": self.base.id,
            "id": content_id(self.base.id, source),
            "origin": ContentOrigin.URL if is_url else ContentOrigin.TEXT,
            "url": source if is_url else None,
            "size": 0 if is_url else len(source),
        }
        data = source if isinstance(source, bytes) else None
        record, _ = await self.contents.add(
            NewContent(**(given | members)), data, job_kind=job_kind(self.base.id, fetches=is_url)
        )
        self.runner.look()
        return record.id

    async def get(self, content: UUID) -> ContentRecord:
        record = await self.contents.get(self.project, self.base.id, content)
        assert record is not None
        return record

    async def ended(self, content: UUID) -> ContentRecord:
        await until(self.database, "select status <> 'processing' from knowledge_contents where id = $1", content)
        return await self.get(content)

    async def retry(self, times: int = MAX_ATTEMPTS - 2) -> None:
        """Have a job begun again as soon as it has failed, so many times; by default until its last attempt."""
        for attempt in range(1, 1 + times):
            await until(self.database, "select exists(select from jobs where attempts = $1 and error <> '')", attempt)
            await self.database.execute("update jobs set not_before = now(), error = '' where status = 'PENDING'")
            self.runner.look()

    async def texts(self, content: UUID) -> list[str]:
        rows = await self.database.fetch(
            "select text from knowledge_chunks where project_id = $1 and content_id = $2 order by position",
            self.project,
            content,
        )
        return [row["text"] for row in rows]

    async def vectors(self, content: UUID) -> int:
        count: int = await self.database.fetchval(
            "select count(*) from knowledge_vectors where project_id = $1 and content_id = $2", self.project, content
        )
        return count


@asynccontextmanager
async def intake(database: Database, base: Knowledge = WORDS) -> AsyncIterator[Intake]:
    """Lend a base, and a node that takes in what is added to it."""
    ingestion = Ingestion(database, [base])
    runner = JobRunner(
        database, str(uuid4()), {**ingestion.handlers, **ingestion.fetch_handlers}, max_jobs=JOBS_AT_ONCE
    )
    runner.start()
    try:
        yield Intake(database, runner, base)
    finally:
        await runner.stop()


@asynccontextmanager
async def website(body: bytes, *headers: str, failures: Sequence[str] = ()) -> AsyncIterator[str]:
    """Lend the URL of a server that answers these bytes, after a failure of each of these statuses."""
    left = list(failures)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [
            f"HTTP/1.1 {left.pop(0) if left else '200 OK'}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *headers,
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def paragraphs(count: int) -> bytes:
    """Return a text of so many chunks."""
    return "\n\n".join(f"Paragraph {number} " + f"about number{number} " * 60 for number in range(count)).encode()
