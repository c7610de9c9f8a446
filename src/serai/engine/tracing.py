"""What a run tells of itself as spans: its steps, what runs inside it, and what it waited for. No I/O.

A span's id follows from the run and the step, so that a node that takes a run over tells the same spans again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome, RunRecord, Step, caller_of
from serai.domain.traces import Entry, Span, SpanKind, SpanStatus, span_id_of
from serai.engine.interruption import describe, is_stop_request
from serai.errors import FencedError

_STATUS: Final = {RunStatus.COMPLETED: SpanStatus.OK, RunStatus.ERROR: SpanStatus.ERROR}
_RUN: Final = "run"


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

    def enter(self, trace_id: UUID, span_id: int) -> object:
        """Make a span the one in which libraries' own spans lie, for this task; return what `leave` takes."""
        ...

    def leave(self, entered: object) -> None:
        """Make that span the current one no more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """What is known of a piece of work once it is done."""

    name: str | None = None
    output: Any = None
    error: str | None = None
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


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

    __slots__ = ("_trace", "attributes", "entry", "id", "input", "is_announced", "kind", "name", "started_ns", "within")

    def __init__(
        self,
        trace: RunTrace,
        kind: SpanKind,
        name: str,
        *,
        span_id: int,
        within: OpenSpan | int | None,
        started_ns: int,
        given: str | None = None,
    ) -> None:
        self._trace = trace
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
        return self._trace.span_of(self, SpanFacts(), status=SpanStatus.UNSET, ended_ns=None)

    def end(
        self, facts: SpanFacts = SpanFacts(), *, status: SpanStatus | None = None, ended_ns: int | None = None
    ) -> None:
        """Tell it."""
        self._trace.close(self, facts, status=status, ended_ns=ended_ns or time.time_ns())

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


class Tracer:
    """Begins the traces of runs.

    Args:
        sink: where spans go; None: nothing is traced.
        steps: knows what steps are about.
    """

    def __init__(self, sink: SpanSink | None = None, steps: StepReader | None = None) -> None:
        self.sink = sink
        self.steps = steps

    def begin(self, record: RunRecord) -> RunTrace:
        """Begin the trace of a root, or go on with it."""
        caller = caller_of(record.input) if self.sink is not None else None
        trace_id = record.root_key if caller is None else caller.trace_id
        trace = RunTrace(self, record, trace_id=trace_id, within=None if caller is None else caller.span_id)
        trace.begin(entry=Entry.ROOT if caller is None else Entry.LOCAL)
        return trace

    def tell_end_at_rest(self, record: RunRecord, outcome: Outcome) -> None:
        """Tell of a run that ends while nobody works on it."""
        if self.sink is not None:
            self.begin(record).end(outcome)


class RunTrace:
    """The spans of one run, a root or one inside it.

    Attributes:
        run_span: the run's own.
    """

    def __init__(self, tracer: Tracer, record: RunRecord, *, trace_id: UUID, within: OpenSpan | int | None) -> None:
        self.trace_id = trace_id
        self._tracer = tracer
        self._sink = tracer.sink
        self._record = record
        self._open: dict[int, OpenSpan] = {}
        self._names: Counter[tuple[int, str]] = Counter()
        is_root = record.parent_key is None
        started_ns = int(record.created_at.timestamp() * 1_000_000) * 1000 if is_root else time.time_ns()
        self.run_span = OpenSpan(
            self,
            SpanKind(record.kind.upper()),
            record.component_id,
            span_id=span_id_of(record.key, _RUN),
            within=within,
            started_ns=started_ns,
        )

    @property
    def is_on(self) -> bool:
        """Whether anything is traced."""
        return self._sink is not None

    def begin(self, *, entry: Entry = Entry.NONE) -> None:
        """Open the run's own span, with what it waited for and who took it over."""
        if self._sink is None:
            return
        self.run_span.entry = entry
        self._watch(self.run_span)
        record = self._record
        if record.parent_key is not None:
            return
        now = time.time_ns()
        if record.segment > 0:
            # It began when the run paused, which the first node told: the longer of the two is kept.
            self._wait(record.segment, now).end(ended_ns=now)
        elif record.epoch <= 1 + record.takeovers:
            self._tell("queue", SpanKind.QUEUE, "0", "waited in the queue", self.run_span.started_ns, now)
        if record.takeovers and record.epoch > 1:
            name = f"taken over ({record.takeovers})"
            self._tell("takeover", SpanKind.TAKEOVER, str(record.epoch), name, now, now)

    def inside(self, record: RunRecord, *, stored_parent: int | None) -> RunTrace:
        """Return the trace of a run inside this one: in the span at work, or in that in which it lay before."""
        within: OpenSpan | int | None = self.current
        if stored_parent is not None and self.current.id != stored_parent:
            within = self._open.get(stored_parent, stored_parent)
        trace = RunTrace(self._tracer, record, trace_id=self.trace_id, within=within)
        trace.begin()
        return trace

    @property
    def current(self) -> OpenSpan:
        """The span in which work that begins now lies."""
        span = current_span.get()
        return span if span is not None and span._trace is self else self.run_span  # noqa: SLF001 - its own class

    def say_given(self, given: Any) -> None:
        """Note what the run is given."""
        if self._sink is not None:
            self.run_span.input = self._sink.text(given)

    def end(self, outcome: Outcome) -> None:
        """Tell how the run came to rest, and what was still under way in it."""
        if self._sink is None:
            return
        output, status = outcome.output, outcome.status
        now = time.time_ns()
        for span in list(self._open.values()):
            if span is not self.run_span:
                span.end(status=SpanStatus.UNSET, ended_ns=now)
        tokens = _tokens_of(outcome)
        facts = SpanFacts(
            output=output.get("content") if status is not RunStatus.ERROR else None,
            error=str(output.get("content")) if status is RunStatus.ERROR else None,
            input_tokens=tokens.get("input_tokens"),
            output_tokens=tokens.get("output_tokens"),
            attributes={"run_status": status.value},
        )
        self.run_span.end(facts, status=_STATUS.get(status, SpanStatus.UNSET), ended_ns=now)
        if status is RunStatus.PAUSED and self._record.parent_key is None:
            self._sink.add(self._wait(self._record.segment + 1, now).so_far())

    def open_step(self, operation: str, call: str, telling: Telling | None) -> OpenSpan | None:
        """Open the span of a step that is about to be done; None of one that nobody asks for."""
        kind = self._kind_of(operation)
        if kind is None or self._sink is None:
            return None
        span = self._new(operation, kind, call, telling.name if telling is not None else operation, time.time_ns())
        if telling is not None:
            span.input = self._sink.text(telling.input())
        self._watch(span)
        return span

    def end_step(self, span: OpenSpan, operation: str, result: Any, *, ended_ns: int) -> None:
        """Tell a step that was done."""
        assert self._tracer.steps is not None
        span.end(self._tracer.steps.facts_of(operation, result), ended_ns=ended_ns)

    def retell(self, step: Step, telling: Telling | None = None) -> None:
        """Tell of a step that an earlier node did, as that node did or would have."""
        kind = self._kind_of(step.operation)
        if kind is None or self._sink is None or step.started_ns is None:
            return
        name = telling.name if telling is not None else step.operation
        span = self._new(step.operation, kind, step.call, name, step.started_ns)
        if telling is not None:
            span.input = self._sink.text(telling.input())
        if isinstance(span.within, OpenSpan):
            span.within.began_by(step.started_ns)
        self.end_step(span, step.operation, load_json(step.result), ended_ns=step.ended_ns or step.started_ns)

    def retell_all(self, steps: Iterable[Step]) -> None:
        """Tell of all steps of a run that has ended."""
        for step in steps:
            self.retell(step)

    @contextmanager
    def within(self, span: OpenSpan | None) -> Iterator[None]:
        """Do work in a span."""
        if span is None or self._sink is None:
            yield
            return
        token, entered = current_span.set(span), self._sink.enter(self.trace_id, span.id)
        try:
            yield
        finally:
            self._sink.leave(entered)
            current_span.reset(token)

    @contextmanager
    def work(self, kind: SpanKind, name: str, *, place: str, given: Any = None) -> Iterator[OpenSpan | None]:
        """Open a span around work that is no step itself; who does it ends it with its facts, else it ends well.

        Args:
            kind: what it is about.
            name: what people call it.
            place: names it inside its run; the same again is another span, counted.
            given: its input.
        """
        if self._sink is None:
            yield None
            return
        parent = self.current
        self._names[parent.id, place] += 1
        number = self._names[parent.id, place]
        span = self._new(f"{place}#{number}@{parent.id}", kind, "", name, time.time_ns())
        span.input = self._sink.text(given)
        self._watch(span)
        try:
            with self.within(span):
                yield span
        except BaseException as error:
            span.fail(error)
            raise
        else:
            if span.id in self._open:
                span.end(SpanFacts())

    def span_of(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus, ended_ns: int | None) -> Span:
        """Return an open span as a value."""
        record, sink = self._record, self._sink
        assert sink is not None
        is_failure = facts.error is not None
        ids = {f"{record.kind}_id": record.component_id}
        return Span(
            project_id=record.project_id,
            trace_id=self.trace_id,
            span_id=span.id,
            parent_id=span.parent_id,
            entry=span.entry,
            kind=span.kind,
            name=facts.name or span.name,
            status=SpanStatus.ERROR if is_failure else status,
            started_ns=span.started_ns,
            duration_ns=None if ended_ns is None else max(0, ended_ns - span.started_ns),
            input=span.input,
            output=sink.text(facts.output),
            error=sink.text(facts.error),
            run_id=record.id,
            session_id=record.session_id,
            user_id=record.user_id,
            agent_id=ids.get("agent_id"),
            team_id=ids.get("team_id"),
            workflow_id=ids.get("workflow_id"),
            model=facts.model,
            provider=facts.provider,
            input_tokens=facts.input_tokens,
            output_tokens=facts.output_tokens,
            attributes={**span.attributes, **facts.attributes},
        )

    def close(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus | None, ended_ns: int) -> None:
        """Tell an open span."""
        if self._sink is None:
            return
        self._open.pop(span.id, None)
        self._sink.forget(span)
        self._sink.add(self.span_of(span, facts, status=status or SpanStatus.OK, ended_ns=ended_ns))

    def drop(self) -> None:
        """Forget what is under way: another node goes on with the run."""
        if self._sink is not None:
            for span in self._open.values():
                self._sink.forget(span)
            self._open.clear()

    def _kind_of(self, operation: str) -> SpanKind | None:
        return None if self._tracer.steps is None else self._tracer.steps.kind_of(operation)

    def _new(self, place: str, kind: SpanKind, call: str, name: str, started_ns: int) -> OpenSpan:
        span_id = span_id_of(self._record.key, f"{self._record.segment}/{place}/{call}")
        return OpenSpan(self, kind, name, span_id=span_id, within=self.current, started_ns=started_ns)

    def _tell(self, place: str, kind: SpanKind, call: str, name: str, started_ns: int, ended_ns: int) -> None:
        self._new(place, kind, call, name, started_ns).end(ended_ns=ended_ns)

    def _wait(self, segment: int, started_ns: int) -> OpenSpan:
        """Return the span of the time before a segment that continues the run."""
        span_id = span_id_of(self._record.key, f"wait/{segment}")
        return OpenSpan(
            self, SpanKind.WAIT, "wait for a person", span_id=span_id, within=self.run_span, started_ns=started_ns
        )

    def _watch(self, span: OpenSpan) -> None:
        assert self._sink is not None
        self._open[span.id] = span
        self._sink.watch(span)


def _tokens_of(outcome: Outcome) -> dict[str, int]:
    metrics = outcome.output.get("metrics") or {}
    return {name: metrics[name] for name in ("input_tokens", "output_tokens") if isinstance(metrics.get(name), int)}
