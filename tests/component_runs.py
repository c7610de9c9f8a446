"""Runs components through a real engine, without a server: for tests of what they do and say. Not a test itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from serai.components.run_input import RunInput
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import RunRecord
from serai.engine.active_run import Component, KnowledgeSearch
from serai.engine.engine import Engine, EngineOptions, RunRequest
from serai.engine.tracing import Tracer
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.telemetry.capture import Capture
from serai.telemetry.writer import SpanWriter
from tests.traces import tracer_of


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run: its run object, and the events of its whole log."""

    record: RunRecord
    output: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """The events' names in order, pieces of text left out."""
        return [event["event"] for event in self.events if not event["event"].endswith("RunContent")]

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name."""
        return [event for event in self.events if event["event"] == name]

    def said(self, name: str = "TeamRunContent", run_id: str | None = None) -> str:
        """Return the text that a run said, by default the root itself."""
        return "".join(event["content"] for event in self.told(name) if event["run_id"] == (run_id or self.record.id))


@asynccontextmanager
async def engine_of(
    database: Database,
    *components: Component,
    knowledge: KnowledgeSearch | None = None,
    loses_spans: bool = False,
    tracer: Tracer | None = None,
    **options: Any,
) -> AsyncIterator[Engine]:
    """Run a node with these components for the length of the block; its traces are there when the block has ended.

    Args:
        database: where runs are.
        components: what it runs.
        knowledge: what it may search.
        tracer: traces its runs, instead of one of its own.
        loses_spans: it writes no span, as one that is killed before it does.
        options: as of `EngineOptions`.
    """
    spans = SpanWriter(SpanStore(database), Capture())
    engine = Engine(
        database,
        list(components),
        options=EngineOptions(**{"lease_s": 2, **options}),
        knowledge=knowledge,
        tracer=tracer or tracer_of(spans),
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
        if not loses_spans:
            await spans.stop()


async def spans_written(engine: Engine) -> None:
    """Write the spans that an engine has told so far."""
    spans = engine._tracer.sink
    assert isinstance(spans, SpanWriter)
    await spans.stop()


async def submit(engine: Engine, component: Component, message: str, /, **members: Any) -> RunRecord:
    """Submit a run; `session_id`, `user_id` and the members of a `RunInput` may be given."""
    names = {name: members.pop(name, None) for name in ("session_id", "user_id", "run_id")}
    request = RunRequest(
        project_id="p",
        **names,
        kind=component.kind,
        component_id=component.id,
        input=dump_json(RunInput(message=message, **{"stream": True, **members})),
    )
    record, _ = await engine.submit(request)
    return record


async def outcome_of(engine: Engine, record: RunRecord) -> Ran:
    """Wait until a run rests, and read all it left."""
    answer = await engine.wait(record)
    events = [load_json(event.data) async for page in engine.read_events(record) for event in page]
    assert [event["event_index"] for event in events] == list(range(len(events))), (
        "the log has a gap, or its numbers lie"
    )
    return Ran(record, load_json(answer.output or b"{}"), events)


async def run(engine: Engine, component: Component, message: str, /, **members: Any) -> Ran:
    """Submit a run and wait until it rests."""
    return await outcome_of(engine, await submit(engine, component, message, **members))


async def go_on(engine: Engine, ran: Ran, answers: list[dict[str, Any]]) -> Ran:
    """Continue a paused run and wait until it rests; the events are those of this segment."""
    continued = await engine.proceed(await engine.find("p", ran.record.id), answers)
    answer = await engine.wait(continued.record, after=continued.after)
    pages = engine.read_events(continued.record, after=continued.after)
    events = [load_json(event.data) async for page in pages for event in page]
    first = continued.after + 1
    assert [event["event_index"] for event in events] == list(range(first, first + len(events)))
    return Ran(continued.record, load_json(answer.output or b"{}"), events)
