"""The engine as the rest of Serai sees it: submit a run, follow it, read its answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from serai.domain.ids import new_key
from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, NewRun, Outcome, RunRecord
from serai.domain.search_text import PIECES_END, fold, pieces_of, title_of
from serai.domain.traces import read_traceparent
from serai.engine import faults
from serai.engine.active_run import Component, KnowledgeSearch, RestingRun, answer_members
from serai.engine.event_log import EventLog, Follower
from serai.engine.last_resort import bare_outcome
from serai.engine.node import Node
from serai.engine.tracing import Tracer
from serai.engine.wakeup import Wakeups
from serai.engine.worker import Worker
from serai.errors import ConflictError, NotFoundError, ShuttingDownError
from serai.storage.batching import Batcher
from serai.storage.blobs import BlobStore
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import RequestKey, answer_once
from serai.storage.run_log import RunLog
from serai.storage.run_moves import Cancelled, Continuation, EndAtRest, RunMoves
from serai.storage.runs import Answer, RunStore, Submitted
from serai.storage.user_memories import UserMemories

_log = structlog.get_logger("serai.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How a node behaves; each is a setting of the same name."""

    node_name: str | None = None
    max_runs: int = 64
    lease_s: float = 10.0
    max_takeovers: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asks to be run.

    Attributes:
        run_id: chosen by the caller, or None.
        input: JSON for the component.
        idempotency_key: a repeated request with the same key and input is the same run.
        waits: whether it waits for its turn when its session is busy.
        message: what the user said: the name of a session that has none.
        traceparent: the header that says in which trace of the caller the run lies.
    """

    project_id: str
    user_id: str | None
    session_id: str | None
    run_id: str | None
    kind: str
    component_id: str
    input: bytes
    idempotency_key: str | None = None
    waits: bool = True
    message: str = ""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Continued:
    """What became of a request to continue a run.

    Attributes:
        record: the run as it goes on, or still waits for answers.
        after: follow its events from here on.
        is_begun: it goes on; else answers are still missing.
        is_new: this very request made it go on.
    """

    record: RunRecord
    after: int
    is_begun: bool
    is_new: bool


class Engine:
    """One node of the cluster: its worker, its log, its place among the others.

    Attributes:
        node: its entry among the nodes.
        blobs: the bytes of media that runs are given, and make.

    Args:
        database: where runs are.
        components: what it runs.
        options: how.
        knowledge: the knowledge bases that components may search.
        tracer: begins the traces of runs; none are traced by default.
    """

    def __init__(
        self,
        database: Database,
        components: Sequence[Component],
        *,
        options: EngineOptions,
        knowledge: KnowledgeSearch | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer or Tracer()
        self._database = database
        self._meter = database.meter
        self._store = RunStore(database)
        self._moves = RunMoves(database)
        self.blobs = BlobStore(database)
        self._components = {(component.kind, component.id): component for component in components}
        run_log = RunLog(database)
        self.node = Node(
            database.dsn,
            name=options.node_name,
            lease_s=options.lease_s,
            on_released=self._on_released,
        )
        self._wakeups = Wakeups(database.dsn, node_id=self.node.id, is_alone=lambda: self.node.is_alone)
        self._events = EventLog(
            run_log,
            node_id=self.node.id,
            confirm_s=options.lease_s / 2,
            tell=self._wakeups.tell_events,
            meter=database.meter,
        )
        self.worker = Worker(
            store=self._store,
            run_log=run_log,
            blobs=self.blobs,
            memories=UserMemories(database),
            knowledge=knowledge,
            events=self._events,
            tracer=self._tracer,
            wakeups=self._wakeups,
            node_id=self.node.id,
            components=self._components,
            max_runs=options.max_runs,
            max_takeovers=options.max_takeovers,
            cancel_late=self._cancel_late,
            look_for_jobs=self._look_for_jobs,
            holds_lease=lambda: self.node.holds_lease,
        )
        self._submits: Batcher[NewRun, Submitted | None] = Batcher(
            self._store.submit, on_write=partial(database.meter.batch_written, "submits")
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = False
        self._on_jobs: Callable[[], None] = lambda: None

    @property
    def components(self) -> Collection[tuple[str, str]]:
        """Kind and id of each component that this node has."""
        return self._components.keys()

    async def start(self, *, on_jobs: Callable[[], None] | None = None) -> None:
        """Join the cluster and begin to claim.

        Args:
            on_jobs: called when another node's background job may have become claimable.
        """
        self._on_jobs = on_jobs or self._on_jobs
        self._loop = asyncio.get_running_loop()
        await self.node.start()
        self._wakeups.start(on_queue=self.worker.wake, on_jobs=self._on_jobs, on_events=self._events.wake_followers)
        self.worker.start()

    async def stop(self, *, drain_s: float = 0.0) -> None:
        """Wait for the runs held, at most `drain_s` seconds, hand the rest over, and leave the cluster.

        May be cancelled and called again, with less time; does nothing once it has returned.
        """
        self._is_stopping = True
        await self.worker.drain(drain_s)
        await self.node.stop()
        await self.worker.abandon()
        self._events.cut_followers()
        await self._events.stop()
        await self._wakeups.stop()

    async def submit(self, request: RunRequest) -> tuple[RunRecord, bool]:
        """Store a run; begin it at once if its session is idle and this node has a place.

        Returns:
            The run, and whether it is new (False: an idempotency key came again).

        Raises:
            NotFoundError: the session belongs to another user.
            ConflictError: the run id, or the idempotency key with another request, is taken; or the session is busy
                and the run would not wait.
            ShuttingDownError: this node is stopping.

        Durable when it returns. Cost: one statement, shared with whoever submits at the same moment.
        """
        if self._is_stopping:
            raise ShuttingDownError("This server is stopping; send the request again to another one.")
        key = new_key()
        is_limited = self.worker.is_limited(request.kind, request.component_id)
        is_reserved = not is_limited and self.worker.reserve()
        record: RunRecord | None = None
        try:
            new = _new_run(key, request, node_id=self.node.id if is_reserved else None)
            try:
                submitted = await self._submits.submit(new)
            except asyncpg.UniqueViolationError:
                if (first := await self._find_repeated(new)) is not None:
                    return first, False
                raise ConflictError(f"A run with id '{new.id}' exists already; choose another run_id.") from None
            if submitted is None:
                if (first := await self._find_repeated(new)) is not None:
                    return first, False
                if await self._store.may_use_session(new.project_id, new.session_id, new.user_id):
                    raise _busy(new.session_id)
                raise NotFoundError("Session not found")
            faults.reach("after_submit_commit")
            if submitted.is_claimed:
                record = submitted.record
            elif not is_reserved:
                self.worker.wake()
                self._wakeups.tell_queue()
            return submitted.record, True
        finally:
            if is_reserved:
                self.worker.settle(record)

    def follow(self, record: RunRecord, *, after: int = -1, is_new: bool = False) -> Follower:
        """Follow a run's events from a place on; the caller closes the follower."""
        return self._events.follow(record, after=after, is_new=is_new)

    async def find(self, project_id: str, run_id: str) -> RunRecord:
        """Return a run by its public id.

        Raises:
            NotFoundError: the project has no such run.
        """
        record = await self._store.find(project_id, run_id)
        if record is None:
            raise NotFoundError("Run not found")
        return record

    async def read_events(self, record: RunRecord, *, after: int = -1) -> AsyncIterator[list[Event]]:
        """Yield a run's committed events from a place on, page by page."""
        while page := await self._events.read(record.key, after=after):
            yield page
            after = page[-1].seq

    async def list_runs(
        self,
        project_id: str,
        session_id: str,
        *,
        kind: str,
        component_id: str,
        status: RunStatus | None,
        limit: int,
    ) -> list[tuple[RunRecord, Answer]]:
        """Return a session's newest runs of a component, oldest first.

        Raises:
            NotFoundError: the project has no such session.
        """
        runs = await self._store.list_runs(project_id, session_id, kind, component_id, status=status, limit=limit)
        if runs is None:
            raise NotFoundError("Session not found")
        return runs

    async def wait(self, record: RunRecord, *, after: int = -1, is_new: bool = False) -> Answer:
        """Wait until a run rests and return its answer. Giving up waiting leaves the run alone.

        Raises:
            ShuttingDownError: this node stops and another one goes on with the run.
        """
        follower = self._events.follow(record, after=after, is_new=is_new, skips=True)
        try:
            async for _ in follower.batches():
                pass
            if follower.is_cut:
                raise ShuttingDownError(f"This server is stopping; run {record.id} goes on, read it from another one.")
            return follower.answer or await self._store.get_answer(record.key)
        finally:
            follower.close()

    async def proceed(
        self, record: RunRecord, answers: Any, *, key: RequestKey | None = None, waits: bool = True
    ) -> Continued:
        """Continue a paused run with a caller's answers, in its turn; some of them are kept until the rest comes.

        Args:
            record: the run.
            answers: as its component understands them.
            key: a repeated request with the same key goes on following what the first one began.
            waits: whether it waits for its turn when its session is busy.

        Raises:
            ConflictError: the run is not paused; its session is busy and it would not wait; or the key is taken.
            SeraiError: an answer is wrong.
            ShuttingDownError: this node is stopping.

        Durable when it returns.
        """
        if self._is_stopping:
            raise ShuttingDownError("This server is stopping; send the request again to another one.")
        if record.parent_key is not None:
            raise ConflictError(f"Run '{record.id}' runs inside another one; continue that.")
        component = self._components[record.kind, record.component_id]
        is_reserved = not self.worker.is_limited(record.kind, record.component_id) and self.worker.reserve()
        moved: Continuation | None = None

        def take(stored: bytes) -> tuple[bytes, bool]:
            output = load_json(stored)
            is_complete = component.take_answers(output, answers)
            return dump_json(output), is_complete

        async def act(connection: Connection) -> dict[str, Any]:
            nonlocal moved
            node_id = self.node.id if is_reserved else None
            moved = await self._moves.proceed(connection, record, answer=take, node_id=node_id, waits=waits)
            if moved is None:
                raise _busy(record.session_id)
            if not moved.is_moved and moved.record.status is not RunStatus.PAUSED:
                raise ConflictError(f"Run '{record.id}' is not paused, it is {moved.record.status.value}.")
            return {"after": moved.record.segment_seq - 1, "is_begun": moved.is_moved}

        claimed: RunRecord | None = None
        try:
            answer = await answer_once(self._database, key, act)
            current = await self.find(record.project_id, record.id) if moved is None else moved.record
            if moved is not None and moved.is_moved:
                if current.status is RunStatus.RUNNING:
                    claimed = current
                else:
                    self.worker.wake()
                    self._wakeups.tell_queue()
            return Continued(current, answer["after"], answer["is_begun"], moved is not None)
        finally:
            if is_reserved:
                self.worker.settle(claimed)

    async def cancel(
        self, project_id: str, run_id: str, *, kind: str, component_id: str, session_id: str | None = None
    ) -> None:
        """Cancel a run of a component wherever it is; one that rests already stays as it is.

        Ended when it returns, if nobody works on it; else within a second. A run that nobody knows yet is cancelled
        when it comes, if that is within a day.
        """
        record = await self._store.find(project_id, run_id)
        if record is None:
            await self._moves.remember_cancel(project_id, run_id)
            record = await self._store.find(project_id, run_id)  # it may have come just before
        if record is None:
            return
        named = (kind, component_id, session_id or record.session_id)
        if (record.kind, record.component_id, record.session_id) != named or record.parent_key is not None:
            return
        await self._cancel(record)

    async def _cancel(self, record: RunRecord) -> None:
        component = self._components[record.kind, record.component_id]
        ended: list[tuple[RunRecord, Outcome]] = []

        def end(current: RunRecord, stored: Answer, logged: list[Event], next_seq: int) -> EndAtRest:
            try:
                outcome = component.cancel_at_rest(RestingRun(current, stored, logged, next_seq))
            except Exception:  # noqa: BLE001 - the component's boundary: the run ends in any case
                _log.exception("component_cannot_end_run", run_id=current.id)
                outcome = bare_outcome(current, is_cancelled=True, text="The run was cancelled.", next_seq=next_seq)
            name, members = outcome.last_event
            event = Event(seq=next_seq, name=name, data=dump_json(members))
            ended.append((current, outcome))
            return EndAtRest(
                output=dump_json(answer_members(outcome)),
                messages=outcome.messages,
                event=event,
                usage=outcome.usage,
            )

        moved = await self._moves.cancel(record, end=end)
        if isinstance(moved, Cancelled):
            self._tracer.tell_end_at_rest(*ended[-1])
            self._meter.run_rested(record.kind, record.component_id, moved.answer.status, None)
            self._meter.usage_counted(ended[-1][1].usage)
            self._events.publish(record.key, [moved.event], answer=moved.answer)
            if moved.next_key is not None:
                self.worker.wake()
                self._wakeups.tell_queue()
        elif moved.status is RunStatus.RUNNING:
            self.worker.cancel(record.key)
            self._wakeups.tell_queue()

    async def get_answer(self, record: RunRecord) -> Answer:
        """Return a run's state now and, once it rests, its answer."""
        return await self._store.get_answer(record.key)

    def tell_jobs(self) -> None:
        """Tell other nodes that a background job may be claimable."""
        self._wakeups.tell_jobs()

    async def _cancel_late(self) -> None:
        """Cancel runs that paused just when somebody cancelled them."""
        if not self._components:
            return
        for record in await self._moves.list_late_cancels(self._components):
            await self._cancel(record)

    async def _find_repeated(self, new: NewRun) -> RunRecord | None:
        """Return the run that came first with the same idempotency key, if there is a key and one came."""
        if new.idempotency_key is None:
            return None
        first = await self._store.find_repeated(new.project_id, new.idempotency_key)
        if first is not None and first.fingerprint != new.fingerprint:
            raise ConflictError("Idempotency-Key was used with another request; choose a new key.")
        return first

    def _on_released(self) -> None:
        """Called in the node's thread: other nodes' runs and jobs are claimable."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._look_for_work)

    def _look_for_work(self) -> None:
        self.worker.wake()
        self._wakeups.tell_queue()
        self._look_for_jobs()

    def _look_for_jobs(self) -> None:
        """Look for background jobs here, and have other nodes look."""
        self._on_jobs()
        self._wakeups.tell_jobs()


def _new_run(key: UUID, request: RunRequest, *, node_id: str | None) -> NewRun:
    # A run id or session that the server draws is no part of what the caller asked.
    asked = (request.kind, request.component_id, request.session_id, request.run_id, request.user_id)
    fingerprint = hashlib.blake2b(repr(asked).encode() + request.input, digest_size=16).digest()
    title = title_of(request.message)
    folded = fold(title)
    return NewRun(
        key=key,
        id=request.run_id or str(key),
        project_id=request.project_id,
        user_id=request.user_id,
        session_id=request.session_id or str(new_key()),
        kind=request.kind,
        component_id=request.component_id,
        input=_with_traceparent(request),
        idempotency_key=request.idempotency_key,
        fingerprint=fingerprint,
        node_id=node_id,
        waits=request.waits,
        title=title,
        folded=folded,
        pieces=PIECES_END.join(pieces_of(folded)),
    )


def _with_traceparent(request: RunRequest) -> bytes:
    """Return the input with the caller's trace; a repeated request may come from another span of the caller's."""
    if read_traceparent(request.traceparent) is None:
        return request.input
    return b'%b,"traceparent":%b}' % (request.input[:-1], dump_json(request.traceparent))


def _busy(session_id: str) -> ConflictError:
    return ConflictError(
        f"Session '{session_id}' has a run that has not ended; wait for it, cancel it, or send when_busy=queue."
    )
