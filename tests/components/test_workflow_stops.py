"""Workflows whose node is stopped at every function, decision and model request in turn: nothing changes by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from pydantic_ai import Agent

import serai
from serai import Condition, Loop, Parallel, Router, Step, StepInput, StepOutput, Steps, Team, Workflow
from serai.domain.json_text import dump_json, load_json
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran
from tests.node_stops import Stop, check_stops_anywhere, check_tokens_and_rows, run_stopped
from tests.step_values import delete_file

CHANGING = frozenset(
    {
        *("run_id", "parent_run_id", "session_id", "child_run_id", "member_run_id", "executor_run_id", "step_run_id"),
        *("id", "created_at", "tool_call_id", "step_id", "parent_step_id", "workflow_step_id", "workflow_run_id"),
        *("duration", "time_to_first_token", "start_time", "end_time", "session_state"),
    }
)


class StepStop(Stop):
    """Makes steps that come to it."""

    def step(self, name: str, *, stop: bool = False, **options: Any) -> Step:
        """Return a step that says what it was given, and counts in the session state."""

        async def function(given: StepInput) -> StepOutput:
            await self.pass_by()
            given.session_state[name] = given.session_state.get(name, 0) + 1
            said = {key: value for key, value in given.additional_data.items() if value}
            return StepOutput([name, given.previous_step_content, said], stop=stop)

        return Step(name, run=function, **options)

    def model(self, script: Callable[[Asked], Turn | str]) -> ScriptedModel:
        def answer(asked: Asked) -> Turn:
            turn = script(asked)
            turn = Turn(turn) if isinstance(turn, str) else turn
            return Turn(turn.text_chunks, tools=turn.tools, gate=self.pass_by)

        return ScriptedModel(answer)

    def agent(self, name: str) -> Agent[Any, Any]:
        return Agent(self.model(lambda asked: f"{name}: {len(str(asked.message))}"), name=name)

    def broken(self, name: str) -> Agent[Any, Any]:
        def script(asked: Asked) -> Turn:
            raise RuntimeError("no")

        return Agent(self.model(script), name=name)

    def asker(self, name: str) -> Agent[Any, Any]:
        def script(asked: Asked) -> Turn | str:
            if asked.tool_results:
                return f"{name}: {asked.tool_results[-1].content}"
            return Turn("Hm. ", tools=[ToolCall("delete_file", {"path": "/x"}, id=f"call-{name}")])

        return Agent(self.model(script), name=name, tools=[serai.tool(requires_confirmation=True)(delete_file)])

    def yes(self, value: Any) -> Callable[[Any], Any]:
        async def decide(given: Any) -> Any:
            await self.pass_by()
            return value

        return decide


def side_by_side(stop: StepStop) -> Workflow:
    async def enough(outputs: list[StepOutput]) -> bool:
        await stop.pass_by()
        return False

    loop = Loop([stop.step("in loop"), Step("agent", agent=stop.agent("looper"))], until=enough, max_iterations=2)
    both = Parallel(loop, Step("one", agent=stop.agent("one")), stop.step("f"), name="both")
    return Workflow("W", [stop.step("a"), both, Step("last", agent=stop.agent("last"))])


def nested_and_pausing(stop: StepStop) -> Workflow:
    def inner(name: str) -> Workflow:
        both = Parallel(Step("ask", agent=stop.asker("deep")), stop.step(f"{name}2", requires_confirmation=True))
        review = stop.step(f"{name}3", requires_output_review=True, on_reject="retry")
        return Workflow(f"Inner {name}", [stop.step(f"{name}1"), both, review], session_state={name: 1})

    way = Router([stop.step("l"), stop.step("r")], requires_route_selection=True, allow_multiple_selections=True)
    middle = Workflow("Middle", [Step("inner", workflow=inner("i")), way])
    fields = [{"name": "n", "field_type": "int"}]
    return Workflow(
        "W",
        [
            Parallel(
                Step("x", workflow=middle),
                stop.step("y", requires_user_input=True, user_input_schema=fields),
                Step("z", workflow=inner("k")),
                name="both",
            ),
            stop.step("end"),
        ],
    )


def failing(stop: StepStop) -> Workflow:
    async def boom(given: StepInput) -> str:
        await stop.pass_by()
        given.session_state["boom"] = 1
        raise ValueError("boom")

    return Workflow(
        "W",
        [
            stop.step("a"),
            Step("b", run=boom, max_retries=2, on_error="skip"),
            Step("c", agent=stop.broken("c"), max_retries=1, on_error="skip", retry_delay_s=0.01),
            Loop([Step("d", run=boom, on_error="pause", max_retries=1), stop.step("e")], max_iterations=2),
            stop.step("f"),
        ],
    )


def stopping(stop: StepStop) -> Workflow:
    inner = Workflow("Inner", [stop.step("i1", stop=True), stop.step("never")])
    return Workflow(
        "W",
        [
            Step("sub", workflow=inner),
            Condition([stop.step("c")], if_=stop.yes(True)),
            Router([stop.step("r1"), stop.step("r2"), stop.step("r3")], select=stop.yes(["r3", "r1"])),
            Parallel(Loop([stop.step("l", stop=True)], max_iterations=3), Step("ag", agent=stop.agent("ag"))),
            stop.step("never2"),
        ],
    )


def team_that_pauses(stop: StepStop) -> Workflow:
    def lead(asked: Asked) -> Turn | str:
        if asked.tool_results:
            return "Done."
        calls = [
            ToolCall("delegate_task_to_member", {"member_id": name, "task": "x"}, id=f"c-{name}")
            for name in ("careful", "quick")
        ]
        return Turn("I ask. ", tools=calls)

    team = Team("team", [stop.asker("careful"), stop.agent("quick")], model=stop.model(lead))
    steps = Steps("group", [Step("team", team=team, requires_output_review=True), stop.step("x")])
    return Workflow("W", [Loop([steps], max_iterations=2), stop.step("end")])


MAKERS = [side_by_side, nested_and_pausing, failing, stopping, team_that_pauses]


@pytest.mark.parametrize("make", MAKERS)
async def test_a_stop_anywhere_changes_nothing(database: Database, make: Callable[[StepStop], Workflow]):
    async def run(at: int | None) -> Ran | None:
        # What a node has not told of the steps of a workflow inside this one, no other node tells.
        loses_spans = make not in (nested_and_pausing, stopping)
        ran = await run_stopped(database, make, StepStop, at, answers=answers_to, loses_spans=loses_spans)
        if ran is not None:
            await _check(database, ran)
        return ran

    await check_stops_anywhere(run, lasting=_lasting, said=_said, database=database)


def answers_to(output: dict[str, Any]) -> list[dict[str, Any]]:
    """Return answers to all that a run waits for: the first review says no, each other question is a yes."""
    found = []
    for wanted in output["step_requirements"]:
        answer = {"step_id": wanted["step_id"]}
        if wanted["requires_output_review"] and wanted["on_reject"] == "retry" and wanted["retry_count"] == 0:
            answer |= {"confirmed": False, "rejection_feedback": "longer"}
        elif wanted["requires_output_review"]:
            answer |= {"edited_output": ["edited"]}
        elif wanted["requires_confirmation"]:
            answer |= {"confirmed": True}
        if wanted["requires_user_input"]:
            answer |= {"user_input": {"n": 3}}
        if wanted["requires_route_selection"]:
            answer |= {"selected_choices": wanted["available_choices"]}
        if wanted["requires_executor_input"]:
            answer |= {
                "executor_requirements": [{**one, "confirmation": True} for one in wanted["executor_requirements"]]
            }
        found.append(answer)
    return found + [
        {"step_id": wanted["step_id"], "decision": "retry" if wanted["retry_count"] == 0 else "skip"}
        for wanted in output.get("error_requirements") or ()
    ]


async def _check(database: Database, ran: Ran) -> None:
    """Check what holds for every run, and lay the session's state into what is compared."""
    await check_tokens_and_rows(database, ran)
    ran.output["state"] = load_json(
        await database.fetchval("select state from sessions where id = $1", ran.record.session_id)
    )


def _said(ran: Ran) -> Counter[Hashable]:
    """Return how often what was said of which step, pieces of text and their restarts left out."""
    names = ("event", "agent_id", "team_id", "workflow_id", "step_name", "step_index", "iteration", "attempt")
    return Counter(
        (*(str(event.get(name)) for name in names), _text(event.get("step_response")))
        for event in ran.events
        if not event["event"].endswith(("RunContent", "CustomEvent"))
    )


def _text(content: Any) -> str:
    return dump_json(_lasting(content)).decode()


def _lasting(value: Any) -> Any:
    """Return a value without what no two runs share, and lists of runs without their order."""
    if isinstance(value, dict):
        kept = {name: _lasting(item) for name, item in value.items() if name not in CHANGING}
        for name in ("step_executor_runs", "member_responses", "tools"):
            if isinstance(kept.get(name), list):
                kept[name] = sorted(kept[name], key=dump_json)
        return kept
    return [_lasting(item) for item in value] if isinstance(value, list) else value
