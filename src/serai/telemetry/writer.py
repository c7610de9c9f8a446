"""Writes the spans of this process: gathered in memory, one statement for all that came since the last one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from serai.domain.traces import Entry, Span
from serai.engine.spans import OpenSpan
from serai.errors import DatabaseUnavailableError
from serai.storage.spans import SpanStore
from serai.telemetry.capture import Capture
from serai.telemetry.otel_context import Marked, enter_span, leave_span

WRITE_S: Final = 0.25
LONG_NS: Final = 500_000_000
MOST_AT_ONCE: Final = 500
CHARACTERS_AT_ONCE: Final = 500_000
MOST_WAITING: Final = 20_000
MOST_CHARACTERS: Final = 50_000_000
STOP_S: Final = 5.0
_TOLD_S: Final = 10.0
_log = structlog.get_logger("serai.telemetry")


class SpanWriter:
    """The one writer of spans of a process; it never keeps a run waiting.

    Args:
        store: where they are written.
        capture: what is kept of contents.
        takes_libraries: whether spans that libraries tell of inside steps are taken, too.
        most_waiting: spans held at a time; those that come when so many wait are lost, and counted.
        on_write: called with the number of spans of each write.

    Attributes:
        written, lost: spans so far.
    """

    def __init__(
        self,
        store: SpanStore,
        capture: Capture,
        *,
        takes_libraries: bool = False,
        most_waiting: int = MOST_WAITING,
        on_write: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.written = 0
        self.lost = 0
        self._store = store
        self._capture = capture
        self._keeper = capture if takes_libraries else None
        self._marks: dict[tuple[str, bool], Marked] = {}
        self._most_waiting = most_waiting
        self._on_write = on_write
        self._waiting: deque[Span] = deque()
        self._characters = 0
        self._open: dict[OpenSpan, None] = {}
        self._listeners: list[Callable[[Span], None]] = []
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._lost_logged = (0, -_TOLD_S)

    @property
    def waiting(self) -> int:
        """Spans that are not written yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_on(), name="serai-spans")

    async def stop(self) -> None:
        """Write what waits, as far as the database takes it now, and write no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            async with asyncio.timeout(STOP_S):
                await self.write_now()
        except (DatabaseUnavailableError, TimeoutError):
            self._lose(len(self._waiting))

    def add(self, span: Span) -> None:
        """Take a span that has ended; it is lost when too many wait."""
        if not self._has_room(1):
            self._lose(1)
            return
        self._put(span)
        for listener in self._listeners:
            listener(span)

    def receive(self, spans: Sequence[Span]) -> bool:
        """Take spans that another program has sent, all or none; False: there is no room, they may come again.

        The room that is left is for the runs of this process, whose spans come but once.
        """
        if self._characters > MOST_CHARACTERS // 2 or not self._has_room(self._most_waiting // 2 + len(spans)):
            return False
        for span in spans:
            self._put(span)
        return True

    def watch(self, span: OpenSpan) -> None:
        """Take a span that goes on: it is written as it is so far when it goes on for long."""
        self._open[span] = None

    def forget(self, span: OpenSpan) -> None:
        """Watch a span no more."""
        self._open.pop(span, None)

    def text(self, value: Any) -> str | None:
        """Return what a span keeps of an input or an output."""
        return self._capture.text(value)

    def enter(self, trace_id: UUID, span_id: int, *, project_id: str, asks: bool) -> object:
        """Make a span the current one of OpenTelemetry, so that what libraries tell, and send on, lies in it."""
        marked = self._marks.get((project_id, asks))
        if marked is None:
            marked = self._marks[project_id, asks] = Marked(project_id, asks, self._keeper, self.add)
        return enter_span(trace_id, span_id, marked)

    def leave(self, entered: object) -> None:
        """Make it the current one no more."""
        leave_span(entered)

    def listen(self, listener: Callable[[Span], None]) -> None:
        """Have every span of this process that ends told to somebody else, too."""
        self._listeners.append(listener)

    async def write_now(self) -> None:
        """Write what waits, before somebody reads or removes it.

        Raises:
            DatabaseUnavailableError: what is left waits on.
        """
        async with self._writing:
            while self._waiting:
                await self._write_some()

    def _has_room(self, places: int) -> bool:
        return len(self._waiting) + places <= self._most_waiting and self._characters < MOST_CHARACTERS

    def _put(self, span: Span) -> None:
        length = _length_of(span)  # before the count is read: libraries add from other threads, too
        self._waiting.append(span)
        self._characters += length

    def _take(self) -> Span:
        span = self._waiting.popleft()
        length = _length_of(span)
        self._characters -= length
        return span

    def _put_back(self, spans: Sequence[Span]) -> None:
        """Put spans that were taken where they were; nobody else takes any meanwhile."""
        for span in reversed(spans):
            length = _length_of(span)
            self._waiting.appendleft(span)
            self._characters += length

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            try:
                self._take_long()
                await self.write_now()
            except DatabaseUnavailableError:
                continue
            except Exception:  # noqa: BLE001 - the writer's boundary: what cannot be written is lost, the rest is not
                _log.exception("spans_cannot_be_written")

    def _take_long(self) -> None:
        """Take spans that go on for long, and those that traces are about, as they are so far, each once."""
        now = time.time_ns()
        for span in self._open:
            is_due = span.entry is not Entry.NONE or now - span.started_ns > LONG_NS
            if is_due and not span.is_announced and self._has_room(1):
                span.is_announced = True
                self._put(span.so_far())

    async def _write_some(self) -> None:
        spans: list[Span] = []
        left = self._characters - CHARACTERS_AT_ONCE
        while self._waiting and len(spans) < MOST_AT_ONCE and self._characters > left:
            spans.append(self._take())
        try:
            await self._store.write(spans)
        except (DatabaseUnavailableError, asyncio.CancelledError):
            self._put_back(spans)
            raise
        except Exception:  # noqa: BLE001 - one of them is refused
            await self._write_each(spans)
        else:
            self._on_write(len(spans))
            self.written += len(spans)

    async def _write_each(self, spans: Sequence[Span]) -> None:
        """Write spans one by one: one of them is refused, and the others are not to be lost with it."""
        for done, span in enumerate(spans):
            try:
                await self._store.write([span])
                self.written += 1
            except (DatabaseUnavailableError, asyncio.CancelledError):
                self._put_back(spans[done:])
                raise
            except Exception as error:  # noqa: BLE001 - as above
                _log.warning("span_refused", name=span.name, reason=str(error))
                self._lose(1)

    def _lose(self, count: int) -> None:
        self.lost += count
        told, told_at = self._lost_logged
        if self.lost > told and time.monotonic() - told_at > _TOLD_S:
            self._lost_logged = (self.lost, time.monotonic())
            _log.warning("spans_lost", lost=self.lost - told, waiting=len(self._waiting))


def _length_of(span: Span) -> int:
    """Return about how many characters a span holds."""
    attributes = sum(len(value) for value in span.attributes.values() if isinstance(value, str))
    return 300 + len(span.input or "") + len(span.output or "") + len(span.error or "") + attributes
