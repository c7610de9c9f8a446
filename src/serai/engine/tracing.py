"""What a run tells of itself as spans: its steps, what runs inside it, and what it waited for. No I/O.

A span's id follows from the run and the step, so that a node that takes a run over tells the same spans again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Outcome, RunRecord, Step, caller_of, message_of
from serai.domain.traces import ASKING_KINDS, Entry, Span, SpanKind, SpanStatus, span_id_of
from serai.engine.spans import Facts, OpenSpan, SpanFacts, SpanSink, StepReader, Telling, current_span
from serai.engine.told_steps import UNTOLD, Entered, OpenStep, ToldStep, harmless

_STATUS: Final = {RunStatus.COMPLETED: SpanStatus.OK, RunStatus.ERROR: SpanStatus.ERROR}
_RUN: Final = "run"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tracer:
    """Begins the traces of runs.

    Args:
        sink: where spans go; None: nothing is traced.
        steps: knows what steps are about.
    """

    def __init__(self, sink: SpanSink | None = None, steps: StepReader | None = None) -> None:
        self.sink = sink
        self.steps = steps

    def begin(self, record: RunRecord, *, node: str | None = None) -> RunTrace:
        """Begin the trace of a root, or go on with it, at a node."""
        trace = self.trace_of(record)
        trace.begin(entry=Entry.ROOT if trace.run_span.within is None else Entry.LOCAL, node=node)
        return trace

    def trace_of(self, record: RunRecord) -> RunTrace:
        """Return the trace of a root without a word about it, for work that follows the run."""
        caller = caller_of(record.input) if self.sink is not None else None
        trace_id = record.root_key if caller is None else caller.trace_id
        return RunTrace(self, record, trace_id=trace_id, within=None if caller is None else caller.span_id)

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
        self._inside: dict[UUID, RunTrace] = {}
        self._is_over = False
        self._names: Counter[tuple[int, str]] = Counter()
        is_root = record.parent_key is None
        started_ns = _ns_of(record.created_at) if is_root else time.time_ns()
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

    @harmless
    def begin(self, *, entry: Entry = Entry.NONE, node: str | None = None) -> None:
        """Open the run's own span, with what it waited for and who took it over."""
        if self._sink is None:
            return
        if node is not None:
            self.run_span.attributes["node"] = node
        self.run_span.entry = entry
        self.run_span.input = self._sink.text(message_of(self._record.input))
        self._watch(self.run_span)
        record = self._record
        if record.parent_key is not None:
            return
        now = time.time_ns()
        if record.status is RunStatus.PAUSED:  # it ends while it waits
            self._wait(record.segment + 1, now).end(ended_ns=now)
        elif record.segment > 0:
            # It began when the run paused, which the first node told: the longer of the two is kept.
            self._wait(record.segment, now).end(ended_ns=now)
        elif record.epoch <= 1 + record.takeovers:
            self._tell("queue", SpanKind.QUEUE, "0", "waited in the queue", self.run_span.started_ns, now)
        if record.takeovers and record.epoch > 1:
            taken = self._new("takeover", SpanKind.TAKEOVER, str(record.epoch), "taken over by another node", now)
            taken.attributes.update({"node": node, "takeovers": record.takeovers})
            taken.end(ended_ns=now)

    def inside(self, record: RunRecord, *, stored_parent: int | None) -> RunTrace:
        """Return the trace of a run inside this one: in the span at work, or in that in which it lay before."""
        within: OpenSpan | int | None = self.current
        if stored_parent is not None and self.current.id != stored_parent:
            within = self._open.get(stored_parent, stored_parent)
        trace = RunTrace(self._tracer, record, trace_id=self.trace_id, within=within)
        self._inside[record.key] = trace
        return trace

    @property
    def current(self) -> OpenSpan:
        """The span in which work that begins now lies."""
        span = current_span.get()
        return span if span is not None and span.trace is self else self.run_span

    @harmless
    def end(self, outcome: Outcome) -> None:
        """Tell how the run came to rest, and what was still under way in it."""
        if self._sink is None:
            return
        now = time.time_ns()
        self.close_open(ended_ns=now, but=self.run_span)
        self._end_run(outcome.status, outcome.output, ended_ns=now)
        if outcome.status is RunStatus.PAUSED and self._record.parent_key is None:
            self._sink.add(self._wait(self._record.segment + 1, now).so_far())

    def _end_run(self, status: RunStatus, output: Mapping[str, Any], *, ended_ns: int) -> None:
        tokens = output.get("metrics") or {}
        facts = SpanFacts(
            output=output.get("content") if status is not RunStatus.ERROR else None,
            error=str(output.get("content")) if status is RunStatus.ERROR else None,
            input_tokens=tokens.get("input_tokens"),
            output_tokens=tokens.get("output_tokens"),
            attributes={"run_status": status.value},
        )
        self.run_span.end(facts, status=_STATUS.get(status, SpanStatus.UNSET), ended_ns=ended_ns)

    def step(self, operation: str, call: str, telling: Telling | None, *, started_ns: int) -> ToldStep:
        """Open the span of a step that is about to be done, for the length of a block."""
        reader, sink = self._tracer.steps, self._sink
        kind = None if reader is None else reader.kind_of(operation)
        if kind is None or sink is None:
            return UNTOLD
        span = self._of_step(kind, operation, call, telling, started_ns)
        self._watch(span)
        return OpenStep(self, span, operation, () if telling is None else telling.signals)

    @harmless
    def retell(self, step: Step, telling: Telling | None = None) -> None:
        """Tell of a step that an earlier node did, as that node did or would have."""
        reader, sink = self._tracer.steps, self._sink
        kind = None if reader is None else reader.kind_of(step.operation)
        if reader is None or kind is None or sink is None or step.started_ns is None or step.ended_ns is None:
            return
        span = self._of_step(kind, step.operation, step.call, telling, step.started_ns)
        if isinstance(span.within, OpenSpan):
            span.within.began_by(step.started_ns)
        span.end(reader.facts_of(step.operation, load_json(step.result)), ended_ns=step.ended_ns)

    @harmless
    def retell_run(self, child: ChildRun, steps: Iterable[Step]) -> None:
        """Tell of a run inside another that came to rest under an earlier claim."""
        if self._sink is None or child.started_at is None:
            return
        self.run_span.started_ns = _ns_of(child.started_at)
        self.run_span.input = self._sink.text(message_of(child.input))
        last_ns = self.run_span.started_ns
        for step in steps:
            self.retell(step)
            last_ns = max(last_ns, step.ended_ns or 0)
        ended_ns = last_ns if child.ended_at is None else _ns_of(child.ended_at)
        output = {} if child.output is None else load_json(child.output)
        self._end_run(child.status, output, ended_ns=ended_ns)

    @harmless
    def end_step(self, span: OpenSpan, operation: str, result: Any, ended_ns: int) -> None:
        """Tell a step that was done."""
        assert self._tracer.steps is not None
        span.end(self._tracer.steps.facts_of(operation, result), ended_ns=ended_ns)

    def enter(self, span: OpenSpan) -> Entered:
        """Have the work of this task lie in a span; return what `leave` takes."""
        assert self._sink is not None
        entered = self._sink.enter(
            self.trace_id, span.id, project_id=self._record.project_id, asks=span.kind in ASKING_KINDS
        )
        return current_span.set(span), entered

    def leave(self, entered: Entered) -> None:
        """Have it lie where it lay before."""
        assert self._sink is not None
        token, of_libraries = entered
        self._sink.leave(of_libraries)
        current_span.reset(token)

    @contextmanager
    def work(
        self,
        kind: SpanKind,
        name: str,
        *,
        place: str,
        given: Any = None,
        attributes: Mapping[str, Any] | None = None,
        signals: tuple[type[BaseException], ...] = (),
    ) -> Iterator[Facts]:
        """Open a span around work that is no step itself; what it comes to is put into what it yields.

        Args:
            kind: what it is about.
            name: what people call it.
            place: names it inside its run; the same again is another span, counted.
            given: its input.
            attributes: what else is told of it.
            signals: exceptions that are no failures.
        """
        facts = Facts()
        if self._sink is None:
            yield facts
            return
        parent = self.current
        self._names[parent.id, place] += 1
        number = self._names[parent.id, place]
        span = self._new(f"{place}#{number}@{parent.id}", kind, "", name, time.time_ns())
        span.input = self._sink.text(given)
        span.attributes.update(attributes or {})
        self._watch(span)
        entered = self.enter(span)
        try:
            yield facts
        except BaseException as error:
            span.fail(error, signals=signals)
            raise
        else:
            span.end(facts.known)
        finally:
            self.leave(entered)

    def span_of(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus, ended_ns: int | None) -> Span:
        """Return an open span as a value."""
        record, sink = self._record, self._sink
        assert sink is not None
        is_failure = facts.error is not None
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
            input=sink.text(facts.input) if span.input is None else span.input,
            output=sink.text(facts.output),
            error=sink.text(facts.error),
            run_id=record.id,
            session_id=record.session_id,
            user_id=record.user_id,
            agent_id=record.component_id if record.kind == "agent" else None,
            team_id=record.component_id if record.kind == "team" else None,
            workflow_id=record.component_id if record.kind == "workflow" else None,
            model=facts.model,
            provider=facts.provider,
            input_tokens=facts.input_tokens,
            output_tokens=facts.output_tokens,
            cost=facts.cost,
            attributes={**span.attributes, **facts.attributes} if span.attributes else facts.attributes,
        )

    @harmless
    def close(self, span: OpenSpan, facts: SpanFacts, *, status: SpanStatus | None, ended_ns: int) -> None:
        """Tell an open span."""
        if self._sink is None:
            return
        self._open.pop(span.id, None)
        self._sink.forget(span)
        self._sink.add(self.span_of(span, facts, status=status or SpanStatus.OK, ended_ns=ended_ns))

    def drop(self) -> None:
        """Forget what is under way: another node goes on with the run."""
        self._is_over = True
        if self._sink is not None:
            for trace in self._inside.values():
                trace.drop()
            for span in self._open.values():
                self._sink.forget(span)
            self._open.clear()

    def close_open(self, *, ended_ns: int, but: OpenSpan | None = None) -> None:
        """Tell of what is under way in the run that it has come to an end, which is none of its own."""
        for trace in self._inside.values():
            trace.close_open(ended_ns=ended_ns)
        for span in list(self._open.values()):
            if span is not but:
                span.end(status=SpanStatus.UNSET, ended_ns=ended_ns)
        self._is_over = True

    def _of_step(self, kind: SpanKind, operation: str, call: str, telling: Telling | None, started_ns: int) -> OpenSpan:
        span = self._new(operation, kind, call, operation if telling is None else telling.name, started_ns)
        if telling is not None:
            self._take_input(span, telling)
        return span

    @harmless
    def _take_input(self, span: OpenSpan, telling: Telling) -> None:
        if self._sink is not None:
            span.input = self._sink.text(telling.input())

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
        if self._is_over:  # it is begun by a task that was left behind
            return
        self._open[span.id] = span
        self._sink.watch(span)


def _ns_of(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
