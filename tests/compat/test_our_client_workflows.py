"""Our clients, asynchronous and blocking, with workflows: against Serai and agno's own server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.run.workflow import (
    RunOutput,
    StepCompletedEvent,
    StepOutput,
    StreamedText,
    WorkflowCancelledEvent,
    WorkflowCompletedEvent,
    WorkflowErrorEvent,
    WorkflowPausedEvent,
    WorkflowRunOutput,
)
from tests.compat.clients.checklist import Target
from tests.compat.kind_caller import Answer, Caller, names
from tests.compat.test_our_client import BOTH, SERVERS, server
from tests.unit.both_clients import result_of

__all__ = ["server"]


@pytest.fixture
async def workflows(kind: Any, server: Target) -> Any:
    client = kind(server.base_url)
    yield Caller(client, "workflow")
    await result_of(client.close())


@BOTH
@SERVERS
async def test_workflows_are_discovered(workflows: Caller) -> None:
    config = await result_of(workflows.client.aget_config())
    assert {"seq-workflow", "review-workflow"} <= {workflow.id for workflow in config.workflows}
    assert "seq-workflow" in {workflow.id for workflow in await result_of(workflows.client.list_workflows())}
    workflow = await result_of(workflows.client.aget_workflow(workflow_id="seq-workflow"))
    assert [step["name"] for step in workflow.steps] == ["ask", "shout"]


@BOTH
@SERVERS
async def test_a_workflow_answers_with_its_steps(workflows: Caller) -> None:
    session = str(uuid4())
    run = await workflows.run("seq-workflow", "tea", session_id=session)
    assert isinstance(run, WorkflowRunOutput)
    assert (run.status, run.content, run.input) == ("completed", "ECHO: TEA", "tea")
    assert [(type(one), one.step_name, one.content) for one in run.step_results or ()] == [
        (StepOutput, "ask", "Echo: tea"),
        (StepOutput, "shout", "ECHO: TEA"),
    ]
    [inner] = run.step_executor_runs or []
    assert (type(inner), inner.agent_id, inner.parent_run_id) == (RunOutput, "echo-agent", run.run_id)
    assert run.metrics is not None
    assert list(run.metrics.steps or {}) == ["ask"]
    assert (await workflows.read("seq-workflow", run)).content == "ECHO: TEA"
    rows = await result_of(workflows.client.list_workflow_runs("seq-workflow", session))
    assert [(row.run_id, row.workflow_id, row.run_input) for row in rows] == [(run.run_id, "seq-workflow", "tea")]


@BOTH
@SERVERS
async def test_a_streamed_workflow_has_its_agents_events_between_its_steps(workflows: Caller) -> None:
    events = await workflows.stream("seq-workflow", "tea")
    assert isinstance(events[-1], WorkflowCompletedEvent)
    assert [type(one) for one in events[-1].step_results or ()] == [StepOutput, StepOutput]
    said = StreamedText(next(event.run_id for event in events if event.event == "RunStarted"))
    for event in events:
        said.add(event)
    assert str(said) == "Echo: tea"
    done = [event for event in events if isinstance(event, StepCompletedEvent)]
    assert [(event.step_name, event.content) for event in done] == [("ask", "Echo: tea"), ("shout", "ECHO: TEA")]
    assert done[0].step_response is not None
    assert [event.content for event in events if event.event == "StepOutput"] == ["ECHO: TEA"]
    assert {event.run_id for event in events if not hasattr(event, "agent_id")} == {events[0].run_id}


@BOTH
@SERVERS
@pytest.mark.parametrize(
    ("workflow", "message", "event", "members"),
    [
        ("steps-workflow", "tea", "StepsExecutionCompleted", {"executed_steps": 2}),
        ("parallel-workflow", "tea", "ParallelExecutionCompleted", {"parallel_step_count": 2}),
        ("condition-workflow", "urgent tea", "ConditionExecutionCompleted", {"branch": "if", "condition_result": True}),
        ("loop-workflow", "tea", "LoopExecutionCompleted", {"total_iterations": 2, "max_iterations": 3}),
        ("router-workflow", "right", "RouterExecutionCompleted", {"selected_steps": ["right"]}),
    ],
)
async def test_constructs_are_read(
    workflows: Caller, workflow: str, message: str, event: str, members: dict[str, Any]
) -> None:
    events = await workflows.stream(workflow, message)
    [end] = [one for one in events if one.event == event]
    assert {name: getattr(end, name) for name in members} == members
    run = await workflows.run(workflow, message)
    assert {type(one) for result in run.step_results or () for one in result.steps or ()} == {StepOutput}


@BOTH
@SERVERS
async def test_a_workflow_in_a_workflow_is_read_as_one(workflows: Caller) -> None:
    run = await workflows.run("nested-workflow", "tea")
    inner = [one for one in run.step_executor_runs or () if isinstance(one, WorkflowRunOutput)]
    assert [one.workflow_id for one in inner] == ["inner-workflow"]
    events = await workflows.stream("nested-workflow", "tea")
    assert names(events).count("WorkflowCompleted") == 2
    assert isinstance(events[-1], WorkflowCompletedEvent)
    assert events[-1].run_id == events[0].run_id


@BOTH
@SERVERS
async def test_a_step_waits_for_a_yes(workflows: Caller) -> None:
    for is_yes, content in ((True, "finished: NOTED TEA"), (False, "finished: noted tea")):
        run = await workflows.run("review-workflow", "tea")
        assert (run.is_paused, run.paused_step_name) == (True, "guarded")
        [step] = run.active_step_requirements
        assert (step.needs, step.confirmation_message, step.on_reject) == ("confirmation", "Go on?", "skip")
        step.confirm() if is_yes else step.reject("not today")
        done = await workflows.proceed("review-workflow", run, run.step_requirements)
        assert (done.status, done.content, done.run_id) == ("completed", content, run.run_id)


@BOTH
@SERVERS
async def test_a_streamed_workflow_takes_every_kind_of_answer(workflows: Caller) -> None:
    answers: list[tuple[str, Answer, str]] = [
        ("review-workflow", lambda step: step.confirm(), "finished: NOTED TEA"),
        ("input-workflow", lambda step: step.set_user_input(size=3, colour="red"), "finished: ordered 3 of red"),
        ("choice-workflow", lambda step: step.select("left"), "finished: TEA"),
        ("output-review-workflow", lambda step: step.edit("better"), "finished: better"),
    ]
    for workflow, answer, content in answers:
        [*_, pause] = await workflows.stream(workflow, "tea")
        assert isinstance(pause, WorkflowPausedEvent)
        [step] = pause.active_step_requirements
        answer(step)
        assert pause.active_step_requirements == []
        events = await workflows.proceed_streamed(workflow, pause, pause.step_requirements)
        assert (names(events)[-1], events[-1].content, events[-1].run_id) == (
            "WorkflowCompleted",
            content,
            pause.run_id,
        )


@BOTH
@SERVERS
async def test_a_steps_agent_waits_for_an_answer(workflows: Caller) -> None:
    answers: list[tuple[str, Answer, str]] = [
        ("delete", lambda one: one.confirm(), "deleted /tmp/x"),
        ("command", lambda one: one.set_external_execution_result("a.txt"), "a.txt"),
        ("mail", lambda one: one.provide_user_input({"to": "Ada"}), "sent Hello to Ada"),
    ]
    for message, answer, said in answers:
        run = await workflows.run("executor-pause-workflow", message)
        [step] = run.active_step_requirements
        assert (step.needs, step.executor_name, run.pause_kind) == ("executor", "asker", "executor")
        [requirement] = step.active_executor_requirements
        answer(requirement)
        done = await workflows.proceed("executor-pause-workflow", run, run.step_requirements)
        assert str(done.content).startswith("finished: ")
        assert str(done.content).endswith(f"Report: {said}")


@BOTH
@SERVERS
async def test_a_wrong_answer_to_a_step_is_refused_by_name(workflows: Caller) -> None:
    run = await workflows.run("input-workflow", "tea")
    run.active_step_requirements[0].set_user_input(size="big")
    with pytest.raises(httpx.HTTPStatusError, match="size") as caught:
        await workflows.proceed("input-workflow", run, run.step_requirements)
    assert caught.value.response.status_code == 400
    done = await workflows.run("seq-workflow", "tea")
    with pytest.raises(httpx.HTTPStatusError) as caught:
        await workflows.proceed("seq-workflow", done, [])
    assert caught.value.response.status_code == 409


@BOTH
@SERVERS
async def test_a_failing_step_fails_the_workflow(workflows: Caller) -> None:
    [*_, error] = await workflows.stream("error-workflow", "tea")
    assert isinstance(error, WorkflowErrorEvent)
    assert "step exploded" in str(error.error)


@BOTH
@SERVERS
async def test_a_streamed_workflow_is_cancelled_in_its_step(workflows: Caller) -> None:
    events = await workflows.stream_until(
        "slow-workflow",
        "talk",
        lambda event: event.event == "RunContent",
        lambda first: workflows.cancel("slow-workflow", first),
    )
    [end] = [event for event in events if isinstance(event, WorkflowCancelledEvent)]
    assert end.run_id == events[0].run_id
    assert (await workflows.read("slow-workflow", end)).is_cancelled


@BOTH
@SERVERS
async def test_what_is_refused_of_workflows(workflows: Caller) -> None:
    nobody = WorkflowRunOutput(run_id="nobody", session_id="s")
    for status, call in (
        (404, workflows.run("no-such-workflow", "hi")),
        (404, workflows.stream("no-such-workflow", "hi")),
        (422, workflows.run("seq-workflow", "")),
        (404, workflows.read("seq-workflow", nobody)),
        (404, workflows.proceed("review-workflow", nobody, [])),
    ):
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await call
        assert caught.value.response.status_code == status
