"""Indexes of records that come by themselves: the catalog, the advisor and the builder joined to the engine's jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from serai.engine.jobs import ActiveJob, JobRunner
from serai.records.indexes.advisor import Advisor
from serai.records.indexes.builder import build
from serai.records.indexes.catalog import Catalog
from serai.records.indexes.declared import RecordIndex, settle_declared
from serai.records.indexes.drops import sweep
from serai.records.indexes.requests import IndexLimits, IndexRequest
from serai.records.sources import PlainPlanner, Planner
from serai.settings import Settings
from serai.storage.connection import Database

KIND: Final = "record_index"


class RecordIndexing:
    """What plans questions to records with indexes, and has indexes made and dropped.

    Args:
        settings: whether and how many.
        declared: indexes that a person asks for.
    """

    def __init__(self, settings: Settings, declared: Sequence[RecordIndex] = ()) -> None:
        self._settings = settings
        self._limits = IndexLimits(
            per_collection=settings.record_indexes_per_collection, total=settings.record_indexes_total
        )
        self._declared = [request for index in declared for request in index.requests()]
        self._advisor = Advisor(self._ask, slow_s=settings.record_index_slow_ms / 1000)
        self._database: Database | None = None
        self._catalog: Catalog | None = None
        self._jobs: JobRunner | None = None

    def open(self, database: Database) -> Planner:
        """Return the planner for a database's records."""
        self._database = database
        if self._settings.record_indexes == "off":
            return PlainPlanner()
        learn = self._advisor.learn if self._settings.record_indexes == "auto" else None
        self._catalog = Catalog(database, learn)
        return self._catalog

    async def start(self, jobs: JobRunner) -> None:
        """Have the declared indexes made that are missing."""
        self._jobs = jobs
        assert self._database is not None
        if self._settings.record_indexes != "off":
            for request in await settle_declared(self._database, self._declared):
                await self._ask(request)

    async def close(self) -> None:
        """Learn and read no more."""
        await self._advisor.close()
        if self._catalog is not None:
            await self._catalog.close()

    async def do(self, job: ActiveJob) -> None:
        """Build the index that a job asks for."""
        assert self._database is not None
        if self._settings.record_indexes == "off":
            return
        result = await build(self._database.dsn, IndexRequest.from_json(job.payload), job.report, limits=self._limits)
        await job.report({"result": result})

    async def sweep(self, *, up_s: float) -> None:
        """Drop what is not used any more; what is used once a day shows only after a day.

        Args:
            up_s: for how many seconds this node has been up.
        """
        assert self._database is not None
        days = self._settings.record_index_unused_days
        await sweep(self._database.dsn, unused_days=days if up_s >= 86_400 else None)

    async def _ask(self, request: IndexRequest) -> None:
        if self._jobs is None:
            return
        payload: Mapping[str, Any] = request.to_json()
        await self._jobs.enqueue(KIND, payload, project_id=request.place.project_id, dedupe_key=request.key)
