"""Workflows whose node stops in the middle: another goes on, repeats no finished step, and says nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic_ai import Agent

from serai import Condition, Loop, Parallel, Router, Step, StepInput, StepOutput, Steps, Workflow
from serai.domain.run_state import RunStatus
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, Turn
from tests.component_runs import Ran, engine_of, go_on, outcome_of, run, submit
from tests.run_values import until
from tests.step_values import asker


class Held:
    """Steps that are counted, and one call of one of them that never ends until it is made again.

    Args:
        name: of the step that is held; None: no step is.
        call: which of its calls.
    """

    def __init__(self, name: str | None, call: int = 1) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.is_held = asyncio.Event()
        self.place = (name, call)

    async def pass_by(self, name: str) -> None:
        self.begun[name] += 1
        if (name, self.begun[name]) == self.place:
            self.is_held.set()
            await asyncio.Event().wait()
        self.ended[name] += 1

    def step(self, name: str, **options: Any) -> Step:
        async def function(given: StepInput) -> str:
            await self.pass_by(name)
            given.session_state[name] = given.session_state.get(name, 0) + 1
            return f"{name}({given.previous_step_content or given.input})"

        return Step(name, run=function, **options)

    def agent(self, name: str) -> Agent[Any, Any]:
        async def gate() -> None:
            await self.pass_by(name)

        def answer(asked: Asked) -> Turn:
            return Turn(f"{name}: {asked.message}", gate=gate)

        return Agent(ScriptedModel(answer), name=name)

    def failing(self, name: str) -> Step:
        async def function(given: StepInput) -> str:
            await self.pass_by(name)
            if self.ended[name] == 1:  # the first attempt
                raise ValueError("not yet")
            return "well"

        return Step(name, run=function, max_retries=1)

    def workflow(self) -> Workflow:
        async def is_true(given: StepInput) -> bool:
            await self.pass_by("if")
            return True

        async def is_enough(outputs: list[StepOutput]) -> bool:
            await self.pass_by("until")
            return self.ended["until"] == 2

        async def select(given: StepInput) -> str:
            await self.pass_by("select")
            return "right"

        inner = Workflow("Inner", [self.step("in"), self.agent("inner-agent")])
        return Workflow(
            "W",
            [
                self.step("a"),
                Parallel(self.step("b"), Steps("group", steps=[self.step("c"), self.agent("agent")]), name="both"),
                Loop(steps=[self.step("d")], until=is_enough, max_iterations=4, name="rounds"),
                Condition(if_=is_true, steps=[self.step("e")], name="cond"),
                Router(choices=[self.step("left"), self.step("right")], select=select, name="way"),
                Step("sub", workflow=inner),
                self.failing("fails"),
                self.step("z"),
            ],
        )


ONCE = {"a", "b", "c", "if", "e", "select", "right", "in", "z", "agent", "inner-agent"}
CALLS = Counter({**dict.fromkeys(ONCE, 1), "d": 2, "until": 2, "fails": 2})


BRANCHES = {"b": "%StepsExecutionCompleted%", "c": '%"StepCompleted"%"b"%', "agent": '%"StepCompleted"%"b"%'}
"""What a branch says when it is done that runs beside a step."""


async def interrupted(database: Database, held: Held, workflow: Workflow) -> Ran:
    """Run a workflow on a node that stops when the step is held, and to the end on another."""
    async with engine_of(database, workflow) as first:
        record = await submit(first, workflow, "hi")
        await asyncio.wait_for(held.is_held.wait(), 10)
        if said := BRANCHES.get(held.place[0] or ""):
            await until(database, "select count(*) > 0 from run_events where convert_from(event, 'utf8') like $1", said)
        async with engine_of(database, workflow) as second:
            await first.stop()
            return await outcome_of(second, record)


def steps_said(ran: Ran) -> list[tuple[Any, ...]]:
    """Return what was said of steps, without order between branches."""
    own = [event for event in ran.events if "workflow_name" in event and event["event"] != "CustomEvent"]
    members = ("event", "step_name", "step_index", "iteration", "attempt", "nested_depth")
    return sorted(tuple(str(event.get(name)) for name in members) for event in own)


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Keep what an uninterrupted run said, for all tests of this module."""
    return {}


@pytest.mark.parametrize(
    ("name", "call"), [*((name, 1) for name in sorted(CALLS)), ("d", 2), ("until", 2), ("fails", 2)]
)
async def test_no_finished_step_is_repeated_and_nothing_is_said_twice(
    database: Database, whole: dict[str, Any], name: str, call: int
):
    if not whole:
        held = Held(None)
        workflow = held.workflow()
        async with engine_of(database, workflow) as engine:
            ran = await run(engine, workflow, "hi")
        assert held.ended == CALLS
        whole.update(said=steps_said(ran), output=ran.output)
    held = Held(name, call)
    ran = await interrupted(database, held, held.workflow())
    assert ran.output["status"] == "COMPLETED", ran.output["content"]
    assert held.ended == CALLS
    assert held.begun == CALLS + Counter({name: 1})
    assert steps_said(ran) == whole["said"]
    assert ran.output["content"] == whole["output"]["content"]
    assert [step["content"] for step in ran.output["step_results"]] == [
        step["content"] for step in whole["output"]["step_results"]
    ]
    assert ran.names[-1] == "WorkflowCompleted"
    tokens = sum(event["input_tokens"] for event in ran.events if event["event"] == "ModelRequestCompleted")
    stored = await database.fetchval("select input_tokens from sessions where id = $1", ran.record.session_id)
    assert stored == tokens


@pytest.mark.parametrize("name", ["b", "c", "d"])
async def test_a_continued_segment_is_taken_over(database: Database, name: str):
    held = Held(name)
    both = Parallel(
        held.step("b", requires_confirmation=True),
        Steps("g", steps=[held.step("x"), held.step("c", requires_confirmation=True)]),
        name="both",
    )
    workflow = Workflow("W", [held.step("a"), both, held.step("d", requires_output_review=True), held.step("e")])
    async with engine_of(database, workflow) as first:
        paused = await run(first, workflow, "hi")
        answers = [{"step_id": wanted["step_id"], "confirmed": True} for wanted in paused.output["step_requirements"]]
        continued = await first.proceed(paused.record, answers)
        await asyncio.wait_for(held.is_held.wait(), 10)
        async with engine_of(database, workflow) as second:
            await first.stop()
            answer = await second.wait(continued.record, after=continued.after)
            assert answer.status is RunStatus.PAUSED
            again = await outcome_of(second, continued.record)
            (wanted,) = again.output["step_requirements"]
            last = await go_on(second, again, [{"step_id": wanted["step_id"], "confirmed": True}])
            everything = await outcome_of(second, last.record)
    assert held.ended == Counter("abcdex")
    assert held.begun == Counter("abcdex") + Counter({name: 1})
    said = [
        (event["event"], event.get("step_name")) for event in everything.events if event["event"] != "WorkflowPaused"
    ]
    twice = [one for one, count in Counter(said).items() if count > 1]
    assert twice == [("StepContinued", "d")] or not twice
    assert last.output["content"] == "e(d({'b': 'b(a(hi))', 'g': 'c(x(a(hi)))'}))"


async def test_a_paused_run_goes_on_at_another_node(database: Database):
    held = Held(None)
    workflow = Workflow("W", [held.step("a"), Step("ask", agent=asker()), held.step("b")])
    async with engine_of(database, workflow) as first:
        paused = await run(first, workflow, "hi")
    async with engine_of(database, workflow) as second:
        (wanted,) = paused.output["step_requirements"]
        wanted["executor_requirements"][0]["confirmation"] = True
        last = await go_on(second, paused, [wanted])
    assert last.output["content"] == "b(Report: deleted /tmp/x)"
    assert held.ended == Counter("ab")


async def test_a_workflow_that_changed_under_a_run_says_so(database: Database):
    held = Held("b")
    before = Workflow("W", [held.step("a"), held.step("b")])
    after = Workflow("W", [held.step("new"), held.step("a"), held.step("b")])
    async with engine_of(database, before) as first:
        record = await submit(first, before, "hi")
        await asyncio.wait_for(held.is_held.wait(), 10)
        await first.stop()
    async with engine_of(database, after) as second:
        ran = await outcome_of(second, record)
    assert ran.output["status"] == "ERROR"
    assert "changed while the run was under way: it has no step '0:a' any more" in ran.output["content"]
    assert held.ended == Counter("a")


async def test_a_run_that_is_cancelled_while_nobody_has_it_keeps_what_was_answered(database: Database):
    held = Held("b")
    workflow = Workflow("W", [held.step("a"), held.step("b")])
    async with engine_of(database, workflow) as first:
        record = await submit(first, workflow, "hi")
        await asyncio.wait_for(held.is_held.wait(), 10)
    async with engine_of(database, workflow, max_runs=0) as second:
        await second.cancel("p", record.id, kind="workflow", component_id="w")
        ran = await outcome_of(second, record)
    assert (ran.output["status"], ran.output["content"]) == ("CANCELLED", "a(hi)")
    assert ran.names[-1] == "WorkflowCancelled"
    assert held.begun == Counter("ab")
