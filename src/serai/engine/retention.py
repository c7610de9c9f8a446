"""Retention: how long each kind of data is kept, and removing what is older, by hand or as a nightly job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from serai.engine.jobs import ActiveJob, JobRunner
from serai.storage.blob_sweeping import sweep_blobs
from serai.storage.connection import Database, count_of
from serai.storage.jobs import JobStore
from serai.storage.partitions import drop_partitions
from serai.storage.run_tidying import RunTidying, Tidied
from serai.storage.session_expiry import count_expired, remove_expired
from serai.storage.trace_removal import count_old_traces, remove_old_traces

JOB: Final = "retention.apply"
PROJECT: Final = "default"
"""Whose the job is; it is about all projects."""

BETWEEN_JOBS: Final = timedelta(hours=23)
_ROWS_AT_A_TIME: Final = 5000

_OLD: Final = {
    "schedule_runs": "fire_at < $1",
    "memory_changes": "at < $1",
    "idempotency_keys": "expires_at < $1::timestamptz + interval '24 hours'",  # as it is indexed
    "jobs": "ended_at < $1",
    "run_cancellations": "created_at < $1",
}
"""Tables of which rows go by their age alone, and which ones do."""

_COUNT_ROWS = {table: f"select count(*) from {table} where {is_old}" for table, is_old in _OLD.items()}  # noqa: S608
# Rows that somebody is just using again are left.
_REMOVE_ROWS = {
    table: f"""
delete from {table} where ctid = any (array(
    select ctid from {table} where {is_old} limit $2 for update skip locked))"""  # noqa: S608 - our own text
    for table, is_old in _OLD.items()
}

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """Days for which each kind of data is kept; 0 keeps it for ever.

    Attributes:
        sessions: since their last change, with their runs.
        steps: the journals of runs, since these ended.
        token_deltas: the pieces of answers, which become one event.
        events: the logs of runs, since these ended.
        traces: since they began and ended.
        blobs: media that no run refers to.
        schedule_runs: which runs a schedule has started.
        memory_changes: what was changed in memories, and can be undone.
        idempotency_keys: since they were used; they hold for a day.
        jobs: background jobs, since they ended.
        run_cancellations: of runs that never came.
    """

    sessions: float = 0
    steps: float = 1
    token_deltas: float = 7
    events: float = 30
    traces: float = 30
    blobs: float = 1
    schedule_runs: float = 90
    memory_changes: float = 365
    idempotency_keys: float = 1
    jobs: float = 7
    run_cancellations: float = 1

    def as_days(self) -> dict[str, float | None]:
        """Return the days of each kind; None keeps it for ever."""
        return {kind: days or None for kind, days in asdict(self).items()}


class Retention:
    """Removes what is older than the rules say.

    Args:
        database: where the data is.
        rules: how long it is kept.
    """

    def __init__(self, database: Database, rules: RetentionRules) -> None:
        self.rules = rules
        self._database = database
        self._tidying = RunTidying(database)

    async def count(self) -> dict[str, int]:
        """Return how many rows of each kind would go now; of token deltas, at most. Changes nothing."""
        return {kind: await self._count(kind, before) for kind, before in self._bounds().items()}

    async def apply(self, tell: Tell) -> dict[str, int]:
        """Remove what is older than the rules say, and return how many rows of each kind went.

        Args:
            tell: called with what has gone so far, after each part; what it raises ends the work.

        In small transactions; safe to stop at any place and to repeat.
        """
        removed: dict[str, int] = {}
        for kind, before in self._bounds().items():
            removed[kind] = 0
            async for rows in self._remove(kind, before):
                removed[kind] += rows
                await tell({"removed": removed})
        return removed

    async def do(self, job: ActiveJob) -> None:
        """Apply the rules as a background job."""
        earlier: dict[str, int] = (job.progress or {}).get("removed", {})

        async def tell(progress: Mapping[str, Any]) -> None:
            removed: Mapping[str, int] = progress["removed"]
            await job.report({"removed": {kind: rows + earlier.get(kind, 0) for kind, rows in removed.items()}})

        await self.apply(tell)

    def _bounds(self) -> dict[str, datetime]:
        """Return before when data of each kind goes, of those that are not kept for ever."""
        now = datetime.now(UTC)
        return {kind: now - timedelta(days=days) for kind, days in asdict(self.rules).items() if days}

    async def _count(self, kind: str, before: datetime) -> int:
        match kind:
            case "sessions":
                return await count_expired(self._database, before=before)
            case "blobs":
                return await sweep_blobs(self._database, before=before, removes=False)
            case "traces":
                return await count_old_traces(self._database, before=before)
            case "steps" | "token_deltas" | "events":
                return await self._tidying.count(Tidied(kind), before=before)
            case _:
                counted: int = await self._database.fetchval(_COUNT_ROWS[kind], before)
                return counted

    async def _remove(self, kind: str, before: datetime) -> AsyncIterator[int]:
        match kind:
            case "sessions":
                async for rows in remove_expired(self._database, before=before):
                    yield rows
            case "blobs":
                yield await sweep_blobs(self._database, before=before)
            case "traces":
                while rows := await remove_old_traces(self._database, before=before):
                    yield rows
            case "steps" | "token_deltas" | "events":
                if kind == "events":
                    yield await drop_partitions(self._database, before=before)
                has_more = True
                while has_more:
                    chunk = await self._tidying.tidy_some(Tidied(kind), before=before)
                    has_more = chunk.has_more
                    yield chunk.rows
            case _:
                rows = _ROWS_AT_A_TIME
                while rows == _ROWS_AT_A_TIME:
                    rows = count_of(await self._database.execute(_REMOVE_ROWS[kind], before, _ROWS_AT_A_TIME))
                    yield rows


async def enqueue_nightly(jobs: JobStore, runner: JobRunner) -> None:
    """Have the rules applied when that was not done for a day; on how many nodes this is asked is no matter."""
    last = await jobs.list(project_id=PROJECT, kind=JOB, limit=1)
    if not last or last[0].created_at < datetime.now(UTC) - BETWEEN_JOBS:
        await runner.enqueue(JOB, {}, project_id=PROJECT, dedupe_key="retention")
