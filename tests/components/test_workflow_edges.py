"""Workflows at their edges: contents that steps change in place, odd answers, many branches and iterations."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent

import serai
from serai import Loop, Parallel, Router, Step, StepInput, StepOutput, Steps, Workflow
from serai.errors import ConfigurationError, RequestError
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran, engine_of, go_on, outcome_of, run, submit
from tests.run_values import until
from tests.step_values import asker, delete_file


async def ran(database: Database, *steps: Any, message: str = "hi", **options: Any) -> Ran:
    workflow = Workflow("W", list(steps), **options)
    async with engine_of(database, workflow) as engine:
        return await run(engine, workflow, message)


def begin(given: StepInput) -> list[str]:
    return ["begin"]


def add(given: StepInput) -> list[str]:
    content: list[str] = given.previous_step_content
    content.append("more")
    given.previous_step_outputs["begin"].content.append("even more")
    return content


async def test_what_a_step_does_to_its_input_changes_nothing_for_others(database: Database):
    done = await ran(database, begin, Loop([add], max_iterations=3, name="loop"))
    first, loop = done.output["step_results"]
    assert first["content"] == ["begin"]
    assert [step["content"] for step in loop["steps"]] == [["begin", "more"]] * 3


async def test_a_step_that_changes_its_input_is_taken_over(database: Database):
    reached = asyncio.Event()

    def workflow(is_held: bool) -> Workflow:
        async def hold(given: StepInput) -> str:
            reached.set()
            if is_held:
                await asyncio.Event().wait()
            return "end"

        def fails(given: StepInput) -> Any:
            add(given)
            raise ValueError("no")

        return Workflow("W", [begin, Step("f", run=fails, max_retries=1, on_error="skip"), Step("hold", run=hold)])

    held = workflow(True)
    async with engine_of(database, held) as first:
        record = await submit(first, held, "hi")
        await asyncio.wait_for(reached.wait(), 10)
        async with engine_of(database, workflow(False)) as second:
            await first.stop()
            done = await outcome_of(second, record)
    assert (done.output["status"], done.output["content"]) == ("COMPLETED", "end")


async def test_a_predicate_does_not_change_what_it_looks_at(database: Database):
    def until(outputs: list[StepOutput]) -> bool:
        outputs[0].content.append("spoilt")
        return True

    def review(output: StepOutput) -> bool:
        output.content.append("spoilt")
        return False

    done = await ran(database, Loop([begin], until=until), Step("r", run=begin, requires_output_review=review))
    assert done.output["content"] == ["begin"]
    assert done.output["step_results"][0]["content"] == ["begin"]


async def test_dependencies_are_as_they_were_given_in_each_step(database: Database):
    def change(given: StepInput) -> Any:
        given.additional_data["who"]["name"] += "!"
        return given.additional_data["who"]["name"]

    workflow = Workflow("W", [Step("a", run=change), Step("b", run=change)])
    async with engine_of(database, workflow) as engine:
        done = await run(engine, workflow, "hi", dependencies={"who": {"name": "ada"}})
    assert done.output["content"] == "ada!"


async def test_many_functions_are_called_at_the_same_time(database: Database):
    meet = threading.Barrier(50)

    def wait(given: StepInput) -> int:
        return meet.wait(20)

    done = await ran(database, Parallel(*(Step(f"s{n}", run=wait) for n in range(50))))
    assert done.output["status"] == "COMPLETED", done.output["content"]


async def test_an_agent_behind_a_step_without_content_is_asked_the_message(database: Database):
    echo = Agent(ScriptedModel(lambda asked: f"echo {asked.message!r}"), name="echo")
    done = await ran(database, Step("nothing", run=lambda given: None), Step("echo", agent=echo))
    assert done.output["content"] == "echo 'hi'"


async def test_a_pause_gives_no_retries_back(database: Database):
    failed: list[str] = []

    def script(asked: Asked) -> Turn:
        if asked.tool_results:
            failed.append("once more")
            raise RuntimeError("no")
        return Turn(tools=[ToolCall("delete_file", {"path": "/x"}, id=f"call-{len(failed)}")])

    tools = [serai.tool(requires_confirmation=True)(delete_file)]
    workflow = Workflow("W", [Step("s", agent=Agent(ScriptedModel(script), name="a", tools=tools), max_retries=1)])
    async with engine_of(database, workflow) as engine:
        last = await run(engine, workflow, "hi")
        for _ in range(2):
            (wanted,) = last.output["step_requirements"]
            wanted["executor_requirements"][0]["confirmation"] = True
            last = await go_on(engine, last, [wanted])
    assert last.output["status"] == "ERROR"
    assert len(failed) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"step_id": []},
        {"step_id": {}},
        {"step_id": 5},
        {"user_input_schema": [{"name": [], "value": 1}]},
        {"confirmed": 1, "user_input": {"n": 1}},
        {"confirmed": "yes"},
        {"confirmed": []},
        {"user_input": []},
        {"user_input": "x"},
        {"user_input": {"n": "x"}},
        {"user_input": {"n": 2**80}},
        {"user_input": {"n": {"a": []}}},
        {"confirmed": True},
        {"confirmed": True, "user_input_schema": 5},
        {"confirmed": True, "user_input_schema": [5]},
        {},
    ],
    ids=repr,
)
async def test_odd_answers_are_refused(database: Database, answer: dict[str, Any]):
    fields = [{"name": "n", "field_type": "int", "allowed_values": [1, 2]}]
    step = Step(
        "s", run=lambda given: 1, requires_confirmation=True, requires_user_input=True, user_input_schema=fields
    )
    workflow = Workflow("W", [step])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        with pytest.raises(RequestError):
            await go_on(engine, first, [{"step_id": wanted["step_id"], **answer}])


async def test_an_error_that_is_no_text_becomes_one(database: Database):
    wrong: Any = ValueError("x")
    done = await ran(database, Step("a", run=lambda given: StepOutput("c", success=False, error=wrong)))
    assert done.output["step_results"][0]["error"] == "x"


async def test_a_change_inside_a_construct_is_noticed(database: Database):
    calls: list[int] = []

    def count(given: StepInput) -> str:
        calls.append(1)
        return "a"

    def wait(given: StepInput) -> str:
        return "w"

    waits = Step("w", run=wait, requires_confirmation=True)
    before = Workflow("W", [Steps("g", [Step("a", run=count), waits])])
    after = Workflow("W", [Steps("g", [Step("new", run=wait), Step("a", run=count), waits])])
    async with engine_of(database, before) as engine:
        first = await run(engine, before, "hi")
    async with engine_of(database, after) as engine:
        (wanted,) = first.output["step_requirements"]
        last = await go_on(engine, first, [{"step_id": wanted["step_id"], "confirmed": True}])
    assert last.output["status"] == "ERROR"
    assert "any more" in last.output["content"]
    assert len(calls) == 1


async def test_a_choice_that_is_gone_is_named(database: Database):
    step = Step("x", run=lambda given: 1, requires_confirmation=True)
    other = Step("y", run=lambda given: 1)
    before = Workflow("W", [Router([other, step], requires_route_selection=True, name="r")])
    after = Workflow("W", [Router([step], requires_route_selection=True, name="r")])
    async with engine_of(database, before) as engine:
        first = await run(engine, before, "hi")
    async with engine_of(database, after) as engine:
        (wanted,) = first.output["step_requirements"]
        last = await go_on(engine, first, [{"step_id": wanted["step_id"], "selected_choices": ["y"]}])
    assert "any more" in last.output["content"]


def stuck(name: str = "stuck") -> Agent[Any, Any]:
    """Return an agent that never comes to the second half of its answer."""
    turn = Turn(["first ", "second"], gate=asyncio.Event().wait, gate_after=1)
    return Agent(ScriptedModel(lambda asked: turn), name=name)


async def test_a_cancelled_run_shows_what_the_runs_in_its_steps_had_said(database: Database):
    inner = Workflow("Inner", [Step("deep", agent=stuck("deep"))])
    both = Parallel(Step("agent", agent=stuck()), Step("sub", workflow=inner), Step("ask", agent=asker()))
    workflow = Workflow("W", [both])
    async with engine_of(database, workflow) as engine:
        record = await submit(engine, workflow, "hi")
        said = "select count(*) = 2 from run_events where convert_from(event, 'utf8') like '%first %'"
        await until(database, said)
        await until(
            database, "select count(*) > 0 from run_events where convert_from(event, 'utf8') like '%RunPaused%'"
        )
        await engine.cancel("p", record.id, kind="workflow", component_id="w")
        done = await outcome_of(engine, record)
    runs = {shown.get("agent_name") or shown["workflow_name"]: shown for shown in done.output["step_executor_runs"]}
    assert {name: shown["status"] for name, shown in runs.items()} == dict.fromkeys(
        ("asker", "stuck", "Inner"), "CANCELLED"
    )
    assert runs["stuck"]["content"] == "first "
    (deep,) = runs["Inner"]["step_executor_runs"]
    assert (deep["status"], deep["content"]) == ("CANCELLED", "first ")
    assert "requirements" not in runs["asker"]


async def test_a_run_that_fails_shows_what_it_cut_off(database: Database):
    done = await ran(database, Parallel(Step("agent", agent=stuck()), Step("ask", agent=asker())), timeout_s=0.3)
    assert done.output["status"] == "ERROR"
    assert {shown["agent_name"]: shown["status"] for shown in done.output["step_executor_runs"]} == {
        "stuck": "CANCELLED",
        "asker": "ERROR",
    }


async def test_a_workflow_inside_that_waits_is_shown_as_cancelled_with_the_run(database: Database):
    inner = Workflow("Inner", [Step("ask", agent=asker())])
    workflow = Workflow("W", [Step("sub", workflow=inner)])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        await engine.cancel("p", first.record.id, kind="workflow", component_id="w")
        done = await outcome_of(engine, first.record)
    (shown,) = done.output["step_executor_runs"]
    assert (shown["status"], shown["step_executor_runs"][0]["status"]) == ("CANCELLED", "CANCELLED")
    assert not shown.keys() & {"step_requirements", "pause_kind"}
    statuses = await database.fetch("select distinct status from runs")
    assert [row["status"] for row in statuses] == ["CANCELLED"]


async def test_a_no_that_ends_the_run_says_why(database: Database):
    workflow = Workflow("W", [Step("s", run=begin, requires_confirmation=True, on_reject="cancel")])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        answer = {"step_id": wanted["step_id"], "confirmed": False, "rejection_feedback": "not today"}
        last = await go_on(engine, first, [answer])
    assert last.output["content"] == "Workflow cancelled: Step 's' was rejected: not today"


def test_a_name_that_cannot_be_written_is_refused():
    with pytest.raises(ConfigurationError, match="no text in UTF-8"):
        Step("\ud800", run=begin)


async def test_media_of_an_answer_that_was_sent_back_are_still_shown(database: Database):
    def draw() -> BinaryContent:
        """Draw a picture."""
        return BinaryContent(b"\x89PNG", media_type="image/png")

    def script(asked: Asked) -> Turn | str:
        is_redone = "rejected" in asked.message
        return "done" if asked.tool_results or is_redone else Turn(tools=[ToolCall("draw", {}, id="c")])

    painter = Agent(ScriptedModel(script), name="painter", tools=[draw])
    step = Step("paint", agent=painter, requires_output_review=True, on_reject="retry")
    workflow = Workflow("W", [step])
    async with engine_of(database, workflow) as engine:
        last = await run(engine, workflow, "hi")
        for confirmed in (False, True):
            (wanted,) = last.output["step_requirements"]
            answer = {"step_id": wanted["step_id"], "confirmed": confirmed, "rejection_feedback": "no picture"}
            last = await go_on(engine, last, [answer])
    first, _second = last.output["step_executor_runs"]
    (image,) = first["images"]
    assert image["sha256"] in last.output["blobs"]
    assert image["sha256"] in last.events[-1]["blobs"]
