"""One run: takes documents in, then fills databases and searches them, Serai and the bare statements in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median, quantiles
from typing import Any

from benchmarks.database import Server
from benchmarks.knowledge import bare
from benchmarks.knowledge.dataset import BASE, LANGUAGE, PROJECT, Dataset
from benchmarks.knowledge.documents import make_document
from benchmarks.knowledge.operations import (
    BARE_SEARCH,
    DIMENSIONS,
    FORMATS,
    GROUPS,
    RESULTS_WANTED,
    SERAI_SEARCH,
    Sizes,
    search_name,
)
from benchmarks.knowledge.results import Ingestion, Result, Search
from benchmarks.results import describe_commit, describe_machine
from benchmarks.subjects import work_folder
from serai.domain.knowledge import ContentOrigin, ContentStatus, SearchQuestion, SearchType
from serai.engine.jobs import JobRunner
from serai.engine.node import Node
from serai.knowledge.bases import KnowledgeBase, KnowledgeBases, Upload
from serai.knowledge.ingestion import JOB
from serai.knowledge.ingestion import Ingestion as Ingesting
from serai.knowledge.options import Knowledge
from serai.knowledge.searching import Searcher
from serai.storage.connection import Database
from serai.storage.embedded import EmbeddedPostgres
from serai.storage.knowledge_vectors import prepare
from serai.storage.migrate import migrate

Report = Callable[[str], None]
_TICK_S, _LOOK_S, _WARM_UPS = 0.001, 0.01, 3


@dataclass(frozen=True)
class _Question:
    words: Sequence[str]
    vector: Sequence[float]
    filters: Mapping[str, Any]


class _GivenVector:
    """Gives the vector of the question: what a model takes to make it is not the search's."""

    vector: Sequence[float] = ()

    async def embed_query(self, text: str) -> Sequence[float]:  # noqa: ARG002 - the seam's
        return self.vector


async def measure(sizes: Sizes, *, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        report: called with lines of progress.
    """
    with work_folder() as folder:
        postgres = EmbeddedPostgres(folder / "postgres")
        server = Server(await asyncio.to_thread(postgres.start))
        try:
            async with _database(server, "taking_in") as database:
                ingestions = await _take_in(database, sizes, report)
            searches: list[Search] = []
            for chunks in sizes.chunks:
                async with _database(server, f"of_{chunks}") as database:
                    searches += await _search(database, chunks, sizes, report)
        finally:
            await asyncio.to_thread(postgres.stop)
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        not_run={},
        searches=searches,
        ingestions=ingestions,
    )


@asynccontextmanager
async def _database(server: Server, name: str) -> AsyncIterator[Database]:
    dsn = await asyncio.to_thread(server.create, name)
    await migrate(dsn)
    database = Database(dsn, connections=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _take_in(database: Database, sizes: Sizes, report: Report) -> list[Ingestion]:
    base = Knowledge(id=BASE)
    node = Node(database.dsn, name="benchmark", lease_s=30, on_released=lambda: None)
    await node.start()
    runner = JobRunner(database, node.id, {JOB: Ingesting(database, [base]).do})
    runner.start()
    bases = KnowledgeBases(database, [base], announce=runner.look)
    try:
        await _take_in_format(bases.get(BASE), "txt", sizes, seed=0)  # what is done once is done by now
        found = []
        for seed, kind in enumerate(FORMATS, start=1):
            found.append(await _take_in_format(bases.get(BASE), kind, sizes, seed=seed))
            report(f"taken in: {kind}")
        return found
    finally:
        await runner.stop()
        await node.stop()


async def _take_in_format(base: KnowledgeBase, kind: str, sizes: Sizes, *, seed: int) -> Ingestion:
    data = Dataset(seed)
    documents = [make_document(kind, data, sizes.document_chunks) for _ in range(sizes.documents)]
    lag = asyncio.create_task(_watch_lag())
    cpu, began = time.process_time(), time.perf_counter()
    chunks = 0
    for number, document in enumerate(documents):
        upload = Upload(project_id=PROJECT, data=document, name=f"{seed}-{number}.{kind}", origin=ContentOrigin.FILE)
        record = await base.upload(upload)
        while record.status is ContentStatus.PROCESSING:
            await asyncio.sleep(_LOOK_S)
            current = await base.contents.get(PROJECT, BASE, record.id)
            assert current is not None
            record = current
        if record.status is ContentStatus.FAILED:
            raise RuntimeError(f"a {kind} was not taken in: {record.status_message}")
        chunks += record.chunks
    took_s, used_s = time.perf_counter() - began, time.process_time() - cpu
    lag.cancel()
    return Ingestion(
        format=kind,
        documents=len(documents),
        chunks=chunks,
        document_ms=took_s * 1000 / len(documents),
        cpu_ms=used_s * 1000 / len(documents),
        lag_ms=await lag,
    )


async def _watch_lag() -> float:
    """Return the longest time in milliseconds for which the event loop did not come back, once cancelled."""
    longest = 0.0
    with suppress(asyncio.CancelledError):
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            longest = max(longest, time.perf_counter() - began - _TICK_S)
    return longest * 1000


async def _search(database: Database, chunks: int, sizes: Sizes, report: Report) -> list[Search]:
    data, given = Dataset(), _GivenVector()
    if not await prepare(database, DIMENSIONS):
        raise RuntimeError("this PostgreSQL has no pgvector")
    await data.load(database, chunks)
    await database.execute("vacuum analyze")
    report(f"loaded: {chunks:,} chunks")
    searcher = Searcher(database, Knowledge(id=BASE, language=LANGUAGE), given)
    found = []
    for search_type, is_filtered in product(SearchType, (False, True)):
        questions = [
            _Question(data.question(chunks), data.near_some(), {"group": number % GROUPS} if is_filtered else {})
            for number in range(sizes.searches + _WARM_UPS)
        ]

        async def ours(asked: _Question, kind: SearchType = search_type) -> int:
            given.vector = asked.vector
            question = SearchQuestion(
                project_id=PROJECT,
                base_id=BASE,
                text=" ".join(asked.words),
                search_type=kind,
                filters=asked.filters,
                limit=RESULTS_WANTED,
            )
            return len(await searcher.search(question))

        async def plain(asked: _Question, kind: SearchType = search_type) -> int:
            # With a filter too few chunks have all the words, and Serai looks for those that have some.
            words = (" | " if asked.filters else " & ").join(asked.words)
            return await bare.find(database, kind, words, asked.vector, asked.filters)

        name = search_name(search_type, is_filtered=is_filtered)
        for subject, ask in ((SERAI_SEARCH, ours), (BARE_SEARCH, plain)):
            found.append(await _time(name, subject, chunks, questions, ask))
        report(f"searched: {name}")
    return found


async def _time(
    name: str, subject: str, chunks: int, questions: Sequence[_Question], ask: Callable[[_Question], Awaitable[int]]
) -> Search:
    for question in questions[:_WARM_UPS]:
        await ask(question)
    times, found = [], 0
    for question in questions[_WARM_UPS:]:
        began = time.perf_counter()
        found += await ask(question)
        times.append((time.perf_counter() - began) * 1000)
    p95 = quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return Search(name, subject, chunks, len(times), median(times), p95, found)
