"""What is read of teams' and workflows' runs, and how the requirements of steps are answered."""

from __future__ import annotations

from typing import Any

import pytest

from serai.run import team, workflow
from serai.run.agent import RunContentEvent, StepRestartedEvent
from serai.run.team import StreamedText
from serai.run.workflow import (
    ErrorRequirement,
    RunOutput,
    RunRequirement,
    StepOutput,
    StepRequirement,
    TeamRunOutput,
    WorkflowMetrics,
    WorkflowRunOutput,
    WorkflowRunSchema,
)
from serai.wire.events import parse_event
from serai.wire.runs import RunSchema

WORKFLOW_EVENTS: dict[str, dict[str, Any]] = {
    "WorkflowStarted": {},
    "WorkflowAgentStarted": {},
    "WorkflowAgentCompleted": {"content": "x"},
    "WorkflowCompleted": {"step_results": [{"step_name": "a"}], "metrics": {"steps": {}}},
    "WorkflowPaused": {"step_requirements": [{"step_id": "s"}], "paused_step_index": 1, "pause_kind": "step"},
    "WorkflowError": {"error": "boom", "error_type": "t", "additional_data": {}},
    "WorkflowCancelled": {"reason": "r"},
    "StepStarted": {"step_index": [0, 1], "parent_step_id": "p"},
    "StepCompleted": {"step_response": {"content": "x"}, "content_type": "str"},
    "StepOutput": {"step_output": {"content": "x"}},
    "StepProgress": {"attempt": 1, "data": {"k": 1}},
    "StepError": {"error": "boom"},
    "StepPaused": {"requires_user_input": True, "user_input_schema": [{"name": "n", "field_type": "str"}]},
    "StepContinued": {},
    "StepExecutorPaused": {"executor_type": "agent", "executor_requirements": [{"id": "r"}]},
    "StepExecutorContinued": {"executor_name": "e"},
    "StepOutputReview": {"output_review_message": "ok?", "requires_output_review": True},
    "StepsExecutionStarted": {"steps_count": 2},
    "StepsExecutionCompleted": {"executed_steps": 2, "step_results": [{}]},
    "ParallelExecutionStarted": {"parallel_step_count": 2},
    "ParallelExecutionCompleted": {"parallel_step_count": 2, "step_results": [{}, {}]},
    "ConditionExecutionStarted": {"condition_result": True},
    "ConditionExecutionCompleted": {"executed_steps": 1, "branch": "if", "step_results": [{}]},
    "LoopExecutionStarted": {"max_iterations": 3},
    "LoopExecutionCompleted": {"total_iterations": 2, "all_results": [[{"content": "1"}], [{"content": "2"}]]},
    "LoopIterationStarted": {"iteration": 1, "max_iterations": 3},
    "LoopIterationCompleted": {"iteration": 1, "should_continue": False, "iteration_results": [{}]},
    "RouterExecutionStarted": {"selected_steps": ["left"]},
    "RouterExecutionCompleted": {"selected_steps": ["left"], "executed_steps": 1, "step_results": [{}]},
    "RouterPaused": {"available_choices": ["left"], "allow_multiple_selections": False},
}


@pytest.mark.parametrize("name", WORKFLOW_EVENTS)
def test_every_workflow_event_has_a_class_with_its_members(name):
    members = {"workflow_id": "w", "workflow_name": "W", "run_id": "r", "nested_depth": 1, **WORKFLOW_EVENTS[name]}
    event = parse_event({"event": name, "created_at": 1, **members})
    assert type(event) is getattr(workflow, f"{name}Event")
    assert isinstance(event, workflow.BaseWorkflowRunEvent)
    assert set(members) <= set(type(event).model_fields)
    assert event.model_dump(include=set(WORKFLOW_EVENTS[name])).keys() == WORKFLOW_EVENTS[name].keys()


def test_what_is_nested_in_workflow_events_is_typed():
    paused = parse_event(
        {
            "event": "WorkflowPaused",
            "step_requirements": [{"step_id": "s", "requires_executor_input": True, "executor_requirements": [{}]}],
            "step_results": [{"content": "x"}],
            "step_executor_runs": [{"agent_id": "a"}, {"team_id": "t"}],
        }
    )
    assert isinstance(paused, workflow.WorkflowPausedEvent)
    [requirement] = paused.step_requirements or []
    assert isinstance(requirement, StepRequirement)
    assert isinstance((requirement.executor_requirements or [])[0], RunRequirement)
    assert [type(one) for one in paused.step_results or []] == [StepOutput]
    assert [type(one) for one in paused.step_executor_runs or []] == [RunOutput, TeamRunOutput]
    loop = parse_event({"event": "LoopExecutionCompleted", "all_results": [[{"content": "1"}], {"content": "2"}]})
    assert isinstance(loop, workflow.LoopExecutionCompletedEvent)
    assert [[one.content for one in results] for results in loop.all_results or []] == [["1"], ["2"]]


def test_the_event_of_a_function_steps_output_has_its_content():
    event = parse_event({"event": "StepOutput", "step_output": {"content": {"k": 1}}})
    assert event.content == {"k": 1}


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("TeamTaskIterationCompleted", {"iteration": 1, "max_iterations": 2, "task_summary": "s"}),
        ("TeamTaskCreated", {"task_id": "t", "title": "T", "assignee": "a", "dependencies": ["d"]}),
        ("TeamTaskUpdated", {"task_id": "t", "status": "completed", "previous_status": "pending", "result": "r"}),
        ("TeamTaskStateUpdated", {"goal_complete": True, "tasks": [{"id": "t"}], "completion_summary": "s"}),
        ("TeamRunCompleted", {"content": "x", "member_responses": [{"agent_id": "a"}]}),
        ("TeamRunPaused", {"requirements": [{"id": "r", "member_run_id": "m"}], "tools": [{"tool_call_id": "c"}]}),
        ("TeamToolCallCompleted", {"tool": {"child_run_id": "m"}, "content": "done"}),
    ],
)
def test_team_events_have_their_members(name, members):
    event = parse_event({"event": name, "team_id": "t", "run_id": "r", **members})
    assert isinstance(event, team.BaseTeamRunEvent)
    assert set(members) <= set(type(event).model_fields)


def test_a_workflows_run_is_read_with_its_nested_objects():
    run = WorkflowRunOutput.model_validate(
        {
            "run_id": "r",
            "input": {"topic": "tea"},
            "status": "PAUSED",
            "step_results": [{"step_name": "both", "steps": [{"content": "left"}]}, [{"content": "a round"}]],
            "metrics": {"steps": {"ask": {"step_name": "ask", "metrics": {"total_tokens": 10}}}, "duration": 0.1},
            "step_requirements": [{"step_id": "s", "requires_confirmation": True}, {"step_id": "t"}],
            "error_requirements": [{"step_id": "e", "error_message": "not yet"}],
            "workflow_agent_run": {"agent_id": "a"},
        }
    )
    assert isinstance(run.metrics, WorkflowMetrics)
    assert [one.content for one in run.step_results or ()] == [None, "a round"]
    assert [one.step_id for one in run.active_step_requirements] == ["s"]
    [failed] = run.active_error_requirements
    assert isinstance(failed, ErrorRequirement)
    failed.retry()
    assert (failed.decision, run.active_error_requirements) == ("retry", [])
    assert (run.is_paused, run.is_cancelled, run.is_terminal) == (True, False, True)
    assert isinstance(run.workflow_agent_run, RunOutput)


def test_a_row_of_a_list_says_whose_run_it_is():
    rows = [RunSchema.model_validate({"run_id": "r", name: "x"}) for name in ("agent_id", "team_id")]
    assert [(row.agent_id, row.team_id) for row in rows] == [("x", None), (None, "x")]
    data = {"workflow_id": "w", "run_input": "tea", "created_at": "2026-01-02T03:04:05+00:00", "step_results": [{}]}
    row = WorkflowRunSchema.model_validate({**data, "metrics": {"steps": {"ask": {"metrics": {"total_tokens": 3}}}}})
    assert (row.workflow_id, row.run_input, f"{row.created_at:%Y}") == ("w", "tea", "2026")
    assert row.metrics is not None
    assert [step.metrics and step.metrics.total_tokens for step in (row.metrics.steps or {}).values()] == [3]


def required(**members: Any) -> StepRequirement:
    return StepRequirement.model_validate({"step_id": "s", "step_name": "order", **members})


def test_a_step_is_confirmed_or_rejected_once():
    step = required(requires_confirmation=True, on_reject="skip", shiny=1)
    assert (step.needs, step.needs_confirmation, step.is_resolved) == ("confirmation", True, False)
    step.reject("not today")
    assert step.to_dict() == {
        "step_id": "s",
        "step_name": "order",
        "requires_confirmation": True,
        "on_reject": "skip",
        "confirmed": False,
        "rejection_feedback": "not today",
        "shiny": 1,
    }
    with pytest.raises(ValueError, match="The step order waits for nothing, not for confirmation"):
        step.confirm()


def test_what_a_step_answered_may_be_edited():
    step = required(requires_confirmation=True, requires_output_review=True, step_output={"content": "good"})
    assert (step.needs, step.needs_output_review, step.needs_confirmation) == ("output_review", True, False)
    step.edit("better")
    assert (step.confirmed, step.edited_output, step.is_resolved) == (True, "better", True)
    with pytest.raises(ValueError, match="waits for confirmation, not for output_review"):
        required(requires_confirmation=True).edit("x")


def test_values_are_given_by_the_names_of_their_fields():
    fields = [
        {"name": "size", "field_type": "int"},
        {"name": "colour", "field_type": "str", "required": False, "allowed_values": ["red", "blue"]},
    ]
    step = required(requires_user_input=True, user_input_schema=fields)
    assert (step.needs, [field.name for field in step.missing_fields]) == ("user_input", ["size"])
    with pytest.raises(ValueError, match="has no field 'sise'; it has: size, colour"):
        step.set_user_input(sise=3)
    with pytest.raises(ValueError, match="colour: 'green' is not allowed; one of these is: red, blue"):
        step.set_user_input(size=3, colour="green")
    assert "user_input" not in step.to_dict()
    step.set_user_input(colour="red")
    assert step.needs_user_input
    step.set_user_input(size=3)
    assert step.is_resolved
    assert step.user_input == {"colour": "red", "size": 3}
    assert [field.value for field in step.user_input_schema or ()] == [3, "red"]
    free = required(requires_user_input=True)
    free.set_user_input(anything="goes")
    assert (free.user_input, free.needs) == ({"anything": "goes"}, None)


def test_steps_of_a_router_are_selected_by_name():
    step = required(requires_route_selection=True, available_choices=["left", "right"])
    assert step.needs_route_selection
    with pytest.raises(ValueError, match="has no choice 'up'; it has: left, right"):
        step.select("up")
    with pytest.raises(ValueError, match="takes one choice of: left, right"):
        step.select("left", "right")
    step.select("left")
    assert (step.selected_choices, step.needs) == (["left"], None)
    several = required(
        requires_route_selection=True, available_choices=["left", "right"], allow_multiple_selections=True
    )
    several.select("left", "right")
    assert several.is_resolved


def test_what_a_steps_agent_waits_for_is_answered_by_its_requirements():
    call = {"tool_call_id": "c", "requires_confirmation": True}
    step = required(requires_executor_input=True, executor_requirements=[{"id": "r", "tool_execution": call}])
    assert step.needs_executor_resolution
    [pending] = step.active_executor_requirements
    pending.confirm()
    assert step.is_resolved
    assert step.to_dict()["executor_requirements"][0]["tool_execution"]["confirmed"] is True


TEAM: dict[str, Any] = {"run_id": "t", "team_id": "t"}
MEMBER: dict[str, Any] = {"run_id": "m", "agent_id": "m", "parent_run_id": "t"}
RESTARTED: dict[str, Any] = {"event": "CustomEvent", "name": "step_restarted"}


def texts_of(*events: dict[str, Any]) -> tuple[str, str, list[int]]:
    """Return the team's and the member's text, and which events made the team's text void."""
    whole, members, voiding = StreamedText(), StreamedText("m"), []
    for index, data in enumerate(events):
        event = parse_event({"event_index": index, **data})
        members.add(event)
        if whole.add(event):
            voiding.append(index)
    return str(whole), str(members), voiding


def test_the_text_of_a_team_is_the_teams_own():
    assert texts_of(
        {"event": "TeamRunStarted", **TEAM},
        {"event": "TeamRunContent", **TEAM, "content": "I ask. "},
        {"event": "RunContent", **MEMBER, "content": "Found."},
        {"event": "TeamRunContent", **TEAM, "content": "It is so."},
    ) == ("I ask. It is so.", "Found.", [])


def test_a_restarted_step_of_a_member_leaves_the_teams_text_alone():
    whole, members, voiding = texts_of(
        {"event": "TeamRunContent", **TEAM, "content": "I ask. "},
        {"event": "RunContent", **MEMBER, "content": "Fou"},
        {"event": "TeamRunContent", **TEAM, "content": "And wait. "},
        {**RESTARTED, **MEMBER, "from_index": 1},
        {"event": "RunContent", **MEMBER, "content": "Found."},
    )
    assert (whole, members, voiding) == ("I ask. And wait. ", "Found.", [])


def test_a_restarted_step_of_a_team_leaves_its_members_text_alone():
    whole, members, voiding = texts_of(
        {"event": "TeamRunContent", **TEAM, "content": "I as"},
        {"event": "RunContent", **MEMBER, "content": "Found."},
        {**RESTARTED, **TEAM, "from_index": 0},
        {"event": "TeamRunContent", **TEAM, "content": "I ask."},
    )
    assert (whole, members, voiding) == ("I ask.", "Found.", [2])


def test_a_continued_team_is_known_though_its_member_speaks_first():
    whole, _, _ = texts_of(
        {"event": "RunContinued", **MEMBER},
        {"event": "RunContent", **MEMBER, "content": "Found."},
        {"event": "TeamRunContinued", **TEAM},
        {"event": "TeamRunContent", **TEAM, "content": "So."},
    )
    assert whole == "So."


def test_the_classes_of_a_restart_and_of_content_are_shared_by_the_kinds():
    assert isinstance(parse_event({**RESTARTED, "from_index": 1}), StepRestartedEvent)
    assert workflow.StreamedText is team.StreamedText
    assert not issubclass(team.RunContentEvent, RunContentEvent)
