"""The event log of this process: what its runs say, flushed in groups, and who follows them.

Followers get committed events only. One flusher writes for all runs; a step's events commit with the step's result.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from serai.domain.json_text import load_json
from serai.domain.meter import Meter
from serai.domain.run_state import LAST_EVENTS, PAUSE_EVENTS
from serai.domain.runs import ChildRun, Event, RunRecord, Step
from serai.engine.wakeup import shard_bit
from serai.errors import DatabaseUnavailableError, FencedError
from serai.storage.connection import retry_while_unavailable
from serai.storage.run_log import Append, RunLog
from serai.storage.runs import Answer

FLUSH_S: Final = 0.01
POLL_S: Final = 1.0
READ_LIMIT: Final = 1000
MAX_PUSHED: Final = 5000
_log = structlog.get_logger("serai.engine")


class RunWriter:
    """What one run of this process writes: events in order, and finished steps.

    Once it is closed nothing more is written: what a task left behind has to say is lost.

    Args:
        record: the run as claimed; its epoch is the proof that goes with every write.
        next_seq: the sequence number of its next event.
        on_fenced: called once when a write is refused.

    Attributes:
        spoke_at: when the first of the events that are pending was emitted.
    """

    def __init__(self, log: EventLog, record: RunRecord, *, next_seq: int, on_fenced: Callable[[], object]) -> None:
        self.record = record
        self.next_seq = next_seq
        self.is_fenced = False
        self.is_cancelled = False
        self.is_closed = False
        self.failure: Exception | None = None
        self.pending = Append(record)
        self.open_steps = 0
        # A run that nobody held before needs no proof; of others the first step makes sure that they are ours.
        self.confirmed_at = time.monotonic() if record.epoch == 1 else -math.inf
        self._log = log
        self._on_fenced = on_fenced
        self._commits: list[asyncio.Future[None]] = []
        self.spoke_at = 0.0

    @property
    def meter(self) -> Meter:
        """Takes what is measured of the run."""
        return self._log.meter

    def emit(self, name: str, data: bytes) -> None:
        """Append an event, JSON in UTF-8; it goes out with the next flush."""
        if self.is_closed:
            return
        if not self.pending.events:
            self.spoke_at = time.perf_counter()
        self.pending.events.append(Event(seq=self.next_seq, name=name, data=data))
        self.next_seq += 1
        self._log.touch(self)

    def add_step(self, step: Step) -> None:
        """Append a finished step; the events emitted before it commit with it or earlier."""
        if self.is_closed:
            return
        self.pending.steps.append(step)
        self.open_steps += 1
        self._log.touch(self)

    def add_child(self, child: ChildRun) -> None:
        """Append what has become of a child run; durable like a step, but that it began need not be."""
        if self.is_closed:
            return
        self.pending.children.append(child)
        self.open_steps += child.status.is_at_rest
        self._log.touch(self)

    async def commit(self) -> None:
        """Wait until all finished steps are durable, and this node is known to own the run still.

        Raises:
            FencedError: another node owns it.
            asyncio.CancelledError: the run is to end.
            Exception: what the database says about a step that it cannot take.
        """
        self._check()
        if self.open_steps == 0 and self._is_proven():
            return
        await self._write_all()
        if not self._is_proven():  # the proof took long: the node may have been frozen meanwhile
            self._check()
            await self._write_all()

    def _check(self) -> None:
        """Raise if nothing of the run can be written any more."""
        if self.is_fenced:
            raise self.fenced()
        if self.is_cancelled or self.is_closed:
            raise asyncio.CancelledError
        if self.failure is not None:
            raise self.failure

    def _is_proven(self) -> bool:
        return time.monotonic() - self.confirmed_at < self._log.confirm_s

    async def _write_all(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commits.append(future)
        self._log.touch(self, is_urgent=True)
        await future

    def take(self) -> tuple[Append, list[asyncio.Future[None]]]:
        """Hand over all that is pending and whoever waits for it."""
        taken, commits = self.pending, self._commits
        self.pending, self._commits = Append(self.record), []
        return taken, commits

    def refuse(self) -> None:
        """Mark the run as another claim's."""
        if not self.is_fenced:
            self.is_fenced = True
            self._on_fenced()
            _, commits = self.take()
            _fail(commits, self.fenced())

    def fail(self, append: Append, failure: Exception) -> None:
        """Note that the database cannot take these steps: the run can only end, with the events that came with them."""
        self.failure = failure
        self.open_steps -= append.open_steps
        self.pending.events[:0] = append.events

    def fenced(self) -> FencedError:
        """Return what a write of a run that was lost raises."""
        return FencedError(f"run {self.record.id} belongs to another node now")


class Follower:
    """Reads one run's events from a place on, live, wherever the run is.

    Args:
        after: the last sequence number already seen; -1 for all.
        is_new: the run was stored a moment ago by this process: nothing to catch up on.
        skips: its reader wants to know how the run ends, and may miss events before that.

    Attributes:
        is_cut: this node stops; the run goes on.
        is_removed: there is no such run any more, and no event that says so.
    """

    def __init__(self, log: EventLog, record: RunRecord, *, after: int, is_new: bool, skips: bool = False) -> None:
        self.record = record
        self.answer: Answer | None = None
        self.is_cut = False
        self.is_removed = False
        self._log = log
        self._seen = after
        self._is_behind = not is_new
        self._skips = skips
        self._is_over = record.status.is_terminal  # one that paused may have gone on since
        self._pushed: list[Event] = []
        self._wake = asyncio.Event()
        self._ends = LAST_EVENTS[record.kind]

    def push(self, events: Sequence[Event], answer: Answer | None) -> None:
        """Take events just committed by this process."""
        if self._skips and answer is None:
            self._seen = max(self._seen, events[-1].seq)
            return
        self._pushed.extend(events)
        self.answer = answer or self.answer
        if len(self._pushed) > MAX_PUSHED:  # a slow reader: it reads the log page by page instead
            self._pushed.clear()
            self._is_behind = True
        self._wake.set()

    def look(self) -> None:
        """Read the log again: another node may have written."""
        self._is_behind = True
        self._wake.set()

    def cut(self) -> None:
        """End the stream before its run: this node stops."""
        self.is_cut = True
        self._wake.set()

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yield events in order, without gap or repetition, until the one that ends the run's stream."""
        while not self.is_cut:
            was_read, events = self._is_behind, await self._next()
            if events:
                self._seen = events[-1].seq
                yield events
                if await self._is_end(events[-1]):
                    return
                continue
            if was_read and not self._is_behind:
                if self._is_over:  # before the last read, which found nothing: there is nothing more
                    self.is_removed = not await self._log.exists(self.record.key)
                    return
                if await self._log.is_over(self.record.key):
                    self._is_over = self._is_behind = True
            self._wake.clear()
            if self._pushed or self._is_behind or self.is_cut:
                continue
            # A run of this process pushes; for others a poll stands behind the wake-ups.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._log.is_local(self.record.key) else POLL_S):
                    await self._wake.wait()
            if not self._pushed:
                self._is_behind = True

    async def _is_end(self, event: Event) -> bool:
        """Return whether nothing follows an event; after a pause that lies back the run may have gone on."""
        if event.name not in self._ends:
            return False
        if load_json(event.data).get("run_id", self.record.id) != self.record.id:  # a child's
            return False
        if self.answer is not None:  # it came with this event
            return True
        return event.name not in PAUSE_EVENTS or await self._log.is_over(self.record.key)

    def close(self) -> None:
        """Stop following; the run goes on."""
        self._log.forget(self)

    async def _next(self) -> list[Event]:
        if not self._is_behind:
            pushed, self._pushed = self._pushed, []
            fresh = [event for event in pushed if event.seq > self._seen]
            if not fresh or fresh[0].seq == self._seen + 1:
                return fresh
        self._is_behind = False  # before the read: a wake-up while it is under way means another one
        try:
            events = await self._log.read(self.record.key, after=self._seen)
            self._is_behind = self._is_behind or len(events) == READ_LIMIT
            return events
        except DatabaseUnavailableError:
            self._is_behind = True
            await asyncio.sleep(0.2)
            return []


class EventLog:
    """All writers and followers of this process, and the one flusher.

    Args:
        store: the log's statements.
        node_id: whose runs the writes are for.
        confirm_s: after this long without a write a step first makes sure that the run is still ours.
        tell: called with a run's key when it has new committed events, to wake other nodes.
        meter: told how long events waited, and how many runs' were written together.
    """

    def __init__(
        self,
        store: RunLog,
        *,
        node_id: str,
        confirm_s: float,
        tell: Callable[[UUID], None],
        meter: Meter | None = None,
    ) -> None:
        self.confirm_s = confirm_s
        self.meter = meter or Meter()
        self._store = store
        self._node_id = node_id
        self._tell = tell
        self._writers: dict[UUID, RunWriter] = {}
        self._dirty: dict[UUID, RunWriter] = {}
        self._writing: dict[UUID, asyncio.Future[None]] = {}
        self._followers: dict[UUID, set[Follower]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._is_urgent = False

    def open_writer(self, record: RunRecord, *, next_seq: int, on_fenced: Callable[[], object]) -> RunWriter:
        """Begin to write for a run that this node has claimed; an earlier claim of its own is void."""
        if (earlier := self._writers.get(record.key)) is not None:
            self._dirty.pop(record.key, None)
            earlier.refuse()
        writer = RunWriter(self, record, next_seq=next_seq, on_fenced=on_fenced)
        self._writers[record.key] = writer
        return writer

    async def close_writer(self, writer: RunWriter) -> Append:
        """Stop flushing for a run that is about to end and return what is not yet written.

        Its unwritten steps are needless: the answer holds what they led to.
        """
        writer.is_closed = True
        self._clean(writer)
        if (writing := self._writing.get(writer.record.key)) is not None:
            await asyncio.shield(writing)
        taken, commits = writer.take()
        for future in commits:
            future.cancel()
        return taken

    def drop_writer(self, writer: RunWriter, *, has_ended: bool) -> None:
        """Forget a run; if it goes on elsewhere its followers read the log from here on."""
        key = writer.record.key
        writer.is_closed = True
        self._clean(writer)
        if self._writers.get(key) is writer:
            del self._writers[key]
        if not has_ended:
            for follower in self._followers.get(key, ()):
                follower.look()

    def follow(self, record: RunRecord, *, after: int = -1, is_new: bool = False, skips: bool = False) -> Follower:
        """Begin to follow a run; the caller closes the follower."""
        follower = Follower(self, record, after=after, is_new=is_new, skips=skips)
        self._followers.setdefault(record.key, set()).add(follower)
        return follower

    def forget(self, follower: Follower) -> None:
        """Drop a follower."""
        followers = self._followers.get(follower.record.key)
        if followers is not None:
            followers.discard(follower)
            if not followers:
                del self._followers[follower.record.key]

    def is_local(self, key: UUID) -> bool:
        """Return whether this process runs it."""
        return key in self._writers

    async def read(self, key: UUID, *, after: int) -> list[Event]:
        """Return committed events with a greater sequence number."""
        return await self._store.read_events(key, after=after, limit=READ_LIMIT)

    async def exists(self, key: UUID) -> bool:
        """Return whether a run is there; one that cannot be asked for just now is."""
        try:
            return await self._store.exists(key)
        except DatabaseUnavailableError:
            return True

    async def is_over(self, key: UUID) -> bool:
        """Return whether a run of another node, or of the past, is known to rest."""
        try:
            return key not in self._writers and await self._store.is_at_rest(key)
        except DatabaseUnavailableError:
            return False

    def publish(self, key: UUID, events: Sequence[Event], *, answer: Answer | None = None) -> None:
        """Hand committed events to the followers here and wake those elsewhere."""
        for follower in self._followers.get(key, ()):
            follower.push(events, answer)
        self._tell(key)

    def wake_followers(self, mask: int) -> None:
        """Make the followers of other nodes' runs read again; `mask` names the shards with news."""
        for key, followers in self._followers.items():
            if mask & shard_bit(key) and key not in self._writers:
                for follower in followers:
                    follower.look()

    def touch(self, writer: RunWriter, *, is_urgent: bool = False) -> None:
        """Note that a run has something to write: at once when somebody waits, else within 10 ms."""
        if writer.is_fenced:
            return
        self._dirty[writer.record.key] = writer
        self._is_urgent = self._is_urgent or is_urgent
        if self._flusher is not None:
            return
        if is_urgent:
            if self._timer is not None:
                self._timer.cancel()
            self._begin_flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._begin_flush)

    def cut_followers(self) -> None:
        """End all streams of this node; the runs that go on elsewhere can be followed there."""
        for followers in self._followers.values():
            for follower in followers:
                follower.cut()

    async def stop(self) -> None:
        """End the flusher after what it is writing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher

    def _clean(self, writer: RunWriter) -> None:
        if self._dirty.get(writer.record.key) is writer:
            del self._dirty[writer.record.key]

    def _begin_flush(self) -> None:
        self._timer = None
        if self._dirty and self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="serai-flush")

    async def _flush(self) -> None:
        try:
            self._is_urgent = True
            while self._dirty and self._is_urgent:
                self._is_urgent = False
                dirty, self._dirty = list(self._dirty.values()), {}
                await self._write(dirty)
        finally:
            self._flusher = None
            if self._dirty and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._begin_flush)

    async def _write(self, writers: list[RunWriter]) -> None:
        spoke_at = min((writer.spoke_at for writer in writers if writer.pending.events), default=None)
        batch = [(writer, *writer.take()) for writer in writers]
        self.meter.batch_written("events", sum(len(append.events) for _, append, _ in batch))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writing.update((writer.record.key, done) for writer in writers)
        owned: set[UUID] = set()
        failures: dict[UUID, Exception] = {}
        sent_at = time.monotonic()
        try:
            owned, failures = await self._append([append for _, append, _ in batch])
        finally:  # nothing written: nobody may go on as if it were
            for writer in writers:
                self._writing.pop(writer.record.key, None)
            done.set_result(None)
            for writer, append, commits in batch:
                if (failure := failures.get(writer.record.key)) is not None:
                    writer.fail(append, failure)
                    _fail(commits, failure)
                else:
                    proven_at = sent_at if writer.record.root_key in owned else None
                    self._settle(writer, append, commits, proven_at)
        if spoke_at is not None:
            self.meter.events_committed(time.perf_counter() - spoke_at)

    async def _append(self, appends: list[Append]) -> tuple[set[UUID], dict[UUID, Exception]]:
        """Write, and return the root keys that the fence let through, and what the database cannot take."""
        try:
            owned = await retry_while_unavailable(
                lambda: self._store.append(appends, node_id=self._node_id), on_wait=_warn
            )
            return owned, {}
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if len(appends) == 1:
                _log.exception("append_refused", run_id=appends[0].record.id)
                return set(), {appends[0].record.key: error}
        # One of them is bad; found by writing each alone.
        alone = [await self._append([append]) for append in appends]
        return (
            {key for owned, _ in alone for key in owned},
            {key: failure for _, failures in alone for key, failure in failures.items()},
        )

    def _settle(
        self, writer: RunWriter, append: Append, commits: list[asyncio.Future[None]], proven_at: float | None
    ) -> None:
        """Take what became of an append: when this node was known to own the run, or None if it does not."""
        if proven_at is not None:
            writer.confirmed_at = proven_at
            writer.open_steps -= append.open_steps
            if append.events:
                self.publish(writer.record.key, append.events)
            for future in commits:
                if not future.done():
                    future.set_result(None)
        else:
            writer.refuse()
            _fail(commits, writer.fenced())


def _fail(commits: list[asyncio.Future[None]], error: Exception) -> None:
    for future in commits:
        if not future.done():
            future.set_exception(error)


def _warn(error: DatabaseUnavailableError) -> None:
    _log.warning("event_log_waits", reason=error.message)
