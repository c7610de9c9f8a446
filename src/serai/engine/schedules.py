"""Starts the runs of schedules: one run for each time that is due, whichever node sees it first.

A run is stored before its schedule is advanced, under an id made of schedule and time: a crash between the two loses
no run, and whoever does it again finds that the run is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Final

import structlog

from serai.domain.runs import RunRecord, message_of
from serai.domain.schedules import MOST_MADE_UP, Plan, ScheduleRecord, plan_firing, run_id_at
from serai.engine import faults
from serai.engine.engine import RunRequest
from serai.engine.interruption import describe, is_stop_request
from serai.errors import ConflictError, RetryLaterError
from serai.storage.connection import Database
from serai.storage.schedules import Fired, ScheduleStore

POLL_S: Final = 5.0
RETRY_S: Final = 1.0
_TAKEN_PAUSE_S: Final = 0.2
_CLAIMED_AT_A_TIME: Final = 20
_LACKING: Final = (
    "No node of this cluster has its component; it fires when one has. Host the component, or delete the schedule."
)
_log = structlog.get_logger("serai.schedules")

Submit = Callable[[RunRequest], Awaitable[tuple[RunRecord, bool]]]


class Scheduler:
    """This node's part in firing the schedules of the components it has.

    Args:
        database: where the schedules are; its clock is the one that counts.
        components: kind and id of the components that this node has.
        submit: stores a run, as `Engine.submit` does.
        overdue_s: after how many seconds a schedule whose component nobody has is reported.
    """

    def __init__(
        self,
        database: Database,
        components: Collection[tuple[str, str]],
        *,
        submit: Submit,
        overdue_s: float = 60.0,
    ) -> None:
        self._database = database
        self._store = ScheduleStore(database)
        self._components = components
        self._submit = submit
        self._overdue_s = overdue_s
        self._reported_at = time.monotonic()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to fire."""
        self._task = asyncio.create_task(self._loop(), name="serai-schedules")

    async def stop(self) -> None:
        """Fire no more; may be called again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def look(self) -> None:
        """Look now: a schedule was made or changed."""
        self._due.set()

    async def fire(self, record: ScheduleRecord, *, idempotency_key: str | None) -> RunRecord:
        """Start a run of a schedule now, whether it is due or not; its times stay as they are.

        Raises:
            ConflictError: this node does not have the component.
            SeraiError: as `Engine.submit` raises it.
        """
        if (record.kind, record.component_id) not in self._components:
            raise ConflictError(
                f"This server has no {record.kind} '{record.component_id}'; host it, or change the schedule."
            )
        run, _ = await self._submit(_request(record, run_id=None, idempotency_key=idempotency_key))
        await self._store.note_run(record, run.id, user_id=run.user_id, fire_at=run.created_at)
        return run

    async def fire_due(self) -> int:
        """Fire what is due and no other node is firing, some schedules at a time; return how many those were.

        Raises:
            RetryLaterError: the database is away, or this node is stopping; what is left is still due.
        """
        async with self._database.transaction() as connection:
            due, now = await self._store.claim(connection, self._components, limit=_CLAIMED_AT_A_TIME)
            if now is None:
                return 0
            found = await asyncio.gather(*(self._fire(record, now) for record in due), return_exceptions=True)
            faults.reach("before_schedule_commit")
            await self._store.advance(connection, [one for one in found if isinstance(one, Fired)])
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return len(due)

    async def report_overdue(self) -> None:
        """Report schedules whose component no node has, once each, in the log and in their rows."""
        lacking = await self._store.report_overdue(self._components, _LACKING, overdue_s=self._overdue_s)
        for name, kind, component_id in lacking:
            _log.warning("schedule_without_component", schedule=name, kind=kind, component_id=component_id)

    async def _loop(self) -> None:
        while True:
            pause_s = RETRY_S
            try:
                pause_s = await self._look()
            except RetryLaterError as error:
                _log.warning("schedules_wait", reason=error.message)
            except (Exception, asyncio.CancelledError) as error:  # the scheduler's boundary: there is a next look
                if is_stop_request(error):
                    raise
                _log.exception("schedules_failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._due.wait()
            self._due.clear()

    async def _look(self) -> float:
        """Fire what is due; return the seconds until the next look."""
        if time.monotonic() - self._reported_at > self._overdue_s:
            self._reported_at = time.monotonic()
            await self.report_overdue()
        wait_s = await self._store.seconds_until_due(self._components)
        if wait_s is None or wait_s > 0:
            return POLL_S if wait_s is None else min(wait_s, POLL_S)
        return 0.0 if await self.fire_due() else _TAKEN_PAUSE_S

    async def _fire(self, record: ScheduleRecord, now: datetime) -> Fired:
        assert record.next_fire_at is not None  # it is due
        try:
            plan = plan_firing(record, due_at=record.next_fire_at, now=now)
        except ValueError as error:
            _log.error("schedule_not_understood", schedule=record.name, reason=str(error))
            text = f"It fires no more: {error}. Change its cron expression or time zone."
            return Fired(record=record, runs=[], next_at=None, error=text)
        _log_missed(record, plan)
        runs: list[tuple[str, datetime]] = []
        refused = (
            None if plan.times else f"It was missed by more than {record.misfire_grace_s:g} s, and is skipped then."
        )
        try:
            for at in plan.times:  # one after the other: in a session they have an order
                run_id = run_id_at(record.id, at)
                await self._start(record, run_id)
                runs.append((run_id, at))
        except RetryLaterError:
            raise
        except Exception as error:  # noqa: BLE001 - it would fail again and again, and hold up the others
            _log.warning("schedule_failed", schedule=record.name, exc_info=True)
            refused = describe(error)
        return Fired(record=record, runs=runs, next_at=plan.next_at, error=refused)

    async def _start(self, record: ScheduleRecord, run_id: str) -> None:
        with contextlib.suppress(ConflictError):  # it is there: somebody started it and got no further
            await self._submit(_request(record, run_id=run_id, idempotency_key=None))


def _request(record: ScheduleRecord, *, run_id: str | None, idempotency_key: str | None) -> RunRequest:
    return RunRequest(
        project_id=record.project_id,
        user_id=record.user_id,
        session_id=record.session_id,
        run_id=run_id,
        kind=record.kind,
        component_id=record.component_id,
        input=record.input,
        idempotency_key=idempotency_key,
        message=message_of(record.input),
    )


def _log_missed(record: ScheduleRecord, plan: Plan) -> None:
    first = plan.times[0] if plan.times else None
    if first is None or (first != record.next_fire_at and len(plan.times) == MOST_MADE_UP):
        since = record.next_fire_at.isoformat() if record.next_fire_at else None
        _log.warning("schedule_missed_times", schedule=record.name, since=since, runs=len(plan.times))
