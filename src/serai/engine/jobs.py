"""Claims background jobs for this node, has them done by their handlers, and ends them or tries them again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog

from serai.engine.interruption import describe, is_stop_request
from serai.errors import DatabaseUnavailableError, FencedError, RetryLaterError
from serai.storage.connection import Database, retry_while_unavailable
from serai.storage.jobs import JobRecord, JobStore

POLL_S: Final = 5.0
IDLE_RECONCILE_S: Final = 30.0
MAX_ATTEMPTS: Final = 5
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 600.0
_LAST_WORDS_S: Final = 3.0
_log = structlog.get_logger("serai.jobs")


class ActiveJob:
    """A job that its handler works on."""

    def __init__(self, store: JobStore, record: JobRecord) -> None:
        self._store = store
        self._record = record
        self._progress = record.progress

    @property
    def id(self) -> UUID:
        """The job's id."""
        return self._record.id

    @property
    def project_id(self) -> str:
        """Whose job it is."""
        return self._record.project_id

    @property
    def payload(self) -> dict[str, Any]:
        """What it was enqueued with."""
        return self._record.payload

    @property
    def attempts(self) -> int:
        """How often it was begun, this time included."""
        return self._record.attempts

    @property
    def progress(self) -> dict[str, Any] | None:
        """What was reported last, perhaps in an earlier attempt."""
        return self._progress

    async def report(self, progress: Mapping[str, Any]) -> None:
        """Write down how far the job is, for people and for the next attempt; waits while the database is away.

        Raises:
            FencedError: the job is another node's by now, or was cancelled: stop working on it.
        """
        self._expect(await retry_while_unavailable(lambda: self._store.report(self._record, progress)))
        self._progress = dict(progress)

    async def check(self) -> None:
        """Make sure that the job is still ours; waits while the database is away.

        Raises:
            FencedError: the job is another node's by now, or was cancelled: stop working on it.
        """
        self._expect(await retry_while_unavailable(lambda: self._store.check(self._record)))

    def _expect(self, is_ours: bool) -> None:
        if not is_ours:
            raise FencedError(f"job {self.id} is not this node's any more")


JobHandler: TypeAlias = Callable[[ActiveJob], Awaitable[None]]
"""Does one kind of job. It may be begun several times for one job: what it did before must be no harm to it."""


def pause_after(attempts: int) -> float:
    """Return the seconds until the next attempt: 5 s, 25 s, 125 s, 10 min."""
    return min(FIRST_PAUSE_S * FIRST_PAUSE_S ** (attempts - 1), LONGEST_PAUSE_S)


class JobRunner:
    """The jobs that this node holds.

    Args:
        database: where the jobs are.
        node_id: of the node whose death releases them.
        handlers: by kind; jobs of other kinds are left to others.
        max_jobs: the most jobs held at a time.
        tell: called when other nodes should look for jobs, since this one has no handler or no room for one.
    """

    def __init__(
        self,
        database: Database,
        node_id: str,
        handlers: Mapping[str, JobHandler],
        max_jobs: int = 2,
        *,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = JobStore(database)
        self._meter = database.meter
        self._node_id = node_id
        self._handlers = dict(handlers)
        self._max_jobs = max_jobs
        self._tell = tell
        self._held: dict[UUID, tuple[JobRecord, asyncio.Task[None]]] = {}
        self._ending: set[tuple[UUID, int]] = set()
        self._strangers: dict[UUID, int] = {}
        self._due = asyncio.Event()
        self._claimer: asyncio.Task[None] | None = None

    @property
    def kinds(self) -> Collection[str]:
        """Which kinds of jobs it does."""
        return self._handlers.keys()

    @property
    def held(self) -> int:
        """How many jobs this node works on."""
        return len(self._held)

    def start(self) -> None:
        """Begin to claim; without handlers there is nothing to claim, and nothing is asked of the database."""
        if self._handlers:
            self._due.set()
            self._claimer = asyncio.create_task(self._claim_loop(), name="serai-jobs")

    def look(self) -> None:
        """Look for jobs now."""
        self._due.set()

    async def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        project_id: str,
        user_id: str | None = None,
        dedupe_key: str | None = None,
        not_before: datetime | None = None,
    ) -> UUID | None:
        """Store a job as `JobStore.enqueue` does, and have it looked for at once."""
        job_id = await self._store.enqueue(
            kind, payload, project_id=project_id, user_id=user_id, dedupe_key=dedupe_key, not_before=not_before
        )
        if job_id is not None:
            self.announce(kind)
        return job_id

    def announce(self, kind: str) -> None:
        """Have a job of a kind looked for at once: it has just been stored."""
        self.look()
        if self._claimer is None or kind not in self._handlers or self.held >= self._max_jobs:
            self._tell()

    async def stop(self) -> None:
        """Claim no more, cancel the jobs held and make them claimable at once; may be called again."""
        claimer, self._claimer = self._claimer, None
        if claimer is not None:
            claimer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await claimer
        if not self._held:
            return
        held = dict(self._held)
        _log.info("jobs_handed_over", jobs=len(held))
        for _, task in held.values():
            task.cancel()
        await asyncio.wait([task for _, task in held.values()], timeout=_LAST_WORDS_S)
        claims = {job_id: record.epoch for job_id, (record, _) in held.items()}
        try:
            await self._store.release(claims, node_id=self._node_id)
        except DatabaseUnavailableError as error:  # the others release them, once this node is gone
            _log.warning("jobs_not_released", reason=error.message)

    async def _claim_loop(self) -> None:
        reconciled_at = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._claim()
                pause_s = POLL_S if self._held or self._strangers else IDLE_RECONCILE_S
                if time.monotonic() - reconciled_at >= pause_s:
                    reconciled_at = time.monotonic()
                    await self._reconcile()
            except DatabaseUnavailableError as error:
                _log.warning("job_claims_wait", reason=error.message)
            except Exception:  # noqa: BLE001 - the runner's boundary: there is a next poll
                _log.exception("job_claim_failed")

    async def _claim(self) -> None:
        room = self._max_jobs - self.held
        if room <= 0:
            return
        for record in await self._store.claim(self._handlers, node_id=self._node_id, limit=room):
            self._begin(record)

    def _begin(self, record: JobRecord) -> None:
        if record.id in self._held:  # lost without knowing it, and claimed again
            self._held[record.id][1].cancel()
        task = asyncio.create_task(self._work(record), name=f"serai-job-{record.id}")
        self._held[record.id] = record, task
        task.add_done_callback(lambda ended: self._end(record, ended))

    async def _reconcile(self) -> None:
        """Stop working on jobs that were lost to others; let go of claims whose answer was lost on the way.

        A claim that is merely on its way is not there at two looks in a row; if it is after all, it is fenced.
        """
        before = dict(self._held)
        given = await self._store.list_running(self._node_id, self._handlers)
        for job_id, (record, task) in before.items():
            if given.get(job_id) != record.epoch and (job_id, record.epoch) not in self._ending:
                _log.warning("job_lost", job_id=str(job_id), kind=record.kind)
                task.cancel()
        unknown = {job_id: epoch for job_id, epoch in given.items() if job_id not in self._held}
        lost = dict(unknown.items() & self._strangers.items())
        self._strangers = unknown
        if lost:
            _log.warning("lost_jobs_released", jobs=len(lost))
            await self._store.release(lost, node_id=self._node_id)
            self._due.set()

    def _end(self, record: JobRecord, task: asyncio.Task[None]) -> None:
        self._ending.discard((record.id, record.epoch))
        held = self._held.get(record.id)
        if held is not None and held[1] is task:  # else claimed again meanwhile
            del self._held[record.id]
        self._due.set()

    async def _work(self, record: JobRecord) -> None:
        structlog.contextvars.bind_contextvars(job_id=str(record.id), job_kind=record.kind)
        try:
            await self._do(record)
        except (asyncio.CancelledError, FencedError):
            _log.info("job_let_go")
        except Exception:  # noqa: BLE001 - the runner's boundary: `_reconcile` lets go of the job
            _log.exception("job_crashed")

    async def _do(self, record: JobRecord) -> None:
        if record.attempts > MAX_ATTEMPTS:
            error = f"It was begun {MAX_ATTEMPTS} times and its nodes died each time; it may be what stops them."
            await self._write_end(record, lambda: self._store.fail(record, error))
            return
        began_at, outcome = time.perf_counter(), "completed"
        try:
            await self._handlers[record.kind](ActiveJob(self._store, record))
        except BaseException as error:
            outcome = "let_go"
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            outcome = await self._give_up(record, error)
        else:
            await self._write_end(record, lambda: self._store.complete(record))
        finally:
            self._meter.job_ended(record.kind, outcome, time.perf_counter() - began_at)

    async def _give_up(self, record: JobRecord, error: BaseException) -> str:
        """Have a job that failed tried again, or end it; return what became of it."""
        message = describe(error)
        if isinstance(error, RetryLaterError):
            _log.warning("job_waits", reason=message)
            pause_s = max(FIRST_PAUSE_S, error.retry_after_s)
            await self._write_end(
                record, lambda: self._store.retry_later(record, message, pause_s=pause_s, counts=False)
            )
        elif record.attempts < MAX_ATTEMPTS:
            pause_s = pause_after(record.attempts)
            _log.warning("job_failed", attempts=record.attempts, next_in_s=pause_s, exc_info=error)
            await self._write_end(
                record, lambda: self._store.retry_later(record, message, pause_s=pause_s, counts=True)
            )
        else:
            _log.error("job_given_up", attempts=record.attempts, exc_info=error)
            await self._write_end(record, lambda: self._store.fail(record, message))
            return "failed"
        return "retried"

    async def _write_end(self, record: JobRecord, write: Callable[[], Awaitable[bool]]) -> None:
        """Write how an attempt ended; one that the fence refuses is another's business now."""
        self._ending.add((record.id, record.epoch))
        if not await retry_while_unavailable(write):
            _log.info("job_end_fenced")
