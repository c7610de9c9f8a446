"""Claims runs for this node, runs them, and ends them; hands them over when the node stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from serai.domain.json_text import dump_json
from serai.domain.runs import Event, Outcome, RunRecord, Step
from serai.engine import faults
from serai.engine.active_run import ActiveRun, Component, answer_members
from serai.engine.event_log import POLL_S, EventLog, RunWriter
from serai.engine.interruption import is_stop_request
from serai.engine.wakeup import Wakeups
from serai.errors import DatabaseUnavailableError, FencedError, SeraiError
from serai.storage.batching import Batcher
from serai.storage.connection import retry_while_unavailable
from serai.storage.run_log import RunLog
from serai.storage.runs import Answer, Finished, FinishedRun, RunStore, SessionContext

POLLS_PER_RECONCILE: Final = 5
_log = structlog.get_logger("serai.engine")


class TakeoverLimitError(SeraiError):
    """A run's nodes died too often; it may be what kills them."""

    code = "takeover_limit"


class Worker:
    """The runs that this node holds.

    Args:
        components: what this node can run, by kind and id.
        max_runs: the most runs held at a time.
        max_takeovers: a run taken over more often ends as ERROR.
    """

    def __init__(
        self,
        *,
        store: RunStore,
        run_log: RunLog,
        events: EventLog,
        wakeups: Wakeups,
        node_id: str,
        components: Mapping[tuple[str, str], Component],
        max_runs: int,
        max_takeovers: int,
    ) -> None:
        self._store = store
        self._run_log = run_log
        self._events = events
        self._wakeups = wakeups
        self._node_id = node_id
        self._components = components
        self._max_runs = max_runs
        self._max_takeovers = max_takeovers
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._reserved = 0
        self._due = asyncio.Event()
        self._strangers: set[UUID] = set()
        self._is_stopping = False
        self._claimer: asyncio.Task[None] | None = None
        self._finishes: Batcher[FinishedRun, Finished] = Batcher(self._write_finishes)

    @property
    def held(self) -> int:
        """How many runs this node works on."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin to claim."""
        self._claimer = asyncio.create_task(self._claim_loop(), name="serai-claims")

    def wake(self) -> None:
        """Look for claimable runs now."""
        self._due.set()

    def reserve(self) -> bool:
        """Set a place aside for a run about to be submitted; False when there is none."""
        if self._is_stopping or len(self._tasks) + self._reserved >= self._max_runs:
            return False
        self._reserved += 1
        return True

    def settle(self, record: RunRecord | None) -> None:
        """Use a place set aside for the run, or give it back."""
        self._reserved -= 1
        if record is not None:
            self._begin(record)

    async def drain(self, timeout_s: float) -> None:
        """Claim no more and wait for the runs held, at most so long."""
        self._is_stopping = True
        if self._claimer is not None:
            self._claimer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._claimer
        if self._tasks:
            _log.info("draining", runs=len(self._tasks), timeout_s=timeout_s)
            await asyncio.wait(self._tasks.values(), timeout=timeout_s)

    async def abandon(self) -> None:
        """Stop working on the runs still held; others go on with them once the node has let them go."""
        tasks = list(self._tasks.values())
        if tasks:
            _log.info("handing_over", runs=len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)

    async def _claim_loop(self) -> None:
        polls = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._due.wait()
            self._due.clear()
            polls += 1
            try:
                await self._claim()
                if polls % POLLS_PER_RECONCILE == 0:
                    await self._reconcile()
            except DatabaseUnavailableError as error:
                _log.warning("claims_wait", reason=error.message)
                await asyncio.sleep(0.1)
                self._due.set()
            except Exception:  # noqa: BLE001 - the worker's boundary: a node that stopped claiming would look alive
                _log.exception("claim_failed")

    async def _claim(self) -> None:
        limit = self._max_runs - len(self._tasks) - self._reserved
        if limit <= 0 or not self._components:
            return
        for record in await self._store.claim(self._components, node_id=self._node_id, limit=limit):
            self._begin(record)

    async def _reconcile(self) -> None:
        """Let go of runs that the table gives to this node and nobody here works on.

        A submit or claim whose answer was lost leaves such a run. One that is merely on its way is not there at two
        looks in a row; if it is after all, the fence keeps it from harm.
        """
        unknown = await self._store.list_running_keys(self._node_id) - self._tasks.keys()
        lost = unknown & self._strangers
        self._strangers = unknown
        if lost:
            _log.warning("lost_runs_released", runs=len(lost))
            await self._store.release_runs(sorted(lost), node_id=self._node_id)
            self._due.set()

    def _begin(self, record: RunRecord) -> None:
        task = asyncio.create_task(self._work(record), name=f"serai-run-{record.id}")
        self._tasks[record.key] = task
        task.add_done_callback(lambda ended: self._end(record.key, ended))

    def _end(self, key: UUID, task: asyncio.Task[None]) -> None:
        was_full = len(self._tasks) >= self._max_runs
        if self._tasks.get(key) is task:  # else claimed again meanwhile
            del self._tasks[key]
        if was_full:
            self._due.set()

    async def _work(self, record: RunRecord) -> None:
        structlog.contextvars.bind_contextvars(run_id=record.id)
        task = asyncio.current_task()
        assert task is not None
        has_ended = False
        writer = self._events.open_writer(record, next_seq=0, on_fenced=task.cancel)
        try:
            run = await retry_while_unavailable(lambda: self._open(record, writer))
            outcome = await self._execute(run)
            has_ended = await self._finish(run, writer, outcome)
        except (asyncio.CancelledError, FencedError):
            _log.info("run_let_go", is_fenced=writer.is_fenced)
        except Exception:  # noqa: BLE001 - the worker's boundary: `_reconcile` lets go of the run
            _log.exception("run_crashed")
        finally:
            self._events.drop_writer(writer, has_ended=has_ended)

    async def _open(self, record: RunRecord, writer: RunWriter) -> ActiveRun:
        steps: list[Step] = []
        logged: list[Event] = []
        if record.epoch > 1:
            steps = await self._run_log.read_steps(record.key, segment=record.segment)
            logged = await self._read_log(record.key)
            writer.next_seq = logged[-1].seq + 1 if logged else 0
        return ActiveRun(record, writer, steps=steps, logged=logged, load_context=self._load_context)

    async def _read_log(self, key: UUID) -> list[Event]:
        events: list[Event] = []
        while page := await self._run_log.read_events(key, after=events[-1].seq if events else -1):
            events += page
        return events

    async def _load_context(self, record: RunRecord, history_runs: int) -> SessionContext:
        context: SessionContext = await retry_while_unavailable(
            lambda: self._store.get_context(record, history_runs=history_runs)
        )
        return context

    async def _execute(self, run: ActiveRun) -> Outcome:
        component = self._components[run.record.kind, run.record.component_id]
        if run.record.takeovers > self._max_takeovers:
            return component.fail(
                run,
                TakeoverLimitError(
                    f"The run was taken over {run.record.takeovers} times because its nodes died; it may be what stops "
                    "them. SERAI_MAX_TAKEOVERS sets the bound."
                ),
            )
        try:
            return await component.execute(run)
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            _log.exception("component_failed")
            return component.fail(run, error)

    async def _finish(self, run: ActiveRun, writer: RunWriter, outcome: Outcome) -> bool:
        run.emit(outcome.last_event[0], dump_json(outcome.last_event[1]))
        faults.reach("before_finish_commit")
        events = await self._events.close_writer(writer)
        output = dump_json(answer_members(outcome))
        item = FinishedRun(
            record=run.record,
            status=outcome.status,
            output=output,
            messages=outcome.messages,
            events=events,
            state_changes=outcome.state_changes,
            state_removals=outcome.state_removals,
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
        )
        finished: Finished = await retry_while_unavailable(lambda: self._finishes.submit(item))
        if not finished.is_done:
            raise FencedError(f"run {run.record.id} belongs to another node now")
        faults.reach("after_finish_commit")
        self._events.publish(run.record.key, events, answer=Answer(outcome.status, output, outcome.messages))
        if finished.next_key is not None:
            self._due.set()
            self._wakeups.tell_queue()
        return True

    async def _write_finishes(self, items: list[FinishedRun]) -> list[Finished]:
        return await self._store.finish(items, node_id=self._node_id)
