"""What runs tell of themselves as spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings, InstrumentedModel

from serai import Loop, Parallel, Step, Team, Workflow
from serai.components.agent import AgentComponent
from serai.components.run_input import RunInput
from serai.domain.json_text import dump_json
from serai.domain.traces import Entry, hex_of_span, hex_of_trace
from serai.engine.engine import Engine, EngineOptions, RunRequest
from serai.storage.connection import Database
from serai.storage.spans import SpanStore, unsigned
from serai.telemetry.capture import Capture
from serai.telemetry.library_spans import LibrarySpans
from serai.telemetry.writer import SpanWriter
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran, engine_of, go_on, run, spans_written, submit
from tests.run_values import until
from tests.teams import agent, ask, careful, confirmed, leader, searcher
from tests.traces import spans_of, tracer_of, tree_of


def calculator() -> AgentComponent:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    call = ToolCall("add", {"a": 1, "b": 2}, id="c1")
    return AgentComponent(agent("calculator", Turn("Let me see. ", tools=[call]), "It is 3.", tools=[add]))


async def _spans(database: Database, ran: Ran) -> dict[str, asyncpg.Record]:
    rows = await spans_of(database, ran.record.root_key)
    return {f"{row['kind']} {row['name']}": row for row in rows}


async def test_a_run_is_a_trace_of_its_requests_and_tools_with_what_was_said(database: Database):
    component = calculator()
    async with engine_of(database, component) as engine:
        ran = await run(engine, component, "one and two?", session_id="s", user_id="u")
    rows = await spans_of(database, ran.record.key)
    root = next(row for row in rows if row["parent_id"] is None)
    assert (root["kind"], root["name"], root["status"]) == ("AGENT", "calculator", "OK")
    assert (root["input"], root["output"], root["run_id"]) == ("one and two?", "Let me see. It is 3.", ran.record.id)
    inner = [row for row in rows if row["parent_id"] == root["span_id"]]
    assert [row["kind"] for row in inner] == ["QUEUE", "LLM", "TOOL", "LLM"]
    assert all(row["duration_ns"] is not None for row in rows)
    tool = inner[2]
    assert (tool["name"], tool["input"], tool["output"]) == ("add", '{"a":1,"b":2}', "3")
    assert inner[1]["input"] == "one and two?"
    assert inner[3]["input"] == '[{"role":"tool","name":"add","content":"3"}]'
    assert inner[3]["output"] == "It is 3."
    tokens = [(row["input_tokens"], row["output_tokens"]) for row in inner if row["kind"] == "LLM"]
    trace_row = await database.fetchrow("select * from traces where trace_id = $1", ran.record.key)
    assert trace_row is not None
    assert trace_row["input_tokens"] == sum(asked for asked, _ in tokens) == ran.output["metrics"]["input_tokens"]
    assert (trace_row["total_spans"], trace_row["error_count"]) == (5, 0)
    assert (trace_row["session_id"], trace_row["user_id"], trace_row["agent_id"]) == ("s", "u", "calculator")


async def test_an_error_of_a_tool_and_one_of_a_model_are_told_where_they_happened(database: Database):
    def fail() -> str:
        """Fail."""
        raise ValueError("no luck")

    def script(asked: Asked) -> Turn:
        if not asked.tool_results:
            return Turn("", tools=[ToolCall("fail", {}, id="c")])
        raise RuntimeError("the model is down")

    component = AgentComponent(Agent(ScriptedModel(script), name="unlucky", tools=[fail]))
    async with engine_of(database, component) as engine:
        ran = await run(engine, component, "go")
    spans = await _spans(database, ran)
    assert spans["AGENT unlucky"]["status"] == spans["TOOL fail"]["status"] == "ERROR"
    assert "no luck" in spans["TOOL fail"]["error"]
    assert "the model is down" in spans["AGENT unlucky"]["error"]
    assert await database.fetchval("select error_count from traces where trace_id = $1", ran.record.key) == 3


async def test_members_of_a_team_lie_in_the_calls_that_asked_them(database: Database):
    team = Team(
        "team", members=[searcher()], model=leader(Turn("", tools=[ask("searcher", "x", id="c")])), mode="coordinate"
    )
    async with engine_of(database, team) as engine:
        ran = await run(engine, team, "go")
    [(kind, _, _, _, inner)] = await tree_of(database, ran.record)
    assert kind == "TEAM"
    call = next(node for node in inner if node[0] == "TOOL")
    assert call[4] == [("AGENT", "searcher", "OK", "Found: x.", [("LLM", "scripted", "OK", "Found: x.", [])])]


async def test_steps_of_a_workflow_lie_in_the_constructs_around_them(database: Database):
    workflow = Workflow(
        "w",
        steps=[
            Parallel(Step("a", agent=agent("one", "1")), Step("b", run=lambda given: "2"), name="both"),
            Loop([Step("c", run=lambda given: "3")], max_iterations=2, name="again"),
        ],
    )
    async with engine_of(database, workflow) as engine:
        ran = await run(engine, workflow, "go")
    [(_, _, _, _, inner)] = await tree_of(database, ran.record)
    both, again = sorted((node for node in inner), key=lambda node: node[1], reverse=True)
    assert (both[1], [node[1] for node in both[4]]) == ("both", ["a", "b"])
    assert [node[:2] for node in both[4][0][4]] == [("AGENT", "one")]
    assert (again[1], [node[1] for node in again[4]]) == ("again", ["c", "c"])
    kinds = await database.fetch(
        "select attributes::json->>'step_type' as type from spans where trace_id = $1 and kind = 'WORKFLOW' "
        "and parent_id is not null",
        ran.record.key,
    )
    assert sorted(row["type"] for row in kinds) == ["Loop", "Parallel", "Step", "Step", "Step", "Step"]


async def test_waiting_for_a_person_is_a_span_and_the_run_goes_on_in_the_same_trace(database: Database):
    component = AgentComponent(careful())
    async with engine_of(database, component) as engine:
        ran = await run(engine, component, "go")
        await spans_written(engine)
        paused = await _spans(database, ran)
        await go_on(engine, ran, confirmed(ran.output))
    assert (paused["AGENT careful"]["status"], paused["WAIT wait for a person"]["duration_ns"]) == ("UNSET", None)
    spans = await _spans(database, ran)
    root, wait = spans["AGENT careful"], spans["WAIT wait for a person"]
    assert (root["status"], spans["TOOL delete_file"]["output"]) == ("OK", "deleted /careful")
    assert 0 < wait["duration_ns"] < root["duration_ns"]
    assert wait["started_at"] == paused["WAIT wait for a person"]["started_at"]


async def test_a_cancelled_run_ends_its_spans_and_is_no_failure(database: Database):
    gate = asyncio.Event()
    component = AgentComponent(Agent(ScriptedModel([Turn(["a ", "b"], gate=gate.wait, gate_after=1)]), name="slow"))
    async with engine_of(database, component) as engine:
        record = await submit(engine, component, "go")
        follower = engine.follow(record)
        async for events in follower.batches():
            if any(event.name == "RunContent" for event in events):
                break
        await engine.cancel("p", record.id, kind="agent", component_id="slow")
        await engine.wait(record)
    rows = await spans_of(database, record.key)
    assert {(row["kind"], row["status"]) for row in rows} >= {("AGENT", "UNSET"), ("LLM", "UNSET")}
    assert all(row["duration_ns"] is not None for row in rows)


async def test_a_run_that_goes_on_is_there_before_it_ends(database: Database):
    gate = asyncio.Event()
    component = AgentComponent(Agent(ScriptedModel([Turn(["a ", "b"], gate=gate.wait, gate_after=1)]), name="slow"))
    async with _tracing(database, component) as (engine, spans):
        spans.start()
        record = await submit(engine, component, "go")
        await until(database, "select count(*) = 3 from spans where trace_id = $1", record.key)
        rows = await spans_of(database, record.key)
        assert {(row["kind"], row["duration_ns"] is None) for row in rows} == {
            ("QUEUE", False),
            ("AGENT", True),
            ("LLM", True),
        }
        gate.set()
        await engine.wait(record)
    assert all(row["duration_ns"] is not None for row in await spans_of(database, record.key))


async def test_a_callers_trace_goes_on_through_the_run_and_a_retry_from_another_span_is_the_same_run(
    database: Database,
):
    component = calculator()
    caller = UUID(int=7 << 100)
    async with engine_of(database, component) as engine:
        records = [
            (await engine.submit(_request(component, traceparent=f"00-{caller.hex}-00000000000000{number}-01")))[0]
            for number in ("a1", "b2")
        ]
        await engine.wait(records[0])
    assert records[0].key == records[1].key
    rows = await spans_of(database, caller)
    root = next(row for row in rows if row["kind"] == "AGENT")
    assert unsigned(root["parent_id"]) == 0xA1
    row = await database.fetchrow("select run_id, entry from traces where trace_id = $1", caller)
    assert row is not None
    assert tuple(row) == (records[0].id, Entry.LOCAL)


async def test_inside_a_step_opentelemetry_knows_the_steps_span_and_libraries_spans_lie_in_it(database: Database):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(LibrarySpans())
    seen: list[trace.SpanContext] = []

    def look() -> str:
        """Look."""
        seen.append(trace.get_current_span().get_span_context())
        with provider.get_tracer("lib").start_as_current_span("lookup", attributes={"password": "x", "rows": 3}):
            return "done"

    component = AgentComponent(agent("a", Turn("", tools=[ToolCall("look", {}, id="c")]), "ok", tools=[look]))
    async with _tracing(database, component, takes_libraries=True) as (engine, _):
        ran = await run(engine, component, "go")
        with provider.get_tracer("lib").start_as_current_span("outside"):
            pass
    rows = await spans_of(database, ran.record.key)
    call = next(row for row in rows if row["kind"] == "TOOL")
    assert (hex_of_trace(ran.record.key), hex_of_span(unsigned(call["span_id"]))) == (
        trace.format_trace_id(seen[0].trace_id),
        trace.format_span_id(seen[0].span_id),
    )
    inner = next(row for row in rows if row["name"] == "lookup")
    assert (inner["parent_id"], inner["kind"]) == (call["span_id"], "OTHER")
    assert '"rows":3' in inner["attributes"]
    assert not await database.fetchval("select count(*) from spans where name = 'outside'")
    assert not trace.get_current_span(context.get_current()).get_span_context().is_valid


async def test_contents_are_not_kept_where_they_are_not_wanted(database: Database):
    component = calculator()
    async with _tracing(database, component, capture=Capture(is_on=False)) as (engine, _):
        ran = await run(engine, component, "a private matter")
    rows = await spans_of(database, ran.record.key)
    assert len(rows) == 5
    assert all(row[name] is None for row in rows for name in ("input", "output"))
    assert "private" not in str([dict(row) for row in rows])


async def test_a_run_cancelled_while_it_waits_is_a_trace_of_its_waiting(database: Database):
    component = AgentComponent(careful())
    async with engine_of(database, component) as engine:
        ran = await run(engine, component, "go")
        await engine.cancel("p", ran.record.id, kind="agent", component_id="careful", session_id=ran.record.session_id)
    spans = await _spans(database, ran)
    assert (spans["AGENT careful"]["status"], spans["WAIT wait for a person"]["status"]) == ("UNSET", "OK")
    assert spans["WAIT wait for a person"]["duration_ns"] > 0
    assert '"run_status":"CANCELLED"' in spans["AGENT careful"]["attributes"]


@asynccontextmanager
async def _tracing(
    database: Database, component: Any, *, capture: Capture | None = None, **options: Any
) -> AsyncIterator[tuple[Engine, SpanWriter]]:
    spans = SpanWriter(SpanStore(database), capture or Capture(), **options)
    engine = Engine(database, [component], options=EngineOptions(lease_s=2), tracer=tracer_of(spans))
    await engine.start()
    try:
        yield engine, spans
    finally:
        await engine.stop()
        await spans.stop()


def _request(component: AgentComponent, **members: Any) -> RunRequest:
    return RunRequest(
        project_id="p",
        user_id=None,
        session_id="s",
        run_id=None,
        kind="agent",
        component_id=component.id,
        input=dump_json(RunInput(message="go")),
        idempotency_key="once",
        **members,
    )


async def test_the_spans_of_a_run_are_written_together_and_their_cost_is_that_of_the_run(database: Database):
    model = ScriptedModel(["Hello."], model_name="gpt-5-mini", provider_name="openai")
    component = AgentComponent(Agent(model, name="priced"))
    writes: list[int] = []
    async with _tracing(database, component, on_write=writes.append) as (engine, _):
        ran = await run(engine, component, "go")
    rows = await spans_of(database, ran.record.key)
    assert writes == [len(rows)] == [3]
    cost = await database.fetchval("select cost from traces where trace_id = $1", ran.record.key)
    assert cost == pytest.approx(ran.output["metrics"]["cost"])
    assert cost > 0


async def test_pydantic_ais_own_spans_lie_in_the_steps_and_count_no_token_twice(database: Database):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(LibrarySpans())
    model = InstrumentedModel(ScriptedModel(["Hello."]), InstrumentationSettings(tracer_provider=provider))
    component = AgentComponent(Agent(model, name="instrumented"))
    async with _tracing(database, component, takes_libraries=True) as (engine, _):
        ran = await run(engine, component, "go")
    rows = await spans_of(database, ran.record.key)
    asked = next(row for row in rows if row["kind"] == "LLM" and row["input_tokens"])
    theirs = [row for row in rows if row["parent_id"] == asked["span_id"]]
    assert [row["name"] for row in theirs] == ["chat scripted"]
    tokens = await database.fetchval("select input_tokens from traces where trace_id = $1", ran.record.key)
    assert tokens == ran.output["metrics"]["input_tokens"]
