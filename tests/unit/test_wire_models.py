"""What is read from a server: lenient with what it does not know, exact with what it does."""

from __future__ import annotations

import base64
import json

import pytest

from serai.run import agent, team, workflow
from serai.wire.discovery import AgentResponse, ConfigResponse, TeamResponse
from serai.wire.events import CustomEvent, RunToolCallEvent, UnknownEvent, event_classes, parse_event
from serai.wire.media import File, Image
from serai.wire.runs import RunOutput, TeamRunOutput
from serai.wire.status import RunStatus
from serai.wire.tools import ToolExecution
from serai.wire.workflow_runs import WorkflowRunOutput

AGENT_EVENTS = [
    "RunStarted",
    "RunContent",
    "RunIntermediateContent",
    "RunContentCompleted",
    "RunCompleted",
    "RunError",
    "RunCancelled",
    "RunPaused",
    "RunContinued",
    "ToolCallStarted",
    "ToolCallCompleted",
    "ToolCallError",
    "ModelRequestStarted",
    "ModelRequestCompleted",
    "ReasoningStarted",
    "ReasoningStep",
    "ReasoningContentDelta",
    "ReasoningCompleted",
    "MemoryUpdateStarted",
    "MemoryUpdateCompleted",
    "SessionSummaryStarted",
    "SessionSummaryCompleted",
    "PreHookStarted",
    "PreHookCompleted",
    "PostHookStarted",
    "PostHookCompleted",
    "ParserModelResponseStarted",
    "ParserModelResponseCompleted",
    "OutputModelResponseStarted",
    "OutputModelResponseCompleted",
    "CompressionStarted",
    "CompressionCompleted",
    "CompactionStarted",
    "CompactionCompleted",
    "FollowupsStarted",
    "FollowupsCompleted",
]


@pytest.mark.parametrize("name", AGENT_EVENTS)
def test_every_agent_event_has_a_class_of_its_name(name):
    event = parse_event({"event": name, "run_id": "r", "agent_id": "a", "created_at": 1, "novelty": True})
    expected = "IntermediateRunContentEvent" if name == "RunIntermediateContent" else f"{name}Event"
    assert type(event).__name__ == expected
    assert type(event) is getattr(agent, expected)
    assert isinstance(event, agent.BaseAgentRunEvent)


@pytest.mark.parametrize("name", [name for name in AGENT_EVENTS if not name.startswith("Compaction")])
def test_every_team_event_is_its_own_class_and_no_agent_event(name):
    event = parse_event({"event": f"Team{name}", "team_id": "t"})
    assert isinstance(event, team.BaseTeamRunEvent)
    assert not issubclass(type(event), agent.BaseAgentRunEvent)


def test_workflow_events_have_classes():
    event = parse_event({"event": "StepStarted", "workflow_id": "w", "step_name": "s", "step_index": [0, 1]})
    assert isinstance(event, workflow.StepStartedEvent)
    assert event.step_index == [0, 1]
    assert len(event_classes()) >= 36 + 34 + 30


def test_both_documented_content_events_are_found_and_differ():
    assert isinstance(parse_event({"event": "RunContent", "content": "x"}), agent.RunContentEvent)
    assert isinstance(parse_event({"event": "TeamRunContent", "content": "x"}), team.RunContentEvent)


@pytest.mark.parametrize("name", ["ToolCallStarted", "ToolCallCompleted", "ToolCallError", "TeamToolCallStarted"])
def test_tool_call_events_share_a_base(name):
    event = parse_event({"event": name, "tool": {"tool_call_id": "c", "tool_args": {"x": 1}}})
    assert isinstance(event, RunToolCallEvent)
    assert event.tool is not None
    assert event.tool.tool_args == {"x": 1}


def test_a_custom_event_keeps_every_member():
    event = parse_event({"event": "CustomEvent", "name": "step_restarted", "drop_from": 4})
    assert isinstance(event, CustomEvent)
    assert (event.name, event.drop_from) == ("step_restarted", 4)


@pytest.mark.parametrize(
    "data",
    [{"event": "NotYetInvented", "x": 1}, {"event": "RunContent", "created_at": "soon"}, {"event": None}, {"cls": 1}],
)
def test_an_event_that_fits_no_class_is_generic_and_complete(data):
    event = parse_event(data)
    assert isinstance(event, UnknownEvent)
    assert {**data, "event": data.get("event") or ""}.items() <= event.model_dump().items()


def test_a_status_compares_equal_in_either_case():
    run = RunOutput.model_validate({"status": "PAUSED"})
    assert run.status == "PAUSED"
    assert run.status == "paused"
    assert run.status == RunStatus.PAUSED
    assert run.status != "COMPLETED"
    assert str(run.status) == "PAUSED"
    assert run.is_paused
    assert RunOutput.model_validate({"status": "paused"}).status is RunStatus.PAUSED


def test_an_unknown_status_stays_a_string_and_counts_as_an_end():
    run = RunOutput.model_validate({"status": "SIDEWAYS"})
    assert run.status == "SIDEWAYS"
    assert run.is_terminal


def test_a_run_is_read_with_its_nested_objects():
    run = RunOutput.model_validate(
        {
            "run_id": "r",
            "input": "as agno 2.5 sends it",
            "content": {"a": 1},
            "metrics": {"total_tokens": 10, "details": {"model": []}},
            "messages": [{"role": "user", "content": "hi"}, {"content": ["no role"]}],
            "tools": [{"tool_call_id": "c", "requires_confirmation": True, "shiny": 1}],
            "events": [{"event": "RunStarted"}, {"event": "Odd"}],
            "status": "COMPLETED",
            "model_provider_data": {},
            "something_new": [],
        }
    )
    assert run.input is not None
    assert run.input.input_content == "as agno 2.5 sends it"
    assert run.metrics is not None
    assert run.metrics.total_tokens == 10
    assert run.metrics.input_tokens == 0
    assert run.tools is not None
    assert run.tools[0].is_paused
    assert run.tools[0].to_dict()["shiny"] == 1
    assert [type(event) for event in run.events or []] == [agent.RunStartedEvent, UnknownEvent]


def test_member_and_executor_runs_are_of_their_own_classes():
    members = TeamRunOutput.model_validate({"member_responses": [{"agent_id": "a"}, {"team_id": "t"}]}).member_responses
    assert [type(member) for member in members] == [RunOutput, TeamRunOutput]
    runs = [{"team_id": "t"}, {"agent_id": "a"}, {"workflow_name": "w", "parent_run_id": "p"}]
    read = WorkflowRunOutput.model_validate({"step_executor_runs": runs}).step_executor_runs or []
    assert [type(run) for run in read] == [TeamRunOutput, RunOutput, WorkflowRunOutput]


def test_a_configuration_of_any_generation_is_read():
    config = ConfigResponse.model_validate(
        {"os_id": "x", "databases": None, "available_models": ["gpt"], "agents": [{"id": "a", "model": {"id": None}}]}
    )
    assert config.databases == []
    assert config.teams == []
    assert [agent.id for agent in config.agents] == ["a"]
    assert ConfigResponse.model_validate({"available_models": [{"id": "m"}]}).available_models[0].id == "m"  # type: ignore[union-attr]


def test_tools_of_an_agent_may_be_an_object_or_a_list():
    assert AgentResponse.model_validate({"tools": {"tools": []}}).tools == {"tools": []}
    assert AgentResponse.model_validate({"tools": [{"name": "t"}]}).tools == [{"name": "t"}]


def test_members_of_a_team_are_told_apart():
    members = TeamResponse.model_validate(
        {"members": [{"id": "a", "name": "A"}, {"id": "t", "mode": "route", "members": []}]}
    ).members
    assert [type(member) for member in members or []] == [AgentResponse, TeamResponse]


def test_media_are_base64_on_the_wire_and_bytes_in_python():
    image = Image(content=b"\x89PNG", mime_type="image/png")
    sent = image.to_dict()
    assert sent == {"content": base64.b64encode(b"\x89PNG").decode(), "mime_type": "image/png"}
    assert Image.model_validate_json(json.dumps(sent)).content == b"\x89PNG"


def test_a_text_file_that_came_unencoded_is_kept():
    assert File.model_validate({"content": "plain text, äöü"}).content == "plain text, äöü".encode()


def test_the_documented_tool_result_can_be_built():
    tool = ToolExecution(tool_call_id="call-1", result="Tool result here")
    assert tool.to_dict() == {"tool_call_id": "call-1", "result": "Tool result here"}


def test_every_event_has_a_constant_of_its_name():
    assert {*agent.RunEvent, *team.TeamRunEvent, *workflow.WorkflowRunEvent} == set(event_classes())
    assert parse_event({"event": "TeamRunContent"}).event == team.TeamRunEvent.run_content
