"""Workflows that wait for people, through a real engine: what they ask, and how they go on with each answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pydantic
import pytest
from pydantic_ai import Agent, BinaryContent

from serai import Condition, Loop, Parallel, Router, Step, StepInput, StepOutput, Steps, Team, Workflow
from serai.domain.run_state import RunStatus
from serai.errors import RequestError
from serai.storage.connection import Database
from serai.testing import ScriptedModel, ToolCall, Turn
from tests.component_runs import Ran, engine_of, go_on, outcome_of, run
from tests.step_values import asker

TOP = ["StepStarted", "StepOutput", "StepCompleted"]
INNER = ["StepStarted", "StepCompleted"]
END = ["WorkflowCompleted"]


class Counted:
    """Steps that say what they were given, ``b(a(hi))``, and count how often they were done."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def step(self, name: str, **options: Any) -> Step:
        def function(given: StepInput) -> str:
            self.done[name] += 1
            said = {key: value for key, value in given.additional_data.items() if value is not None}
            return f"{name}({given.previous_step_content or given.input}{said or ''})"

        return Step(name, run=function, **options)


async def paused_and_continued(
    database: Database, *steps: Any, answers: list[dict[str, Any]], **options: Any
) -> tuple[Ran, list[Ran]]:
    """Run a workflow to its pause, and go on with one answer to each of its pauses."""
    workflow = Workflow("W", list(steps), **options)
    async with engine_of(database, workflow) as engine:
        first = last = await run(engine, workflow, "hi")
        continued = []
        for answer in answers:
            assert last.output["status"] == "PAUSED"
            waiting = [*last.output["step_requirements"], *(last.output.get("error_requirements") or [])]
            last = await go_on(engine, last, [{"step_id": wanted["step_id"], **answer} for wanted in waiting])
            continued.append(last)
    return first, continued


def names_of(results: list[dict[str, Any]]) -> list[str]:
    return [result["step_name"] for result in results]


async def test_a_step_waits_for_a_yes(database: Database):
    counted = Counted()
    guarded = counted.step("b", requires_confirmation=True, confirmation_message="Go on?")
    first, (last,) = await paused_and_continued(
        database, counted.step("a"), guarded, counted.step("c"), answers=[{"confirmed": True}]
    )
    assert first.names == ["WorkflowStarted", *TOP, "StepPaused", "WorkflowPaused"]
    assert last.names == ["StepContinued", *TOP, *TOP, *END]
    assert last.output["content"] == "c(b(a(hi)))"
    assert counted.done == Counter(a=1, b=1, c=1)
    assert names_of(last.output["step_results"]) == ["a", "b", "c"]
    assert "step_requirements" not in last.output

    (wanted,) = first.output["step_requirements"]
    assert (wanted["step_name"], wanted["step_index"], wanted["step_type"]) == ("b", 1, "Step")
    assert (wanted["requires_confirmation"], wanted["confirmation_message"], wanted["confirmed"]) == (
        True,
        "Go on?",
        None,
    )
    assert wanted["on_reject"] == "skip"
    assert wanted["step_input"]["previous_step_content"] == "a(hi)"
    said = first.events[-1]
    assert said["step_requirements"] == first.output["step_requirements"]
    assert (said["status"], said["paused_step_index"], said["paused_step_name"]) == ("PAUSED", 1, "b")
    assert said["pause_kind"] == first.output["pause_kind"] == "step"
    assert names_of(said["step_results"]) == ["a"]
    (paused,) = first.told("StepPaused")
    assert (paused["requires_confirmation"], paused["requires_user_input"]) == (True, False)
    step_ids = {event["step_id"] for event in last.events if event.get("step_name") == "b" and "step_id" in event}
    assert step_ids == {wanted["step_id"]} == {paused["step_id"]}


async def test_a_no_skips_the_step(database: Database):
    counted = Counted()
    guarded = counted.step("b", requires_confirmation=True)
    _, (last,) = await paused_and_continued(
        database, counted.step("a"), guarded, counted.step("c"), answers=[{"confirmed": False}]
    )
    assert last.names == ["StepContinued", *TOP, *END]
    assert last.output["content"] == "c(a(hi))"
    assert names_of(last.output["step_results"]) == ["a", "c"]
    assert counted.done == Counter(a=1, c=1)


async def test_a_no_may_end_the_run(database: Database):
    counted = Counted()
    guarded = counted.step("b", requires_confirmation=True, on_reject="cancel")
    _, (last,) = await paused_and_continued(
        database, counted.step("a"), guarded, counted.step("c"), answers=[{"confirmed": False}]
    )
    assert last.names == ["StepContinued", "WorkflowCancelled"]
    assert last.output["status"] == "CANCELLED"
    assert last.output["content"] == last.events[-1]["reason"] == "Workflow cancelled: Step 'b' was rejected"
    assert names_of(last.output["step_results"]) == ["a"]


@pytest.mark.parametrize(("confirmed", "content"), [(True, "c(x(hi))"), (False, "c(y(hi))")])
async def test_a_person_decides_a_condition(database: Database, confirmed: bool, content: str):
    counted = Counted()
    condition = Condition(
        steps=[counted.step("x")], else_steps=[counted.step("y")], requires_confirmation=True, name="cond"
    )
    first, (last,) = await paused_and_continued(
        database, condition, counted.step("c"), answers=[{"confirmed": confirmed}]
    )
    way = ["ConditionExecutionStarted", *INNER, "ConditionExecutionCompleted"]
    assert first.names == ["WorkflowStarted", "StepPaused", "WorkflowPaused"]
    assert first.output["step_requirements"][0]["step_type"] == "Condition"
    assert last.names == ["StepContinued", *way, *TOP, *END]
    assert last.told("ConditionExecutionCompleted")[0]["condition_result"] is confirmed
    assert last.output["content"] == content


@pytest.mark.parametrize("construct", ["Steps", "Loop"])
async def test_constructs_wait_for_a_yes(database: Database, construct: str):
    counted = Counted()
    inner = [counted.step("x")]
    made: Any = Steps("group", steps=inner, requires_confirmation=True)
    if construct == "Loop":
        made = Loop(steps=inner, max_iterations=1, name="group", requires_confirmation=True)
    first, (last,) = await paused_and_continued(database, made, answers=[{"confirmed": True}])
    assert first.output["step_requirements"][0]["step_type"] == construct
    assert last.names[:2] == ["StepContinued", f"{construct}ExecutionStarted"]
    assert last.output["content"] == "x(hi)"


async def test_a_person_fills_in_fields(database: Database):
    counted = Counted()
    fields = [
        {"name": "size", "field_type": int, "description": "How many."},
        {"name": "colour", "required": False, "allowed_values": ["red", "blue"]},
    ]
    step = counted.step("order", requires_user_input=True, user_input_message="What?", user_input_schema=fields)
    first, (last,) = await paused_and_continued(database, step, answers=[{"user_input": {"size": 3}}])
    (paused,) = first.told("StepPaused")
    assert paused["user_input_message"] == "What?"
    assert paused["user_input_schema"][0] == {
        "name": "size",
        "field_type": "int",
        "description": "How many.",
        "value": None,
        "required": True,
    }
    assert last.names == ["StepContinued", *TOP, *END]
    assert last.output["content"] == "order(hi{'user_input': {'size': 3}})"


async def test_an_agent_is_told_what_a_person_filled_in(database: Database):
    class Order(pydantic.BaseModel):
        size: int = pydantic.Field(description="How many.")

    agent = Agent(ScriptedModel(lambda asked: f"echo: {asked.message}"), name="echo")
    step = Step("order", agent=agent, requires_user_input=True, user_input_schema=Order)
    _, (last,) = await paused_and_continued(database, step, answers=[{"user_input": {"size": 3}}])
    assert last.output["content"] == "echo: hi\n\nUser input:\n- size: 3"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"user_input": {"size": "3"}}, r"\[0\].user_input.size: Input should be of type int, not '3'"),
        ({"user_input": {"size": True}}, r"\[0\].user_input.size: Input should be of type int, not True"),
        ({"user_input": {}}, r"\[0\].user_input.size: Field required"),
        ({"user_input": {"size": 1, "weight": 2}}, r"user_input.weight: No such field; there are: 'size', 'colour'"),
        ({"user_input": {"size": 1, "colour": "green"}}, r"user_input.colour: Input should be one of 'red', 'blue'"),
        ({"user_input": [1]}, r"user_input: Input should be an object"),
        ({}, r"Cannot continue run - unresolved step requirements: \['order'\]"),
    ],
)
async def test_fields_are_checked(database: Database, answer: dict[str, Any], message: str):
    fields = [
        {"name": "size", "field_type": "int"},
        {"name": "colour", "required": False, "allowed_values": ["red", "blue"]},
    ]
    step = Counted().step("order", requires_user_input=True, user_input_schema=fields)
    with pytest.raises(RequestError, match=message):
        await paused_and_continued(database, step, answers=[answer])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"confirmed": "yes"}, r"step_requirements\[0\].confirmed: Input should be true or false, not 'yes'"),
        ({"step_id": "else", "confirmed": True}, r"\[0\].step_id: No step with this id waits; these do: '.*' \(a\)"),
        ({"confirmed": False, "rejection_feedback": 3}, r"\[0\].rejection_feedback: Input should be a string"),
        ({"confirmed": None}, r"unresolved step requirements: \['a'\]"),
    ],
)
async def test_wrong_answers_leave_the_run_as_it_was(database: Database, answer: dict[str, Any], message: str):
    step = Counted().step("a", requires_confirmation=True)
    workflow = Workflow("W", [step])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        with pytest.raises(RequestError, match=message):
            await go_on(engine, first, [{"step_id": wanted["step_id"], **answer}])
        assert (await engine.get_answer(first.record)).status is RunStatus.PAUSED
        last = await go_on(engine, first, [{**wanted, "confirmed": True}])
    assert last.output["status"] == "COMPLETED"


async def test_a_person_chooses_the_way(database: Database):
    counted = Counted()
    router = Router(
        choices=[counted.step("x"), counted.step("y")],
        requires_route_selection=True,
        user_input_message="Which?",
        name="way",
    )
    first, (last,) = await paused_and_continued(
        database, router, counted.step("c"), answers=[{"selected_choices": ["y"]}]
    )
    assert first.names == ["WorkflowStarted", "RouterPaused", "WorkflowPaused"]
    (paused,) = first.told("RouterPaused")
    assert (paused["available_choices"], paused["allow_multiple_selections"]) == (["x", "y"], False)
    (wanted,) = first.output["step_requirements"]
    assert (wanted["requires_route_selection"], wanted["requires_user_input"]) == (True, False)
    assert last.names == ["StepContinued", "RouterExecutionStarted", *INNER, "RouterExecutionCompleted", *TOP, *END]
    assert last.output["content"] == "c(y(hi))"


@pytest.mark.parametrize(
    ("selected", "message"),
    [
        (["z"], "No such choice; there are: 'x', 'y', not 'z'"),
        (["x", "y"], "Only one choice may be selected"),
        (["x", "x"], "A choice is selected twice"),
        ([], "Input should be a list of names"),
    ],
)
async def test_selections_are_checked(database: Database, selected: list[str], message: str):
    counted = Counted()
    router = Router(choices=[counted.step("x"), counted.step("y")], requires_route_selection=True)
    with pytest.raises(RequestError, match=rf"step_requirements\[0\].selected_choices: {message}"):
        await paused_and_continued(database, router, answers=[{"selected_choices": selected}])


async def test_an_output_is_approved(database: Database):
    counted = Counted()
    step = counted.step("b", requires_output_review=True, output_review_message="Good?")
    first, (last,) = await paused_and_continued(database, step, counted.step("c"), answers=[{"confirmed": True}])
    assert first.names == ["WorkflowStarted", *TOP, "StepOutputReview", "WorkflowPaused"]
    (wanted,) = first.output["step_requirements"]
    assert (wanted["requires_output_review"], wanted["is_post_execution"], wanted["output_review_message"]) == (
        True,
        True,
        "Good?",
    )
    assert wanted["step_output"]["content"] == "b(hi)"
    assert last.names == ["StepContinued", *TOP, *END]
    assert last.output["content"] == "c(b(hi))"
    assert counted.done == Counter(b=1, c=1)


async def test_an_output_is_edited(database: Database):
    counted = Counted()
    step = counted.step("b", requires_output_review=True)
    _, (last,) = await paused_and_continued(database, step, counted.step("c"), answers=[{"edited_output": "better"}])
    assert last.output["content"] == "c(better)"
    assert [result["content"] for result in last.output["step_results"]] == ["better", "c(better)"]


async def test_a_rejected_output_is_made_again(database: Database):
    counted = Counted()
    step = counted.step("b", requires_output_review=True, on_reject="retry")
    _, (second, last) = await paused_and_continued(
        database,
        step,
        counted.step("c"),
        answers=[{"confirmed": False, "rejection_feedback": "longer"}, {"confirmed": True}],
    )
    assert second.names == ["StepContinued", *TOP, "StepOutputReview", "WorkflowPaused"]
    (wanted,) = second.output["step_requirements"]
    assert wanted["retry_count"] == 1
    assert wanted["step_output"]["content"] == "b(hi{'rejection_feedback': 'longer'})"
    assert last.names == ["StepContinued", *TOP, *END]
    assert counted.done == Counter(b=2, c=1)


async def test_an_output_may_not_be_rejected_for_ever(database: Database):
    step = Counted().step("b", requires_output_review=True, on_reject="retry", review_max_retries=1)
    _, (_, last) = await paused_and_continued(database, step, answers=[{"confirmed": False}, {"confirmed": False}])
    assert last.names == ["StepContinued", "StepError", "WorkflowError"]
    assert last.output["content"] == "The output of step 'b' was rejected 2 times."


@pytest.mark.parametrize(("on_reject", "end"), [("skip", [*TOP, *END]), ("cancel", ["WorkflowCancelled"])])
async def test_a_rejected_output_is_left_out_or_ends_the_run(database: Database, on_reject: Any, end: list[str]):
    counted = Counted()
    step = counted.step("b", requires_output_review=True, on_reject=on_reject)
    _, (last,) = await paused_and_continued(
        database, counted.step("a"), step, counted.step("c"), answers=[{"confirmed": False}]
    )
    assert last.names == ["StepContinued", *end]
    if on_reject == "skip":
        assert last.output["content"] == "c(a(hi))"


@pytest.mark.parametrize(("limit", "pauses"), [(10, False), (2, True)])
async def test_a_predicate_says_which_outputs_are_reviewed(database: Database, limit: int, pauses: bool):
    def is_long(output: StepOutput) -> bool:
        return len(output.content) > limit

    first, _ = await paused_and_continued(database, Counted().step("b", requires_output_review=is_long), answers=[])
    assert (first.output["status"] == "PAUSED") is pauses


@pytest.mark.parametrize(
    ("decision", "names"), [("retry", ["StepContinued", *TOP, *TOP, *END]), ("skip", ["StepContinued", *TOP, *END])]
)
async def test_a_person_decides_about_a_failure(database: Database, decision: str, names: list[str]):
    counted = Counted()

    def fails_once(given: StepInput) -> str:
        counted.done["b"] += 1
        if counted.done["b"] == 1:
            raise ValueError("not yet")
        return f"b({given.previous_step_content})"

    step = Step("b", run=fails_once, on_error="pause")
    first, (last,) = await paused_and_continued(
        database, counted.step("a"), step, counted.step("c"), answers=[{"decision": decision}]
    )
    assert first.names == ["WorkflowStarted", *TOP, "StepStarted", "StepError", "WorkflowPaused"]
    (wanted,) = first.output["error_requirements"]
    assert (wanted["error_message"], wanted["error_type"], wanted["retry_count"]) == ("not yet", "ValueError", 0)
    assert last.names == names
    assert last.output["content"] == ("c(b(a(hi)))" if decision == "retry" else "c(a(hi))")
    assert counted.done == Counter(a=1, b=2 if decision == "retry" else 1, c=1)


async def test_an_agent_in_a_step_waits_for_its_call(database: Database):
    counted = Counted()
    workflow = Workflow("W", [counted.step("a"), Step("ask", agent=asker()), counted.step("c")])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        assert first.names[-3:] == ["RunPaused", "StepExecutorPaused", "WorkflowPaused"]
        (wanted,) = first.output["step_requirements"]
        assert wanted["requires_executor_input"] is True
        assert (wanted["executor_id"], wanted["executor_name"], wanted["executor_type"]) == ("asker", "asker", "agent")
        (inside,) = wanted["executor_requirements"]
        assert inside["tool_execution"]["tool_name"] == "delete_file"
        assert first.events[-1]["pause_kind"] == "executor"
        (inner,) = first.output["step_executor_runs"]
        assert (inner["run_id"], inner["status"]) == (wanted["executor_run_id"], "PAUSED")
        with pytest.raises(RequestError, match=r"delete_file \(tool_call_id 'call-asker'\) needs 'confirmed'"):
            await go_on(engine, first, [wanted])
        with pytest.raises(RequestError, match=r"unresolved step requirements: \['ask'\]"):
            await go_on(engine, first, [])
        inside["tool_execution"]["confirmed"] = True
        last = await go_on(engine, first, [wanted])
    agent = ["RunContinued", "ToolCallStarted", "ToolCallCompleted", "ModelRequestStarted", "ModelRequestCompleted"]
    inner_end = ["RunContentCompleted", "RunCompleted", "StepCompleted"]
    assert last.names == ["StepExecutorContinued", *agent, *inner_end, *TOP, *END]
    assert last.output["content"] == "c(Report: deleted /tmp/x)"
    (inner,) = last.output["step_executor_runs"]
    assert inner["status"] == "COMPLETED"
    assert counted.done == Counter(a=1, c=1)


@pytest.mark.parametrize("answer", [{"confirmation": False}, {"tool_execution": {"confirmed": False}}])
async def test_an_agents_call_is_rejected(database: Database, answer: dict[str, Any]):
    workflow = Workflow("W", [Step("ask", agent=asker())])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        inside = [{"id": one["id"], **answer} for one in wanted["executor_requirements"]]
        last = await go_on(engine, first, [{"step_id": wanted["step_id"], "executor_requirements": inside}])
    assert last.output["content"] == "Report: The user rejected this tool call."
    assert "ToolCallStarted" not in last.names


async def test_wrong_answers_for_an_agent_are_named(database: Database):
    workflow = Workflow("W", [Step("ask", agent=asker())])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        inside = [{"id": wanted["executor_requirements"][0]["id"], "confirmation": "yes"}]
        with pytest.raises(RequestError, match=r"step_requirements\[0\].executor_requirements: tools\[0\].confirmed: "):
            await go_on(engine, first, [{"step_id": wanted["step_id"], "executor_requirements": inside}])
        with pytest.raises(RequestError, match=r"\[0\].executor_requirements: Input should be a list of objects"):
            await go_on(engine, first, [{"step_id": wanted["step_id"], "executor_requirements": 3}])


async def test_a_team_in_a_step_waits_for_its_member(database: Database):
    call = ToolCall("delegate_task_to_member", {"member_id": "asker", "task": "tidy up"})
    leader = ScriptedModel(lambda asked: Turn(tools=[call]) if not asked.step else str(asked.tool_results[0].content))
    workflow = Workflow("W", [Step("work", team=Team("research", [asker()], model=leader))])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        assert first.names[-4:] == [
            "TeamToolCallCompleted",
            "TeamRunPaused",
            "StepExecutorPaused",
            "WorkflowPaused",
        ] or (first.names[-3:] == ["TeamRunPaused", "StepExecutorPaused", "WorkflowPaused"])
        (wanted,) = first.output["step_requirements"]
        assert wanted["executor_requirements"][0]["member_agent_id"] == "asker"
        wanted["executor_requirements"][0]["tool_execution"]["confirmed"] = True
        last = await go_on(engine, first, [wanted])
    assert last.names[0] == "StepExecutorContinued"
    assert last.output["content"] == "Report: deleted /tmp/x"


async def test_branches_pause_together_and_the_others_end_first(database: Database):
    counted = Counted()
    both = Parallel(
        counted.step("x", requires_confirmation=True),
        counted.step("y"),
        Steps("group", steps=[counted.step("w"), counted.step("z", requires_confirmation=True)]),
        Step("ask", agent=asker()),
        name="both",
    )
    workflow = Workflow("W", [both, counted.step("c")])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        assert counted.done == Counter(y=1, w=1)
        wanted = {one["step_name"]: one for one in first.output["step_requirements"]}
        assert set(wanted) == {"x", "z", "ask"}
        assert wanted["z"]["step_index"] == [0, 2, 1]
        assert (first.output["paused_step_index"], first.output["paused_step_name"]) == (0, "both")
        wanted["x"]["confirmed"] = wanted["z"]["confirmed"] = True
        with pytest.raises(RequestError, match=r"unresolved step requirements: \['ask'\]"):
            await go_on(engine, first, [wanted["x"], wanted["z"]])
        wanted["ask"]["executor_requirements"][0]["confirmation"] = True
        last = await go_on(engine, first, list(wanted.values()))
    assert counted.done == Counter(x=1, y=1, w=1, z=1, c=1)
    assert last.names.count("StepContinued") == 2
    assert last.names[0] in ("StepContinued", "StepExecutorContinued")
    for said_before in ("WorkflowStarted", "ParallelExecutionStarted", "StepsExecutionStarted"):
        assert said_before not in last.names
    assert sorted(event["step_name"] for event in last.told("StepStarted")) == ["c", "x", "z"]
    contents = {"x": "x(hi)", "y": "y(hi)", "group": "z(w(hi))", "ask": "Report: deleted /tmp/x"}
    assert last.output["content"] == f"c({contents})"


async def test_a_step_in_a_loop_waits_in_each_iteration(database: Database):
    counted = Counted()
    loop = Loop(
        steps=[counted.step("x"), counted.step("y", requires_confirmation=True)], max_iterations=2, name="rounds"
    )
    first, (second, last) = await paused_and_continued(
        database, loop, answers=[{"confirmed": True}, {"confirmed": True}]
    )
    start = ["LoopIterationStarted", *INNER, "StepPaused", "WorkflowPaused"]
    end = ["StepContinued", *INNER, "LoopIterationCompleted"]
    assert first.names == ["WorkflowStarted", "LoopExecutionStarted", *start]
    assert second.names == [*end, *start]
    assert last.names == [*end, "LoopExecutionCompleted", *END]
    assert counted.done == Counter(x=2, y=2)
    assert first.output["step_requirements"][0]["step_id"] != second.output["step_requirements"][0]["step_id"]


async def test_a_step_asks_before_in_the_middle_and_after(database: Database):
    step = Step("ask", agent=asker(), requires_confirmation=True, requires_output_review=True)
    workflow = Workflow("W", [step])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        second = await go_on(engine, first, [{"step_id": wanted["step_id"], "confirmed": True}])
        assert second.names[:2] == ["StepContinued", "StepStarted"]
        (wanted,) = second.output["step_requirements"]
        wanted["executor_requirements"][0]["confirmation"] = True
        third = await go_on(engine, second, [wanted])
        assert third.names[0] == "StepExecutorContinued"
        assert third.names[-3:] == ["StepCompleted", "StepOutputReview", "WorkflowPaused"]
        last = await go_on(engine, third, [{"step_id": wanted["step_id"], "edited_output": "fine"}])
        whole = await outcome_of(engine, last.record)
    assert last.names == ["StepContinued", *END]
    assert last.output["content"] == "fine"
    own = [event["event"] for event in whole.events if event["run_id"] == whole.record.id]
    assert own.count("WorkflowStarted") == own.count("StepStarted") == own.count("StepCompleted") == 1


async def test_a_workflow_inside_pauses_with_the_one_around_it(database: Database):
    counted = Counted()
    inner = Workflow(
        "Inner", [counted.step("a"), counted.step("b", requires_confirmation=True), Step("ask", agent=asker())]
    )
    workflow = Workflow("W", [Step("sub", workflow=inner), counted.step("c")])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        assert first.names[-4:] == ["StepPaused", "WorkflowPaused", "StepExecutorPaused", "WorkflowPaused"]
        (wanted,) = first.output["step_requirements"]
        assert wanted["step_name"] == "b"
        second = await go_on(engine, first, [{"step_id": wanted["step_id"], "confirmed": True}])
        assert second.names[:2] == ["StepExecutorContinued", "StepContinued"]
        (wanted,) = second.output["step_requirements"]
        assert wanted["step_name"] == "ask"
        wanted["executor_requirements"][0]["confirmation"] = True
        last = await go_on(engine, second, [wanted])
    assert last.names[:3] == ["StepExecutorContinued", "StepExecutorContinued", "RunContinued"]
    assert last.output["content"] == "c(Report: deleted /tmp/x)"
    assert counted.done == Counter(a=1, b=1, c=1)


async def test_a_no_inside_a_workflow_may_end_the_one_around_it(database: Database):
    counted = Counted()
    inner = Workflow("Inner", [counted.step("b", requires_confirmation=True, on_reject="cancel")])
    outer = Step("sub", workflow=inner, max_retries=2, on_error="skip")
    _, (last,) = await paused_and_continued(database, outer, counted.step("c"), answers=[{"confirmed": False}])
    assert last.output["status"] == "CANCELLED"
    assert last.output["content"] == "Workflow cancelled: Step 'b' was rejected"
    assert last.names == ["StepExecutorContinued", "StepContinued", "WorkflowCancelled", "WorkflowCancelled"]
    statuses = await database.fetch("select distinct status from runs")
    assert [row["status"] for row in statuses] == ["CANCELLED"]
    assert not counted.done


async def test_media_of_steps_before_a_pause_are_at_hand_behind_it(database: Database):
    seen: list[bytes] = []

    def draw(given: StepInput) -> StepOutput:
        return StepOutput("a picture", media=[BinaryContent(b"\x89PNG", media_type="image/png")])

    def look(given: StepInput) -> str:
        contents = [*given.media, *given.previous_step_outputs["draw"].media]
        seen.extend(content.data for content in contents if isinstance(content, BinaryContent))
        return "seen"

    look_at_it = Step("look", run=look, requires_confirmation=True)
    _, (last,) = await paused_and_continued(database, draw, look_at_it, answers=[{"confirmed": True}])
    assert last.output["status"] == "COMPLETED"
    assert seen == [b"\x89PNG"] * 2


async def test_state_and_tokens_are_kept_over_a_pause(database: Database):
    def count(given: StepInput) -> int:
        given.session_state["count"] = given.session_state.get("count", 0) + 1
        return int(given.session_state["count"])

    agent = Agent(ScriptedModel(lambda asked: "fine"), name="helper")
    steps = [count, agent, Step("again", run=count, requires_confirmation=True), Step("more", agent=agent)]
    first, (last,) = await paused_and_continued(database, *steps, answers=[{"confirmed": True}])
    assert last.output["step_results"][2]["content"] == 2
    metrics = last.output["metrics"]["steps"]
    assert list(metrics) == ["helper", "more"]
    assert last.output["metrics"]["duration"] > first.output["metrics"]["duration"]
    total = sum(step["metrics"]["input_tokens"] for step in metrics.values())
    assert await database.fetchval("select input_tokens from sessions") == total


async def test_a_paused_run_is_cancelled(database: Database):
    counted = Counted()
    workflow = Workflow("W", [counted.step("a"), counted.step("b", requires_confirmation=True)])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        await engine.cancel("p", first.record.id, kind="workflow", component_id="w")
        answer = await outcome_of(engine, first.record)
    assert (answer.output["status"], answer.output["cancellation_stage"]) == ("CANCELLED", "PAUSED")
    assert answer.output["content"] == "a(hi)"
    assert "step_requirements" not in answer.output
    assert answer.names[-2:] == ["WorkflowPaused", "WorkflowCancelled"]


async def test_a_continued_run_is_cancelled(database: Database):
    counted, begun = Counted(), asyncio.Event()

    async def slow(given: StepInput) -> None:
        begun.set()
        await asyncio.Event().wait()

    workflow = Workflow("W", [counted.step("a"), Step("b", run=slow, requires_confirmation=True)])
    async with engine_of(database, workflow) as engine:
        first = await run(engine, workflow, "hi")
        (wanted,) = first.output["step_requirements"]
        await engine.proceed(first.record, [{"step_id": wanted["step_id"], "confirmed": True}])
        await asyncio.wait_for(begun.wait(), 10)
        await engine.cancel("p", first.record.id, kind="workflow", component_id="w")
        answer = await outcome_of(engine, first.record)
        while answer.output["status"] == "PAUSED":
            answer = await outcome_of(engine, first.record)
    assert (answer.output["status"], answer.output["cancellation_stage"]) == ("CANCELLED", "EXECUTING")
    assert answer.output["content"] == "a(hi)"
    assert names_of(answer.output["step_results"]) == ["a"]


async def test_a_run_whose_steps_changed_while_it_was_paused_says_so(database: Database):
    counted = Counted()
    guarded = counted.step("b", requires_confirmation=True)
    before = Workflow("W", [counted.step("a"), guarded])
    async with engine_of(database, before) as engine:
        first = await run(engine, before, "hi")
    after = Workflow("W", [counted.step("new"), counted.step("a"), guarded])
    async with engine_of(database, after) as engine:
        (wanted,) = first.output["step_requirements"]
        last = await go_on(engine, first, [{"step_id": wanted["step_id"], "confirmed": True}])
    assert last.output["status"] == "ERROR"
    assert "The steps of the workflow 'W' changed while the run was under way" in last.output["content"]
    assert counted.done == Counter(a=1)


async def test_steps_added_behind_a_pause_are_done(database: Database):
    counted = Counted()
    guarded = counted.step("b", requires_confirmation=True)
    before = Workflow("W", [counted.step("a"), guarded])
    async with engine_of(database, before) as engine:
        first = await run(engine, before, "hi")
    after = Workflow("W", [counted.step("a"), guarded, counted.step("c")])
    async with engine_of(database, after) as engine:
        (wanted,) = first.output["step_requirements"]
        last = await go_on(engine, first, [{"step_id": wanted["step_id"], "confirmed": True}])
    assert last.output["content"] == "c(b(a(hi)))"
