"""Claims runs for this node, runs them, and ends them; hands them over when the node stops."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from serai.domain.json_text import dump_json
from serai.domain.runs import Event, Outcome, RunRecord, Step
from serai.engine import faults
from serai.engine.active_run import ActiveRun, Component, Execution, KnowledgeSearch, answer_members
from serai.engine.children import Children
from serai.engine.event_log import POLL_S, EventLog, RunWriter
from serai.engine.interruption import describe, is_stop_request
from serai.engine.last_resort import bare_outcome
from serai.engine.tracing import RunTrace, Tracer
from serai.engine.wakeup import Wakeups
from serai.errors import DatabaseUnavailableError, FencedError, SeraiError
from serai.storage.batching import Batcher
from serai.storage.blobs import BlobStore
from serai.storage.connection import retry_while_unavailable
from serai.storage.run_log import RunLog
from serai.storage.runs import Answer, Finished, FinishedRun, RunStore, SessionContext
from serai.storage.user_memories import UserMemories

RECONCILE_S: Final = 5.0
CANCEL_GRACE_S: Final = 0.4
_log = structlog.get_logger("serai.engine")


class TakeoverLimitError(SeraiError):
    """A run's nodes died too often; it may be what kills them."""

    code = "takeover_limit"


class _HeldRun:
    """A run that this node works on.

    Attributes:
        task: works on it; another one takes its place when it does not stop in time.
        is_cancelled: it is to end.
        is_ending: its end is being written; nothing stops that any more.
        began_at: when this node took it.
    """

    __slots__ = ("began_at", "execution", "is_cancelled", "is_ending", "record", "run", "task", "trace", "writer")

    task: asyncio.Task[None]
    writer: RunWriter

    def __init__(self, record: RunRecord, trace: RunTrace) -> None:
        self.record = record
        self.trace = trace
        self.run: ActiveRun | None = None
        self.execution: Execution | None = None
        self.is_cancelled = record.is_cancel_asked
        self.is_ending = False
        self.began_at = time.perf_counter()

    def has_been_cancelled(self) -> bool:
        """Return whether somebody cancelled it meanwhile."""
        return self.is_cancelled


class Worker:
    """The runs that this node holds.

    Args:
        components: what this node can run, by kind and id.
        max_runs: the most runs held at a time.
        tracer: begins the traces of runs.
        max_takeovers: a run taken over more often ends as ERROR.
        cancel_late: ends runs that paused just when somebody cancelled them.
        look_for_jobs: called when the end of a run has brought background jobs about.
        holds_lease: whether this node may take runs: others do not hold it for frozen.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        *,
        store: RunStore,
        run_log: RunLog,
        blobs: BlobStore,
        memories: UserMemories,
        knowledge: KnowledgeSearch | None,
        events: EventLog,
        tracer: Tracer,
        wakeups: Wakeups,
        node_id: str,
        components: Mapping[tuple[str, str], Component],
        max_runs: int,
        max_takeovers: int,
        cancel_late: Callable[[], Awaitable[None]],
        look_for_jobs: Callable[[], None],
        holds_lease: Callable[[], bool],
    ) -> None:
        self._store = store
        self._run_log = run_log
        self._blobs = blobs
        self._memories = memories
        self._knowledge = knowledge
        self._events = events
        self._tracer = tracer
        self._wakeups = wakeups
        self._node_id = node_id
        self._components = components
        self._limits = {
            name: component.max_concurrency
            for name, component in components.items()
            if component.max_concurrency is not None
        }
        self._unlimited = components.keys() - self._limits.keys()
        self._max_runs = max_runs
        self._max_takeovers = max_takeovers
        self._cancel_late = cancel_late
        self._look_for_jobs = look_for_jobs
        self._holds_lease = holds_lease
        self._held: dict[UUID, _HeldRun] = {}
        self._stuck: set[asyncio.Task[None]] = set()
        self._reserved = 0
        self._has_backlog = False
        self._is_limited_turn = False
        self._due = asyncio.Event()
        self._strangers: set[UUID] = set()
        self._reconciled_at = time.monotonic()
        self._is_stopping = False
        self._is_abandoning = False
        self._claimer: asyncio.Task[None] | None = None
        self._finishes: Batcher[FinishedRun, Finished] = Batcher(
            self._write_finishes, on_write=partial(events.meter.batch_written, "finishes")
        )

    @property
    def held(self) -> int:
        """How many runs this node works on."""
        return len(self._held)

    def start(self) -> None:
        """Begin to claim."""
        self._claimer = asyncio.create_task(self._claim_loop(), name="serai-claims")

    def wake(self) -> None:
        """Look for claimable runs now."""
        self._due.set()

    def reserve(self) -> bool:
        """Set a place aside for a run about to be submitted; False when there is none, or older runs may wait."""
        if self._is_stopping or self._has_backlog or not self._free_places():
            self._has_backlog = True
            return False
        self._reserved += 1
        return True

    def is_limited(self, kind: str, component_id: str) -> bool:
        """Return whether a component's runs wait for a place that all nodes share."""
        return (kind, component_id) in self._limits

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
        if self._held:
            _log.info("draining", runs=len(self._held), timeout_s=timeout_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._held:  # a task left behind has another one in its place
                    await asyncio.wait([held.task for held in self._held.values()])

    async def abandon(self) -> None:
        """Stop working on the runs still held; others go on with them once the node has let them go."""
        self._is_abandoning = True
        tasks = [*(held.task for held in self._held.values()), *self._stuck]
        if self._held:
            _log.info("handing_over", runs=len(self._held))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)

    def cancel(self, key: UUID) -> None:
        """End a run that somebody cancelled, if this node works on it; a task that does not stop is left behind."""
        held = self._held.get(key)
        if held is None or held.is_cancelled:
            return
        held.is_cancelled = True
        if held.is_ending:  # if it pauses it is cancelled after that
            return
        if held.execution is not None:  # else it looks before it begins
            held.writer.is_cancelled = True
            held.task.cancel()
            asyncio.get_running_loop().call_later(CANCEL_GRACE_S, self._leave_behind, held)

    async def _claim_loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._due.wait()
            self._due.clear()
            try:
                if self._held:
                    for key in await self._store.list_cancels(self._node_id):
                        self.cancel(key)
                await self._claim()
                await self._cancel_late()
                if time.monotonic() - self._reconciled_at >= RECONCILE_S:
                    self._reconciled_at = time.monotonic()
                    await self._reconcile()
            except DatabaseUnavailableError as error:
                _log.warning("claims_wait", reason=error.message)
                await asyncio.sleep(0.1)
                self._due.set()
            except Exception:  # noqa: BLE001 - the worker's boundary: a node that stopped claiming would look alive
                _log.exception("claim_failed")

    def _free_places(self) -> int:
        return max(0, self._max_runs - len(self._held) - self._reserved) if self._holds_lease() else 0

    async def _claim(self) -> None:
        """Take what waits; components with a limit of their own and the others go first in turn."""
        self._is_limited_turn = not self._is_limited_turn
        claims = [self._claim_limited, self._claim_unlimited]
        for claim in claims if self._is_limited_turn else reversed(claims):
            await claim()

    async def _claim_unlimited(self) -> None:
        limit = (self._free_places() + 1) // 2  # the other half is for runs that are submitted meanwhile
        if not limit or not self._unlimited:
            return
        self._has_backlog = False
        records = await self._take(limit, self._store.claim(self._unlimited, node_id=self._node_id, limit=limit))
        self._has_backlog = self._has_backlog or len(records) == limit
        if self._has_backlog:
            self._due.set()

    async def _claim_limited(self) -> None:
        limit = self._free_places()
        if limit and self._limits:
            await self._take(limit, self._store.claim_limited(self._limits, node_id=self._node_id, limit=limit))

    async def _take(self, limit: int, claim: Awaitable[list[RunRecord]]) -> list[RunRecord]:
        """Begin what a claim takes, in places set aside for it."""
        self._reserved += limit
        try:
            records = await claim
        finally:
            self._reserved -= limit
        for record in records:
            self._begin(record)
        return records

    async def _reconcile(self) -> None:
        """Let go of runs that the table gives to this node and nobody here works on.

        A submit or claim whose answer was lost leaves such a run. One that is merely on its way is not there at two
        looks, seconds apart; if it is after all, the fence keeps it from harm.
        """
        unknown = await self._store.list_running_keys(self._node_id) - self._held.keys()
        lost = unknown & self._strangers
        self._strangers = unknown
        if lost:
            _log.warning("lost_runs_released", runs=len(lost))
            await self._store.release_runs(sorted(lost), node_id=self._node_id)
            self._due.set()

    def _begin(self, record: RunRecord) -> None:
        if record.epoch == 1 and record.segment == 0:
            self._events.meter.run_begun(record.kind, max(0.0, time.time() - record.created_at.timestamp()))
        held = _HeldRun(record, self._tracer.begin(record, node=self._node_id))
        self._held[record.key] = held
        self._employ(held, self._work(held))

    def _employ(self, held: _HeldRun, work: Coroutine[Any, Any, None]) -> None:
        held.task = asyncio.create_task(work, name=f"serai-run-{held.record.id}")
        held.task.add_done_callback(lambda ended: self._end(held, ended))

    def _end(self, held: _HeldRun, task: asyncio.Task[None]) -> None:
        self._stuck.discard(task)
        was_full = len(self._held) >= self._max_runs
        record = held.record
        if self._held.get(record.key) is held and held.task is task:  # else claimed again meanwhile, or left behind
            del self._held[record.key]
            if self.is_limited(record.kind, record.component_id):
                self._wakeups.tell_queue()
                was_full = True
        if was_full or held.is_cancelled:
            self._due.set()

    def _leave_behind(self, held: _HeldRun) -> None:
        """End a cancelled run without its task, which did not stop."""
        if held.is_ending or held.task.done() or self._is_abandoning:
            return
        _log.warning("run_does_not_stop", run_id=held.record.id)
        assert held.execution is not None
        try:
            outcome = held.execution.cancel()
        except Exception:  # noqa: BLE001 - the component's boundary: the run ends in any case
            _log.exception("component_cannot_end_run", run_id=held.record.id)
            outcome = _bare_outcome(held, "The run was cancelled.")
        self._stuck.add(held.task)
        held.is_ending = True
        self._employ(held, self._write_end(held, outcome))

    async def _work(self, held: _HeldRun) -> None:
        record = held.record
        structlog.contextvars.bind_contextvars(run_id=record.id)
        task = asyncio.current_task()
        assert task is not None
        held.writer = self._events.open_writer(record, next_seq=record.segment_seq, on_fenced=task.cancel)
        try:
            outcome = await self._make_outcome(held)
        except BaseException as error:  # noqa: BLE001 - the worker's boundary: `_reconcile` lets go of the run
            if not held.is_ending:  # else this task was left behind
                self._let_go(held, error)
        else:
            if not held.is_ending:
                held.is_ending = True
                await self._write_end(held, outcome)

    def _let_go(self, held: _HeldRun, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError | FencedError):
            _log.info("run_let_go", is_fenced=held.writer.is_fenced)
        else:
            _log.error("run_crashed", exc_info=error)
        held.trace.drop()
        self._events.drop_writer(held.writer, has_ended=False)

    async def _write_end(self, held: _HeldRun, outcome: Outcome) -> None:
        try:
            await self._finish(held, outcome)
        except BaseException as error:  # noqa: BLE001 - the worker's boundary, as above
            self._let_go(held, error)
        else:
            self._events.drop_writer(held.writer, has_ended=True)

    async def _open(self, held: _HeldRun) -> ActiveRun:
        record, writer = held.record, held.writer
        steps: list[Step] = []
        logged: list[Event] = []
        if record.epoch > 1:
            steps = await self._run_log.read_steps(record.key, segment=record.segment)
            logged = await self._read_log(record)
            writer.next_seq = logged[-1].seq + 1 if logged else record.segment_seq
        paused = None if record.segment == 0 else await self._store.get_answer(record.key)
        is_fresh = record.epoch == 1 and record.segment == 0
        children = Children(
            record,
            writer,
            () if is_fresh else await self._run_log.read_children(record.key),
            read_steps=self._read_steps,
        )
        return ActiveRun(
            record,
            writer,
            trace=held.trace,
            steps=steps,
            logged=logged,
            paused=paused,
            children=children,
            load_context=self._load_context,
            blobs=self._blobs,
            memories=self._memories,
            knowledge=self._knowledge,
        )

    async def _read_steps(self, key: UUID, segment: int) -> list[Step]:
        steps: list[Step] = await retry_while_unavailable(lambda: self._run_log.read_steps(key, segment=segment))
        return steps

    async def _read_log(self, record: RunRecord) -> list[Event]:
        events: list[Event] = []
        while page := await self._run_log.read_events(
            record.key, after=events[-1].seq if events else record.segment_seq - 1
        ):
            events += page
        return events

    async def _load_context(self, record: RunRecord, history_runs: int) -> SessionContext:
        context: SessionContext = await retry_while_unavailable(
            lambda: self._store.get_context(record, history_runs=history_runs)
        )
        return context

    async def _make_outcome(self, held: _HeldRun) -> Outcome:
        """Run the component; one that cannot even say how its run ends must not have it begun again for ever."""
        try:
            held.run = await retry_while_unavailable(lambda: self._open(held))
            return await self._execute(held, held.run)
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error) or held.is_ending:
                raise
            if held.run is None and held.record.takeovers <= self._max_takeovers:
                raise  # the database, perhaps; a later claim may do better
            _log.exception("component_cannot_end_run")
            return _bare_outcome(held, describe(error))

    async def _execute(self, held: _HeldRun, run: ActiveRun) -> Outcome:
        record = held.record
        execution = self._components[record.kind, record.component_id].begin(run)
        if held.is_cancelled:
            return execution.cancel()
        if record.takeovers > self._max_takeovers:
            limit = TakeoverLimitError(
                f"The run was taken over {record.takeovers} times because its nodes died; it may be what stops them. "
                "SERAI_MAX_TAKEOVERS sets the bound."
            )
            return execution.fail(limit, keeps_content=True)
        held.execution = execution
        try:
            outcome = await execution.execute()
            return execution.cancel() if held.has_been_cancelled() else outcome
        except BaseException as error:
            if isinstance(error, FencedError) or held.is_ending:
                raise
            if is_stop_request(error):
                if not held.has_been_cancelled() or held.writer.is_fenced or self._is_abandoning:
                    raise
                _withdraw_stop_requests()
                return execution.cancel()
            _log.exception("component_failed")
            return execution.fail(error)

    async def _finish(self, held: _HeldRun, outcome: Outcome) -> None:
        record, writer = held.record, held.writer
        try:
            last, output = dump_json(outcome.last_event[1]), dump_json(answer_members(outcome))
        except Exception as error:  # noqa: BLE001 - what no JSON can hold: the run ends without it
            _log.exception("answer_cannot_be_stored")
            outcome = _bare_outcome(held, f"The answer cannot be stored as JSON: {describe(error)}")
            last, output = dump_json(outcome.last_event[1]), dump_json(answer_members(outcome))
        writer.emit(outcome.last_event[0], last)
        faults.reach("before_finish_commit")
        children = held.run.close_children(outcome.status) if held.run is not None else []
        unwritten = await self._events.close_writer(writer)
        events = unwritten.events
        item = FinishedRun(
            record=record,
            status=outcome.status,
            output=output,
            messages=outcome.messages,
            carried=outcome.carried,
            events=events,
            next_seq=writer.next_seq,
            children=[*unwritten.children, *children],
            state_changes=outcome.state_changes,
            state_removals=outcome.state_removals,
            usage=outcome.usage,
            jobs=outcome.jobs,
        )
        finished: Finished = await retry_while_unavailable(lambda: self._finishes.submit(item))
        if not finished.is_done:
            raise FencedError(f"run {record.id} belongs to another node now")
        held.trace.end(outcome)
        faults.reach("after_finish_commit")
        self._measure(held, outcome)
        self._events.publish(record.key, events, answer=Answer(outcome.status, output, outcome.messages))
        if finished.next_key is not None:
            self._due.set()
            self._wakeups.tell_queue()
        if outcome.jobs:
            self._look_for_jobs()

    def _measure(self, held: _HeldRun, outcome: Outcome) -> None:
        record, meter, now = held.record, self._events.meter, time.perf_counter()
        meter.events_committed(now - held.writer.spoke_at)
        meter.run_rested(record.kind, record.component_id, outcome.status, now - held.began_at)
        meter.usage_counted(outcome.usage)

    async def _write_finishes(self, items: list[FinishedRun]) -> list[Finished]:
        return await self._store.finish(items, node_id=self._node_id)


def _bare_outcome(held: _HeldRun, text: str) -> Outcome:
    return bare_outcome(held.record, is_cancelled=held.is_cancelled, text=text, next_seq=held.writer.next_seq)


def _withdraw_stop_requests() -> None:
    task = asyncio.current_task()
    assert task is not None
    while task.cancelling():
        task.uncancel()
