"""The parts of which traces of runs are made: what a span knows while it goes on, and where it is told. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from serai.domain.traces import NO_ATTRIBUTES, Entry, Span, SpanKind, SpanStatus
from serai.engine.interruption import describe, is_stop_request
from serai.errors import FencedError


class SpanTeller(Protocol):
    """Makes values of open spans, and tells them."""

    def span_of(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus, ended_ns: int | None) -> Span:
        """Return an open span as a value."""
        ...

    def close(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus | None, ended_ns: int) -> None:
        """Tell an open span."""
        ...


class SpanSink(Protocol):
    """Takes spans as they come, and keeps nobody waiting."""

    def add(self, span: Span) -> None:
        """Take a span that has ended."""
        ...

    def watch(self, span: OpenSpan) -> None:
        """Take a span that goes on; what it is like so far is asked for when it goes on for long."""
        ...

    def forget(self, span: OpenSpan) -> None:
        """Watch a span no more."""
        ...

    def text(self, value: Any) -> str | None:
        """Return what a span keeps of an input or an output: a text, cut and free of secrets; or nothing of it."""
        ...

    def enter(self, trace_id: UUID, span_id: int, *, project_id: str, asks: bool) -> object:
        """Make a span the one in which libraries' own spans lie, for this task.

        Args:
            trace_id: of its trace.
            span_id: its own.
            project_id: of its run.
            asks: whether it is a model's request.

        Returns:
            What `leave` takes.
        """
        ...

    def leave(self, entered: object) -> None:
        """Make that span the current one no more."""
        ...


class SpanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a piece of work once it is done.

    Attributes:
        input: what it was given, where that was not told before.
    """

    name: str | None = None
    input: Any = None
    output: Any = None
    error: str | None = None
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    attributes: Mapping[str, Any] = NO_ATTRIBUTES


NO_FACTS: Final = SpanFacts()


class Facts:
    """Where what becomes known of a piece of work is put.

    Attributes:
        known: so far.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known = NO_FACTS


class StepReader(Protocol):
    """Knows what components' steps are about."""

    def kind_of(self, operation: str) -> SpanKind | None:
        """Return what a step is about; None for one that nobody asks for."""
        ...

    def facts_of(self, operation: str, result: Any) -> SpanFacts:
        """Return what a step's result tells."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is told of a step before it is done.

    Attributes:
        name: what people call it.
        input: returns what it is given.
        signals: exceptions that are no failures: it is left for later.
    """

    name: str
    input: Callable[[], Any]
    signals: tuple[type[BaseException], ...] = ()


class OpenSpan:
    """A span that goes on."""

    __slots__ = ("attributes", "entry", "id", "input", "is_announced", "kind", "name", "started_ns", "trace", "within")

    def __init__(
        self,
        trace: SpanTeller,
        kind: SpanKind,
        name: str,
        *,
        span_id: int,
        within: OpenSpan | int | None,
        started_ns: int,
        given: str | None = None,
    ) -> None:
        self.trace = trace
        self.kind = kind
        self.name = name
        self.id = span_id
        self.within = within
        self.started_ns = started_ns
        self.input = given
        self.attributes: dict[str, Any] = {}
        self.entry = Entry.NONE
        self.is_announced = False

    @property
    def parent_id(self) -> int | None:
        """The span in which it lies."""
        return self.within.id if isinstance(self.within, OpenSpan) else self.within

    def began_by(self, started_ns: int) -> None:
        """Note that something in it began at a time: it began no later, nor did those around it."""
        if started_ns < self.started_ns:
            self.started_ns = started_ns
            if isinstance(self.within, OpenSpan):
                self.within.began_by(started_ns)

    def so_far(self) -> Span:
        """Return it as it is while it goes on."""
        return self.trace.span_of(self, NO_FACTS, status=SpanStatus.UNSET, ended_ns=None)

    def end(
        self, facts: SpanFacts = NO_FACTS, *, status: SpanStatus | None = None, ended_ns: int | None = None
    ) -> None:
        """Tell it."""
        self.trace.close(self, facts, status=status, ended_ns=ended_ns or time.time_ns())

    def fail(self, error: BaseException, *, signals: tuple[type[BaseException], ...] = ()) -> None:
        """Tell how it failed; of one that was stopped, the end of its run or the next node tells."""
        if isinstance(error, FencedError) or is_stop_request(error):
            return
        if isinstance(error, signals):
            self.end(status=SpanStatus.UNSET)
        else:
            self.end(SpanFacts(error=describe(error)))


current_span: ContextVar[OpenSpan | None] = ContextVar("serai_span", default=None)
"""In which span the work of this task lies."""
