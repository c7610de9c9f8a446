"""The writer of spans: it keeps nobody waiting, loses only what there is no room for, and counts that."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from serai.components.step_spans import StepSpans
from serai.domain.runs import Step
from serai.engine.spans import Telling
from serai.engine.tracing import Tracer
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.telemetry import writer as writing
from serai.telemetry.capture import Capture
from serai.telemetry.writer import SpanWriter
from tests.run_values import record_of, until
from tests.span_values import span

pytestmark = pytest.mark.one_postgres


async def test_spans_without_room_are_lost_and_counted_and_the_others_are_written(database: Database):
    spans = SpanWriter(SpanStore(database), Capture(), most_waiting=3)
    for number in range(1, 6):
        spans.add(span(1, number, parent=None if number == 1 else 1))
    assert (spans.waiting, spans.lost) == (3, 2)
    assert not spans.receive([span(2, 1)])
    spans.start()
    await until(database, "select count(*) = 3 from spans")
    assert await database.fetchval("select total_spans from traces where trace_id = $1", UUID(int=1)) == 3
    assert spans.receive([span(2, 1)])
    await spans.stop()
    assert (spans.written, spans.waiting) == (4, 0)


async def test_large_texts_fill_the_room_too(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writing, "MOST_CHARACTERS", 10_000)
    spans = SpanWriter(SpanStore(database), Capture())
    for number in range(1, 6):
        spans.add(span(1, number, parent=1, input="x" * 4000))
    assert (spans.waiting, spans.lost) == (3, 2)
    await spans.stop()
    spans.add(span(1, 9, parent=1, input="x" * 4000))
    assert (spans.waiting, spans.lost) == (1, 2)


async def test_a_span_that_postgresql_refuses_takes_no_other_with_it(database: Database):
    spans = SpanWriter(SpanStore(database), Capture())
    spans.add(span(1, 1))
    spans.add(span(1, 2, parent=1, duration_ns=1 << 70))
    spans.add(span(1, 3, parent=1))
    await spans.stop()
    assert (spans.written, spans.lost) == (2, 1)
    assert await database.fetchval("select count(*) from spans") == 2


async def test_what_cannot_be_told_of_a_run_stops_no_run(database: Database):
    spans = SpanWriter(SpanStore(database), Capture())
    tracer = Tracer(spans, StepSpans())
    record = replace(record_of(id="r", session_id="s"), input=b'{"message": 5, "traceparent": 7}')
    trace = tracer.begin(record)

    def fail() -> None:
        raise ValueError("no input")

    with trace.step("tool_call", "1", Telling(name="t", input=fail), started_ns=1) as step:
        step.done({"not": "a tool's step"}, ended_ns=2)
    trace.retell(Step(operation="model_request", call="1", fingerprint=b"", result=b"{}", started_ns=1, ended_ns=2))
    trace.drop()
    await spans.stop()
