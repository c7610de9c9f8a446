"""What a running server holds: its database, its engine and its stores, started and stopped together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pydantic_ai
import structlog

from serai.components.memory_extraction import extraction_handlers
from serai.domain.schedules import ScheduleSpec
from serai.engine import retention
from serai.engine.engine import Engine, EngineOptions
from serai.engine.jobs import JobHandler, JobRunner
from serai.engine.retention import Retention, RetentionRules
from serai.engine.schedules import Scheduler
from serai.errors import ConfigurationError, SeraiError
from serai.evals.evals import Evals
from serai.knowledge.bases import KnowledgeBases
from serai.knowledge.documents import take_documents
from serai.knowledge.ingestion import JOBS_AT_ONCE, Ingestion
from serai.knowledge.options import Knowledge
from serai.records.indexes.declared import RecordIndex
from serai.records.queries import RecordQueries
from serai.records.store import RecordStore
from serai.server import metrics_refresh
from serai.server.components import Components
from serai.server.record_indexing import KIND, RecordIndexing
from serai.server.schedules import declare
from serai.server.scope import DEFAULT_PROJECT
from serai.server.tracing import Tracing
from serai.settings import Settings
from serai.storage.census import CensusTaker
from serai.storage.connection import Database, retry_while_unavailable
from serai.storage.jobs import JobStore
from serai.storage.knowledge_embeddings import forget_embeddings
from serai.storage.memories import MemoryStore
from serai.storage.metrics import MetricsStore
from serai.storage.migrate import migrate
from serai.storage.partitions import create_partitions
from serai.storage.schedules import ScheduleStore
from serai.storage.sessions import SessionStore
from serai.storage.trace_store import TraceStore
from serai.telemetry.series import Series

if TYPE_CHECKING:
    from serai.engine.active_run import Component
    from serai.storage.embedded import EmbeddedPostgres

DAY_S = 86_400
HOUR_S = 3_600
INDEX_S = 60.0
POSTGRES_LOOK_S = 2.0
FOLD_S = 1.0
MEMORY_JOBS = 8
"""Runs whose words are read at a time: each waits for a model, and for nothing else."""
_log = structlog.get_logger("serai.server")


class Runtime:
    """The server behind the routes: ``request.app.state.serai``.

    Args:
        settings: where the database is, and how a node behaves.
        components: what is hosted.
        record_indexes: indexes of records that a person asks for.
        os_id: of the OS that declares the schedules.
        schedules: what the OS declares.
        knowledge: its knowledge bases.
    """

    database: Database
    engine: Engine
    jobs: JobStore
    memories: MemoryStore
    job_runner: JobRunner
    records: RecordStore
    record_queries: RecordQueries
    schedules: ScheduleStore
    scheduler: Scheduler
    metrics: MetricsStore
    retention: Retention
    sessions: SessionStore
    evals: Evals
    knowledge: KnowledgeBases
    tracing: Tracing
    census: CensusTaker

    def __init__(
        self,
        *,
        settings: Settings,
        components: Components,
        record_indexes: Sequence[RecordIndex] = (),
        os_id: str = "serai",
        schedules: Sequence[ScheduleSpec] = (),
        knowledge: Sequence[Knowledge] = (),
    ) -> None:
        self.settings = settings
        self.components = components
        self._declared = (os_id, schedules)
        self._knowledge = knowledge
        self._postgres: EmbeddedPostgres | None = None
        self._upkeep: list[asyncio.Task[None]] = []
        self._indexing = RecordIndexing(settings, record_indexes)
        self._job_handlers: dict[str, JobHandler] = {
            KIND: self._indexing.do,
            retention.JOB: lambda job: self.retention.do(job),  # noqa: PLW0108 - it is made at the start
            metrics_refresh.KIND: lambda job: metrics_refresh.do_refresh(self.metrics, job),
        }
        self._is_drained = False
        self.series = Series()

    def register_job(self, kind: str, handler: JobHandler) -> None:
        """Have this node do the background jobs of a kind; before the start."""
        self._job_handlers[kind] = handler

    async def start(self) -> None:
        """Start or join PostgreSQL, bring its tables up to date, and begin to take runs.

        Raises:
            ConfigurationError: the database cannot be used as configured.
        """
        pydantic_ai.BANNER_ENABLED = False  # else it prints one into the server's terminal at the first run
        try:
            dsn = await self._start_postgres()
            await migrate(dsn)
            self.database = Database(dsn, connections=self.settings.database_connections, meter=self.series)
            await self.database.open()
            self.census = CensusTaker(self.database)
            await create_partitions(self.database)
            self.records = RecordStore(self.database)
            self.record_queries = RecordQueries(self.database, self._indexing.open(self.database))
            self.knowledge = KnowledgeBases(
                self.database,
                self._knowledge,
                announce=self._announce_content,
            )
            self.tracing = Tracing(self.settings, self.database, self.series, os_id=self._declared[0])
            self.engine = Engine(
                self.database,
                cast("list[Component]", list(self.components)),
                options=EngineOptions(
                    node_name=self.settings.node_name,
                    max_runs=self.settings.max_runs,
                    lease_s=self.settings.lease_s,
                    max_takeovers=self.settings.max_takeovers,
                ),
                knowledge=self.knowledge,
                tracer=self.tracing.tracer,
            )
            self.jobs = JobStore(self.database)
            self.memories = MemoryStore(self.database)
            self.schedules = ScheduleStore(self.database)
            self.metrics = MetricsStore(self.database)
            self.retention = Retention(self.database, _retention_rules(self.settings))
            self.sessions = SessionStore(self.database)
            self.traces = TraceStore(self.database)
            self.scheduler = Scheduler(self.database, self.engine.components, submit=self.engine.submit)
            await declare(self.database, *self._declared)
            self.job_runner = JobRunner(
                self.database, self.engine.node.id, self._job_handlers, tell=self.engine.tell_jobs
            )
            extraction = extraction_handlers(self.database, self.components, tracer=self.tracing.tracer)
            memory_jobs = JobRunner(self.database, self.engine.node.id, extraction, max_jobs=MEMORY_JOBS)
            self.evals = Evals(self.database, self.engine, self.components)
            self._knowledge_jobs = self._new_knowledge_jobs()
            await self.knowledge.prepare()
            self._runners: tuple[JobRunner | Evals, ...] = (
                self.job_runner,
                memory_jobs,
                self.evals,
                *self._knowledge_jobs,
            )
            self.tracing.start()
            await self.engine.start(on_jobs=self._look_for_jobs)
            for runner in self._runners:
                runner.start()
            await self._indexing.start(self.job_runner)
            await self.knowledge.embed_late()
            self.scheduler.start()
            self.series.start()
        except BaseException:
            await self._stop_postgres()
            raise
        for name, pause_s, chore in self._chores():
            self._upkeep.append(asyncio.create_task(_repeat(pause_s, chore), name=f"serai-{name}"))
        if any(base.options.document_paths for base in self.knowledge):
            self._upkeep.append(asyncio.create_task(self._take_documents(), name="serai-documents"))
        if self._postgres is not None:
            self._upkeep.append(asyncio.create_task(self._keep_postgres(self._postgres), name="serai-postgres"))

    async def drain(self, *, timeout_s: float) -> None:
        """Take no new run, wait for those that run here, hand over what is left after the time, and jobs at once.

        May be cancelled and called again with less time.
        """
        await self._hand_over()
        await self.engine.stop(drain_s=timeout_s)

    async def stop(self) -> None:
        """Hand over what still runs, close the connections, and leave PostgreSQL to whoever still uses it."""
        await self._hand_over()
        await self.engine.stop()
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        await self._indexing.close()
        await self.tracing.stop()
        await self.series.stop()
        await self.database.close()
        await self._stop_postgres()

    async def ready(self) -> bool:
        """Tell whether runs are taken and the database answers now."""
        return not self._is_drained and await self.database.is_reachable()

    def _new_knowledge_jobs(self) -> tuple[JobRunner, ...]:
        """Return what takes contents in: apart from other jobs, which would wait for long documents and slow URLs."""
        ingestion = Ingestion(self.database, self._knowledge)
        return tuple(
            JobRunner(self.database, self.engine.node.id, handlers, max_jobs=JOBS_AT_ONCE, tell=self.engine.tell_jobs)
            for handlers in (ingestion.handlers, ingestion.fetch_handlers)
        )

    def _announce_content(self, kind: str) -> None:
        for runner in self._knowledge_jobs:
            if kind in runner.kinds:
                runner.announce(kind)

    async def _take_documents(self) -> None:
        """Take in the documents that bases were given with their options."""
        for base in self.knowledge:
            try:
                await retry_while_unavailable(partial(take_documents, base, project_id=DEFAULT_PROJECT))
            except SeraiError as error:
                _log.error("knowledge_documents_failed", base=base.id, reason=error.message)

    def _look_for_jobs(self) -> None:
        for runner in self._runners:
            runner.look()

    def _chores(self) -> Iterator[tuple[str, float, Callable[[], Awaitable[Any]]]]:
        """Yield what is done again and again: its name, after how many seconds, and how."""
        started_at = time.monotonic()
        yield "late-vectors", HOUR_S, self.knowledge.embed_late
        yield "partitions", DAY_S, lambda: create_partitions(self.database)
        yield "record-indexes", HOUR_S, lambda: self._indexing.sweep(up_s=time.monotonic() - started_at)
        yield "retention", HOUR_S, lambda: retention.enqueue_nightly(self.jobs, self.job_runner)
        yield "totals", FOLD_S, self.metrics.fold_some
        yield "trace-counts", FOLD_S, self.traces.counts.fold_some
        yield "embeddings", HOUR_S, lambda: forget_embeddings(self.database)
        yield "vector-indexes", INDEX_S, self.knowledge.build_indexes

    async def _hand_over(self) -> None:
        """Begin nothing any more, and leave jobs to others."""
        self._is_drained = True
        await self.scheduler.stop()
        for runner in self._runners:
            await runner.stop()

    async def _start_postgres(self) -> str:
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from serai.storage.embedded import EmbeddedPostgres, default_data_dir  # noqa: PLC0415 - not on every platform

        self._postgres = EmbeddedPostgres(self.settings.data_dir or default_data_dir())
        return await asyncio.to_thread(self._postgres.start)

    async def _stop_postgres(self) -> None:
        if self._postgres is not None:
            postgres, self._postgres = self._postgres, None
            await asyncio.to_thread(postgres.stop)

    async def _keep_postgres(self, postgres: EmbeddedPostgres) -> None:
        """Start the server's own PostgreSQL again when it has died."""
        while True:
            await asyncio.sleep(POSTGRES_LOOK_S)
            if await self.database.is_reachable():
                continue
            _log.warning("postgres_restart")
            try:
                await asyncio.to_thread(postgres.start)
            except ConfigurationError as error:
                _log.error("postgres_restart_failed", reason=error.message)


async def _repeat(pause_s: float, chore: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await asyncio.sleep(pause_s)
        try:
            await chore()
        except Exception:  # noqa: BLE001 - there is a next time, and room until then
            _log.exception("upkeep_failed")


def _retention_rules(settings: Settings) -> RetentionRules:
    return RetentionRules(
        sessions=settings.keep_sessions_days,
        steps=settings.keep_steps_days,
        token_deltas=settings.keep_token_deltas_days,
        events=settings.keep_events_days,
        traces=settings.keep_traces_days,
        schedule_runs=settings.keep_schedule_runs_days,
        memory_changes=settings.keep_memory_changes_days,
    )
