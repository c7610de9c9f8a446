"""Workflows through a real engine: what their steps are given, do and say, construct by construct."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from pydantic_ai import Agent, BinaryContent, RunContext

from serai import Condition, Loop, Parallel, Router, RunDeps, Step, StepInput, StepOutput, Steps, Team, Workflow
from serai.domain.json_text import load_json
from serai.storage.connection import Database
from serai.testing import Asked, ScriptedModel, ToolCall, Turn, provider_error
from tests.component_runs import Ran, engine_of, outcome_of, run, submit
from tests.run_values import until

AGENT_RUN = ["RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"]
TOP = ["StepStarted", "StepOutput", "StepCompleted"]
INNER = ["StepStarted", "StepCompleted"]


def echo(name: str, **options: Any) -> Agent[Any, Any]:
    return Agent(ScriptedModel(lambda asked: f"{name}: {asked.message}"), name=name, **options)


def calls(name: str, **members: Any) -> Step:
    """Return a step that says what it was given: ``b(a(hi))``."""

    def function(given: StepInput) -> Any:
        content = f"{name}({given.previous_step_content or given.input})"
        return StepOutput(content, **members) if members else content

    return Step(name, run=function)


def boom(given: StepInput) -> str:
    raise ValueError("boom")


def fails_at_first(times: int) -> tuple[Counter[str], Callable[[StepInput], str]]:
    done: Counter[str] = Counter()

    def function(given: StepInput) -> str:
        done["calls"] += 1
        if done["calls"] <= times:
            raise ValueError(f"not yet {done['calls']}")
        return "at last"

    return done, function


async def ran(database: Database, *steps: Any, message: str = "hi", **options: Any) -> Ran:
    workflow = Workflow("W", list(steps), **options)
    async with engine_of(database, workflow) as engine:
        return await run(engine, workflow, message)


def names_of(results: list[dict[str, Any]]) -> list[str]:
    return [result["step_name"] for result in results]


async def test_functions_and_agents_are_done_one_after_another(database: Database):
    done = await ran(database, Step("ask", agent=echo("echo")), calls("shout"))
    agent = ["StepStarted", *AGENT_RUN, "StepCompleted"]
    assert done.names == ["WorkflowStarted", *agent, *TOP, "WorkflowCompleted"]
    assert done.output["status"] == "COMPLETED"
    assert done.output["content"] == "shout(echo: hi)"
    first, second = done.output["step_results"]
    assert (first["executor_type"], first["executor_name"], first["content"]) == ("agent", "echo", "echo: hi")
    assert (second["step_type"], second["executor_type"], second["executor_name"]) == ("Step", "function", "function")
    (inner,) = done.output["step_executor_runs"]
    assert inner["run_id"] == first["step_run_id"] == done.told("RunStarted")[0]["run_id"]
    assert (inner["parent_run_id"], inner["workflow_step_id"]) == (done.record.id, first["step_id"])
    assert done.output["metrics"]["steps"]["ask"]["metrics"] == inner["metrics"]
    assert list(done.output["metrics"]["steps"]) == ["ask"]
    assert done.events[-1]["step_results"] == done.output["step_results"]
    row = await database.fetchrow("select input_tokens, output_tokens from sessions")
    assert row is not None
    assert tuple(row) == (inner["metrics"]["input_tokens"], inner["metrics"]["output_tokens"])


async def test_events_name_their_workflow_and_step_and_no_agent(database: Database):
    done = await ran(database, Step("ask", agent=echo("echo")), calls("shout"))
    own = [event for event in done.events if event["run_id"] == done.record.id]
    assert all(
        {"workflow_id", "workflow_name", "session_id", "nested_depth", "created_at"} <= event.keys() for event in own
    )
    assert not any({"agent_id", "team_id"} & event.keys() for event in own)
    step_id = done.output["step_results"][0]["step_id"]
    of_agent = [event for event in done.events if event["run_id"] != done.record.id]
    about = {"workflow_id": "w", "workflow_run_id": done.record.id, "step_id": step_id, "step_name": "ask"}
    assert all(about.items() <= event.items() and event["step_index"] == 0 for event in of_agent)
    (output,) = done.told("StepOutput")
    assert "step_id" not in output
    assert output["step_output"] == done.output["step_results"][1]
    assert [event["step_index"] for event in done.told("StepCompleted")] == [0, 1]
    assert done.told("StepCompleted")[1]["step_response"] == done.output["step_results"][1]


async def test_steps_are_one_step_outside(database: Database):
    done = await ran(database, calls("a"), Steps("prepare", steps=[calls("b"), calls("c")]), calls("d"))
    group = ["StepsExecutionStarted", *INNER, *INNER, "StepsExecutionCompleted"]
    assert done.names == ["WorkflowStarted", *TOP, *group, *TOP, "WorkflowCompleted"]
    assert done.output["content"] == "d(c(b(a(hi))))"
    prepare = done.output["step_results"][1]
    assert (prepare["step_type"], names_of(prepare["steps"])) == ("Steps", ["b", "c"])
    inner = done.told("StepStarted")[1:3]
    assert [event["step_index"] for event in inner] == [[1, 0], [1, 1]]
    assert {event["parent_step_id"] for event in inner} == {prepare["step_id"]}
    (completed,) = done.told("StepsExecutionCompleted")
    assert (completed["steps_count"], completed["executed_steps"]) == (2, 2)
    assert names_of(completed["step_results"]) == ["b", "c"]


async def test_branches_are_done_at_the_same_time(database: Database):
    meet = asyncio.Barrier(2)

    def branch(name: str) -> Step:
        async def function(given: StepInput) -> str:
            await meet.wait()
            return f"{name}({given.previous_step_content})"

        return Step(name, run=function)

    def join(given: StepInput) -> Any:
        return [given.previous_step_content, given.get_step_content("right"), given.get_step_content("both")]

    done = await ran(database, calls("a"), Parallel(branch("left"), branch("right"), name="both"), join)
    assert done.names[4:6] == ["ParallelExecutionStarted", "StepStarted"]
    assert done.told("ParallelExecutionStarted")[0]["parallel_step_count"] == 2
    (completed,) = done.told("ParallelExecutionCompleted")
    assert names_of(completed["step_results"]) == ["left", "right"]
    contents = {"left": "left(a(hi))", "right": "right(a(hi))"}
    assert done.output["content"] == [contents, "right(a(hi))", contents]


async def test_an_agent_behind_branches_is_asked_with_the_answers_of_all(database: Database):
    done = await ran(database, Parallel(calls("left"), calls("right"), name="both"), echo("echo"))
    assert done.output["content"] == "echo: ## left\n\nleft(hi)\n\n## right\n\nright(hi)"


async def test_when_a_branch_fails_the_others_are_waited_for(database: Database):
    done = await ran(database, Parallel(Step("bad", run=boom), calls("good"), name="both"), calls("never"))
    assert done.output["status"] == "ERROR"
    assert (done.output["content"], done.events[-1]["error"]) == ("boom", "boom")
    assert done.told("StepCompleted")[0]["step_name"] == "good"
    assert done.told("StepError")[0]["step_name"] == "bad"
    assert done.names[-1] == "WorkflowError"


@pytest.mark.parametrize(("is_true", "branch", "content"), [(True, "if", "d(b(hi))"), (False, "else", "d(c(hi))")])
async def test_a_condition_takes_one_of_two_ways(database: Database, is_true: bool, branch: str, content: str):
    def is_urgent(given: StepInput) -> bool:
        return is_true

    condition = Condition(if_=is_urgent, steps=[calls("b")], else_steps=[calls("c")], name="urgency")
    done = await ran(database, condition, calls("d"))
    way = ["ConditionExecutionStarted", *INNER, "ConditionExecutionCompleted"]
    assert done.names == ["WorkflowStarted", *way, *TOP, "WorkflowCompleted"]
    (completed,) = done.told("ConditionExecutionCompleted")
    assert (completed["condition_result"], completed["branch"], completed["executed_steps"]) == (is_true, branch, 1)
    assert done.output["content"] == content


async def test_a_condition_with_nothing_to_do_is_passed_by(database: Database):
    done = await ran(database, calls("a"), Condition(if_=False, steps=[calls("b")], name="never"), calls("d"))
    (completed,) = done.told("ConditionExecutionCompleted")
    assert completed["executed_steps"] == 0
    assert "branch" not in completed
    assert done.output["content"] == "d(a(hi))"
    assert names_of(done.output["step_results"]) == ["a", "d"]


async def test_a_loop_ends_when_its_outputs_are_enough(database: Database):
    seen: list[list[str]] = []

    def is_enough(outputs: list[StepOutput]) -> bool:
        seen.append([output.content for output in outputs])
        return len(seen) == 2

    loop = Loop(steps=[calls("b"), calls("c")], until=is_enough, max_iterations=5, name="rounds")
    done = await ran(database, loop, calls("d"))
    iteration = ["LoopIterationStarted", *INNER, *INNER, "LoopIterationCompleted"]
    rounds = ["LoopExecutionStarted", *iteration, *iteration, "LoopExecutionCompleted"]
    assert done.names == ["WorkflowStarted", *rounds, *TOP, "WorkflowCompleted"]
    assert seen == [["b(hi)", "c(b(hi))"]] * 2
    assert [event["iteration"] for event in done.told("LoopIterationStarted")] == [1, 2]
    assert [event["should_continue"] for event in done.told("LoopIterationCompleted")] == [True, False]
    (completed,) = done.told("LoopExecutionCompleted")
    assert (completed["total_iterations"], completed["max_iterations"]) == (2, 5)
    assert [names_of(results) for results in completed["all_results"]] == [["b", "c"], ["b", "c"]]
    assert done.output["content"] == "d(c(b(hi)))"


async def test_a_loop_has_a_most_of_iterations(database: Database):
    loop = Loop(steps=[calls("b")], max_iterations=2, forward_iteration_output=True, name="rounds")
    done = await ran(database, loop)
    assert done.told("LoopExecutionCompleted")[0]["total_iterations"] == 2
    assert done.output["content"] == "b(b(hi))"


@pytest.mark.parametrize("selected", ["right", ["right"], calls("right")])
async def test_a_router_does_what_it_selects(database: Database, selected: Any):
    router = Router(choices=[calls("left"), calls("right")], select=lambda given: selected, name="way")
    done = await ran(database, router, calls("d"))
    way = ["RouterExecutionStarted", *INNER, "RouterExecutionCompleted"]
    assert done.names == ["WorkflowStarted", *way, *TOP, "WorkflowCompleted"]
    assert done.told("RouterExecutionCompleted")[0]["selected_steps"] == ["right"]
    assert done.output["content"] == "d(right(hi))"


async def test_a_router_may_select_several_or_nothing(database: Database):
    several = Router(choices=[calls("x"), calls("y")], select=lambda given: ["y", "x"], name="several")
    nothing = Router(choices=[calls("z")], select=lambda given: None, name="nothing")
    done = await ran(database, several, nothing, calls("d"))
    assert done.output["content"] == "d(x(y(hi)))"
    assert [event["selected_steps"] for event in done.told("RouterExecutionStarted")] == [["y", "x"], []]


async def test_a_selection_that_is_no_choice_fails_by_name(database: Database):
    done = await ran(database, Router(choices=[calls("left")], select=lambda given: "up", name="way"))
    assert done.output["status"] == "ERROR"
    assert done.output["content"] == "Router 'way' selected 'up', which is none of its choices: 'left'."
    assert done.names == ["WorkflowStarted", "StepError", "WorkflowError"]


async def test_constructs_nest(database: Database):
    inner = Steps("pair", steps=[calls("a"), calls("b")])
    branches = Parallel(inner, calls("c"), name="both")
    deep = Steps("deep", steps=[branches, Loop(steps=[Condition(if_=True, steps=[calls("d")])], max_iterations=1)])
    done = await ran(database, deep, calls("e"))
    places = {event["step_name"]: event["step_index"] for event in done.told("StepStarted")}
    assert places == {"a": [0, 0, 0, 0], "b": [0, 0, 0, 1], "c": [0, 0, 1], "d": [0, 1, 0, 0], "e": 1}
    assert done.output["content"].startswith("e(d({'pair': 'b(a(hi))', 'c': 'c(hi)'}")
    assert len({event["step_id"] for event in done.told("StepStarted")}) == 5


async def test_a_workflow_is_a_step_of_another(database: Database):
    inner = Workflow("Inner", [Step("ask", agent=echo("echo")), calls("b")])
    done = await ran(database, calls("a"), Step("sub", workflow=inner), calls("c"))
    nested = ["WorkflowStarted", "StepStarted", *AGENT_RUN, "StepCompleted", *TOP, "WorkflowCompleted"]
    assert done.names == ["WorkflowStarted", *TOP, "StepStarted", *nested, "StepCompleted", *TOP, "WorkflowCompleted"]
    assert done.output["content"] == "c(b(echo: a(hi)))"
    outer = done.output["step_results"][1]
    (run_of_inner,) = done.output["step_executor_runs"]
    assert (outer["step_type"], outer["executor_type"], outer["step_run_id"]) == (
        "Workflow",
        "workflow",
        run_of_inner["run_id"],
    )
    assert (run_of_inner["workflow_id"], run_of_inner["parent_run_id"]) == ("inner", done.record.id)
    of_inner = [event for event in done.events if event["run_id"] == run_of_inner["run_id"]]
    assert {event["nested_depth"] for event in of_inner} == {1}
    assert of_inner[0]["parent_step_id"] == outer["step_id"]
    assert {event["nested_depth"] for event in done.events if "agent_id" in event} == {1}
    tokens = done.output["metrics"]["steps"]["sub"]["metrics"]["total_tokens"]
    assert tokens == run_of_inner["step_executor_runs"][0]["metrics"]["total_tokens"]


async def test_a_team_is_a_step(database: Database):
    call = ToolCall("delegate_task_to_member", {"member_id": "writer", "task": "tea"})
    leader = ScriptedModel(lambda asked: Turn(tools=[call]) if not asked.step else str(asked.tool_results[0].content))
    team = Team("research", [echo("writer")], model=leader)
    done = await ran(database, Step("work", team=team), calls("b"))
    assert done.output["content"] == "b(writer: tea)"
    assert done.output["step_results"][0]["executor_type"] == "team"
    started = done.told("TeamRunStarted")[0]
    assert (started["step_name"], started["workflow_run_id"]) == ("work", done.record.id)


async def test_a_step_that_stops_ends_the_workflow_well(database: Database):
    done = await ran(database, Steps("s", steps=[calls("a", stop=True), calls("b")]), calls("c"))
    assert done.output["status"] == "COMPLETED"
    assert done.output["content"] == "a(hi)"
    assert [event["step_name"] for event in done.told("StepStarted")] == ["a"]
    assert done.output["step_results"][0]["stop"] is True


async def test_a_step_without_success_does_not_end_the_workflow(database: Database):
    done = await ran(database, calls("a", success=False, error="thin"), calls("b"))
    assert done.output["content"] == "b(a(hi))"
    assert [(step["success"], step["error"]) for step in done.output["step_results"]] == [(False, "thin"), (True, None)]


async def test_a_failing_step_ends_the_run(database: Database):
    done = await ran(database, calls("a"), Step("bad", run=boom), calls("never"))
    assert done.names == ["WorkflowStarted", *TOP, "StepStarted", "StepError", "WorkflowError"]
    assert (done.output["status"], done.output["content"]) == ("ERROR", "boom")
    assert (done.events[-1]["error"], done.events[-1]["error_type"]) == ("boom", "ValueError")
    assert names_of(done.output["step_results"]) == ["a"]


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), StopIteration(), SilentError()],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_functions_raise_fails_their_step(database: Database, error: BaseException, is_async: bool):
    def function(given: Any) -> Any:
        raise error

    async def function_async(given: Any) -> Any:
        raise error

    raising = function_async if is_async else function
    made: list[Any] = [
        Step("step", run=raising),
        Condition([boom], if_=raising),
        Loop([calls("a")], until=raising),
        Parallel(Step("step", run=raising), calls("b")),
        Step("step", run=boom, on_error="skip", requires_output_review=raising),
    ]
    workflows = [Workflow(f"W{number}", [step]) for number, step in enumerate(made)]
    async with engine_of(database, *workflows) as engine:
        outputs = [(await run(engine, workflow, "hi")).output for workflow in workflows]
    assert [output["status"] for output in outputs] == ["ERROR"] * 4 + ["COMPLETED"]
    assert all(output["content"] for output in outputs[:4])


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({1, 2}, [1, 2]),
        ("a\0b\ud800", "a\0b\ud800"),
        (float("nan"), None),
        (10**40, 10**40),
    ],
)
async def test_content_is_what_json_makes_of_it(database: Database, content: Any, shown: Any):
    done = await ran(database, Step("a", run=lambda given: content))
    assert (done.output["status"], done.output["content"]) == ("COMPLETED", shown)


async def test_content_that_cannot_be_read_again_fails_its_step(database: Database):
    def nest(given: StepInput) -> Any:
        content: Any = 1
        for _ in range(150):
            content = [content]
        return content

    done = await ran(database, nest)
    assert done.output["content"] == "the step's content is nested more than 100 levels"
    done = await ran(database, Step("a", run=lambda given: b"\xff"))
    assert done.output["status"] == "ERROR"


async def test_a_state_that_json_cannot_hold_fails_its_step(database: Database):
    def spoil(given: StepInput) -> str:
        given.run.session_state = 5  # type: ignore[assignment]
        return "done"

    done = await ran(database, Step("a", run=spoil, on_error="skip"), lambda given: dict(given.session_state))
    assert done.output["step_results"][0]["error"].startswith("session_state must stay a dictionary of JSON values")
    assert done.output["content"] == {}


async def test_steps_may_be_called_anything(database: Database):
    for name in ("a/b", "a|b", "a#2", "0:a", "é\u2028", "a\0b", "x" * 3000):
        loop = Loop([calls(name)], max_iterations=2, name="l")
        done = await ran(database, Steps(name, [calls(name), loop]), calls(f"{name}2"))
        assert done.output["status"] == "COMPLETED"
        assert len({event["step_id"] for event in done.told("StepStarted")}) == 4


async def test_an_agent_that_fails_fails_its_step(database: Database):
    broken = Agent(ScriptedModel([Turn(error=provider_error(message="model exploded"))]), name="broken")
    done = await ran(database, Step("ask", agent=broken))
    assert done.names[-3:] == ["RunError", "StepError", "WorkflowError"]
    assert "model exploded" in done.output["content"]
    assert done.output["step_executor_runs"][0]["status"] == "ERROR"


async def test_a_failure_may_be_skipped(database: Database):
    done = await ran(database, calls("a"), Step("bad", run=boom, on_error="skip"), calls("c"))
    assert done.output["status"] == "COMPLETED"
    assert done.output["content"] == "c(a(hi))"
    assert [(step["success"], step["error"]) for step in done.output["step_results"]] == [
        (True, None),
        (False, "boom"),
        (True, None),
    ]


async def test_a_step_is_tried_again(database: Database):
    count, function = fails_at_first(2)
    done = await ran(database, Step("try", run=function, max_retries=2, retry_delay_s=0.001))
    assert done.output["content"] == "at last"
    assert count["calls"] == 3
    assert [event["attempt"] for event in done.told("StepProgress")] == [2, 3]
    assert done.names == [
        "WorkflowStarted",
        "StepStarted",
        "StepProgress",
        "StepProgress",
        *TOP[1:],
        "WorkflowCompleted",
    ]


async def test_an_agent_is_tried_again_in_a_run_of_its_own(database: Database):
    def answer(asked: Asked) -> Turn | str:
        count["runs"] += 1
        return Turn(error=provider_error(message="busy")) if count["runs"] == 1 else "fine"

    count: Counter[str] = Counter()
    agent = Agent(ScriptedModel(answer), name="helper")
    done = await ran(database, Step("ask", agent=agent, max_retries=1))
    assert done.output["content"] == "fine"
    first, second = done.output["step_executor_runs"]
    assert (first["status"], second["status"]) == ("ERROR", "COMPLETED")
    assert first["run_id"] != second["run_id"] == done.output["step_results"][0]["step_run_id"]


async def test_a_step_has_its_time(database: Database):
    async def slow(given: StepInput) -> None:
        await asyncio.sleep(60)

    done = await ran(database, Step("slow", run=slow, timeout_s=0.05))
    assert (done.output["status"], done.output["content"]) == ("ERROR", "It took longer than its 0.05 s.")
    thinking = Agent(ScriptedModel([Turn("late", delay_s=60)]), name="thinker")
    done = await ran(database, Step("slow", agent=thinking, timeout_s=0.05))
    assert (done.output["status"], done.output["content"]) == ("ERROR", "It took longer than its 0.05 s.")
    assert [name for name in done.names if name.endswith("Error")] == ["RunError", "StepError", "WorkflowError"]


async def test_a_run_has_its_time(database: Database):
    thinking = Agent(ScriptedModel([Turn("late", delay_s=60)]), name="thinker")
    done = await ran(database, calls("a"), Step("slow", agent=thinking), timeout_s=0.1)
    assert done.output["content"] == "The run took longer than its 0.1 s."
    assert done.events[-1]["error_type"] == "run_timeout"
    assert done.names[-2:] == ["RunCancelled", "WorkflowError"]


async def test_session_state_is_kept_and_passed_on(database: Database):
    seen: list[dict[str, Any]] = []
    agent = echo("helper", deps_type=RunDeps)

    @agent.instructions
    def note(ctx: RunContext[RunDeps]) -> str:
        ctx.deps.session_state["agent"] = ctx.deps.session_state["count"]
        return "Be brief."

    def count(given: StepInput) -> int:
        given.session_state["count"] = given.session_state.get("count", 0) + 1
        return int(given.session_state["count"])

    def look(given: StepInput) -> str:
        seen.append(dict(given.session_state))
        return "looked"

    workflow = Workflow("W", [count, agent, look], session_state={"tone": "kind", "count": 10})
    async with engine_of(database, workflow) as engine:
        await run(engine, workflow, "hi", session_id="s")
        await run(engine, workflow, "hi", session_id="s", session_state={"tone": "terse"})
    assert seen == [{"tone": "kind", "count": 11, "agent": 11}, {"tone": "terse", "count": 12, "agent": 12}]
    state = load_json(await database.fetchval("select state from sessions"))
    assert state == {"tone": "terse", "count": 12, "agent": 12}


async def test_steps_side_by_side_have_a_state_of_their_own(database: Database):
    meet, seen = asyncio.Barrier(2), []

    def branch(name: str) -> Step:
        async def function(given: StepInput) -> str:
            given.session_state[name] = 1
            given.session_state["last"] = name
            await meet.wait()
            seen.append(sorted(given.session_state))
            return name

        return Step(name, run=function)

    def look(given: StepInput) -> list[str]:
        return sorted(given.session_state)

    done = await ran(database, Parallel(branch("left"), branch("right")), look)
    assert sorted(seen) == [["last", "left"], ["last", "right"]]
    assert done.output["content"] == ["last", "left", "right"]


async def test_what_fails_has_done_nothing_to_the_state_and_what_decides_has(database: Database):
    keys: list[str] = []

    def spend(given: StepInput) -> str:
        keys.append(given.run.idempotency_key)
        given.session_state["spent"] = given.session_state.get("spent", 0) + 1
        if len(keys) == 1:
            raise ValueError("not yet")
        return "spent"

    def is_true(given: StepInput) -> bool:
        given.session_state["asked"] = given.run.idempotency_key.rpartition(":")[2]
        return True

    steps = [Step("spend", run=spend, max_retries=1), Condition([calls("a")], if_=is_true, name="c")]
    done = await ran(database, *steps, lambda given: dict(given.session_state))
    assert done.output["content"] == {"spent": 1, "asked": "c|if"}
    assert keys == [f"{done.record.id}:0:spend"] * 2


async def test_functions_learn_of_their_run(database: Database):
    keys: list[str] = []

    def look(given: StepInput) -> list[Any]:
        keys.append(given.run.idempotency_key)
        return [given.additional_data, given.run.metadata, given.run.session_id, given.get_all_previous_content()]

    workflow = Workflow("W", [calls("a"), look])
    async with engine_of(database, workflow) as engine:
        done = await run(engine, workflow, "hi", session_id="s", dependencies={"city": "Oslo"}, metadata={"team": "x"})
    assert done.output["content"] == [{"city": "Oslo"}, {"team": "x"}, "s", "=== a ===\na(hi)"]
    assert keys == [f"{done.record.id}:1:look"]


async def test_content_may_be_a_model_and_is_json_behind(database: Database):
    class Report(pydantic.BaseModel):
        title: str

    def write(given: StepInput) -> Report:
        return Report(title="Tea")

    done = await ran(database, write, lambda given: given.previous_step_content["title"])
    assert done.output["content"] == "Tea"
    assert done.output["step_results"][0]["content"] == {"title": "Tea"}
    assert done.told("StepCompleted")[0]["content_type"] == "dict"


async def test_a_message_is_read_as_the_workflows_type(database: Database):
    class Order(pydantic.BaseModel):
        size: int

    def take(given: StepInput) -> int:
        assert isinstance(given.input, Order)
        return given.input.size

    done = await ran(database, take, message='{"size": 3}', input_type=Order)
    assert done.output["content"] == 3
    refused = await ran(database, take, message='{"size": "many"}', input_type=Order)
    assert refused.output["status"] == "ERROR"
    assert refused.output["content"].startswith("message: it is not what the workflow 'W' takes: size: ")
    assert refused.names == ["WorkflowStarted", "WorkflowError"]


async def test_media_that_a_step_makes_are_kept_and_passed_on(database: Database):
    picture = BinaryContent(b"\x89PNG", media_type="image/png")
    seen: list[Any] = []

    def draw(given: StepInput) -> StepOutput:
        return StepOutput("a picture", media=[picture])

    def look(given: StepInput) -> str:
        seen.extend(given.media)
        return "seen"

    done = await ran(database, draw, look)
    assert [content.data for content in seen] == [picture.data]
    (image,) = done.output["images"]
    assert image["mime_type"] == "image/png"
    assert done.output["blobs"] == [image["sha256"]]
    completed = done.told("StepCompleted")[0]
    assert (completed["blobs"], completed["images"]) == ([image["sha256"]], [image])
    assert done.told("StepOutput")[0]["blobs"] == [image["sha256"]]
    assert all(next(iter(event)) == "blobs" for event in done.events if "blobs" in event)
    assert await database.fetchval("select count(*) from blobs") == 1


async def test_a_cancelled_run_keeps_what_was_answered(database: Database):
    thinking = Agent(ScriptedModel([Turn("one two", chunk_delay_s=60)]), name="thinker")
    workflow = Workflow("W", [calls("a"), Parallel(Step("slow", agent=thinking), calls("c"), name="both")])
    async with engine_of(database, workflow) as engine:
        record = await submit(engine, workflow, "hi")
        await until(database, "select count(*) = 1 from runs where component_id = 'thinker'")
        await engine.cancel("p", record.id, kind="workflow", component_id="w")
        done = await outcome_of(engine, record)
    assert (done.output["status"], done.output["cancellation_stage"]) == ("CANCELLED", "EXECUTING")
    assert done.names[-2:] == ["RunCancelled", "WorkflowCancelled"]
    assert done.events[-1]["reason"] == f"Run {record.id} was cancelled"
    assert names_of(done.output["step_results"]) == ["a"]
    assert await database.fetchval("select status from runs where component_id = 'thinker'") == "CANCELLED"


async def test_a_function_that_is_cancelled_does_not_hold_its_run(database: Database):
    async def slow(given: StepInput) -> None:
        await asyncio.sleep(60)

    workflow = Workflow("W", [calls("a"), Step("slow", run=slow)])
    async with engine_of(database, workflow) as engine:
        record = await submit(engine, workflow, "hi")
        await until(database, "select count(*) >= 5 from run_events")
        began = time.monotonic()
        await engine.cancel("p", record.id, kind="workflow", component_id="w")
        done = await outcome_of(engine, record)
    assert time.monotonic() - began < 2
    assert (done.output["status"], done.output["content"]) == ("CANCELLED", "a(hi)")


async def test_a_run_is_cancelled_before_its_turn(database: Database):
    workflow = Workflow("W", [calls("a")], max_concurrency=1)
    hold = asyncio.Event()

    async def wait(given: StepInput) -> None:
        await hold.wait()

    busy = Workflow("Busy", [wait])
    async with engine_of(database, workflow, busy) as engine:
        first = await submit(engine, busy, "hi", session_id="s")
        record = await submit(engine, workflow, "hi", session_id="s")
        await engine.cancel("p", record.id, kind="workflow", component_id="w")
        done = await outcome_of(engine, record)
        hold.set()
        await engine.wait(first)
    assert (done.output["status"], done.output["cancellation_stage"]) == ("CANCELLED", "PENDING")
    assert done.names == ["WorkflowCancelled"]
    assert done.output["workflow_name"] == "W"
