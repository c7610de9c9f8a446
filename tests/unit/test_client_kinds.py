"""Agents, teams and workflows through the same clients, which differ in paths, fields and classes only."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.client.operations import OPERATIONS
from serai.media import Image
from serai.run.agent import RunOutput, RunSchema
from serai.run.team import StreamedText, TeamRunOutput, TeamRunOutputEvent
from serai.run.workflow import (
    ErrorRequirement,
    RunRequirement,
    StepRequirement,
    WorkflowRunOutput,
    WorkflowRunOutputEvent,
    WorkflowRunSchema,
)
from serai.tools import ToolExecution
from serai.wire.discovery import TeamSummaryResponse, WorkflowResponse
from tests.unit.both_clients import Recorder, connect, events_of, frames, result_of, run_json
from tests.unit.test_client_requests import form_of

BOTH = pytest.mark.parametrize("client_class", [AgentOSClient, SyncAgentOSClient])
KINDS = pytest.mark.parametrize("kind", ["agent", "team", "workflow"])
OUTPUTS: dict[str, Any] = {"agent": RunOutput, "team": TeamRunOutput, "workflow": WorkflowRunOutput}
PREFIXES = {"agent": "Run", "team": "TeamRun", "workflow": "Workflow"}


class Asked:
    """A client whose methods are called for one kind."""

    def __init__(self, client_class: Any, kind: str, *answers: httpx.Response | Exception) -> None:
        self.server = Recorder(*answers)
        self.runs = f"/{kind}s/x/runs"
        self._client = connect(client_class, self.server)
        self._kind = kind

    async def result(self, operation: str, *arguments: Any, **options: Any) -> Any:
        return await result_of(self._method(operation)("x", *arguments, **options))

    async def events(self, operation: str, *arguments: Any, **options: Any) -> list[Any]:
        return await events_of(self._method(operation)("x", *arguments, **options))

    def _method(self, operation: str) -> Any:
        return getattr(self._client, operation.format(self._kind))


def sse(body: bytes) -> httpx.Response:
    return httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})


def names(events: list[Any]) -> list[str]:
    return [event.event for event in events]


@BOTH
async def test_teams_and_workflows_are_discovered(client_class):
    server = Recorder(
        httpx.Response(200, json=[{"id": "t", "mode": "route", "model": {"id": "m"}}]),
        httpx.Response(200, json={"id": "t", "members": [{"id": "a"}, {"id": "u", "members": []}]}),
        httpx.Response(200, json=[{"id": "w", "is_factory": False}]),
        httpx.Response(200, json={"id": "w", "steps": [{"name": "ask", "type": "Step"}]}),
    )
    client = connect(client_class, server)
    assert [team.mode for team in await result_of(client.list_teams())] == ["route"]
    assert [member.id for member in (await result_of(client.aget_team(team_id="t"))).members] == ["a", "u"]
    assert [workflow.id for workflow in await result_of(client.list_workflows())] == ["w"]
    workflow = await result_of(client.aget_workflow("w", 3, {"x-y": "z"}))
    assert workflow.steps == [{"name": "ask", "type": "Step"}]
    assert server.asked == ["GET /teams", "GET /teams/t", "GET /workflows", "GET /workflows/w"]
    assert (server.requests[3].url.query, server.requests[3].headers["x-y"]) == (b"version=3", "z")


@BOTH
@KINDS
async def test_a_run_is_sent_to_the_path_of_its_kind_and_read_as_its_class(client_class, kind):
    asked = Asked(client_class, kind, run_json(**{f"{kind}_id": "x"}))
    run = await asked.result("run_{}", "hello", session_state={"k": 1}, files=None)
    assert isinstance(run, OUTPUTS[kind])
    assert asked.server.asked == [f"POST {asked.runs}"]
    form = form_of(asked.server.requests[0])
    assert form.pop("run_id")
    assert form == {"message": "hello", "stream": "false", "session_state": '{"k": 1}'}


@BOTH
@KINDS
async def test_arguments_may_be_given_in_the_published_order(client_class, kind):
    asked = Asked(client_class, kind, run_json())
    picture = [Image(url="http://x/a.png")]
    await asked.result("run_{}", "hi", "s", "u", picture, None, None, None, {"x-y": "z"}, num_history_runs=3)
    request = asked.server.requests[0]
    form = form_of(request)
    assert (form["session_id"], form["user_id"], form["num_history_runs"]) == ("s", "u", "3")
    assert json.loads(form["images"]) == [{"url": "http://x/a.png"}]
    assert request.headers["x-y"] == "z"
    await asked.result("continue_{}_run", "r-1", [], "s", "u", {"x-y": "z"}, extra=True)
    request = asked.server.requests[1]
    form = form_of(request)
    assert (form["session_id"], form["user_id"], form["extra"], request.headers["x-y"]) == ("s", "u", "true", "z")


@BOTH
@KINDS
async def test_runs_are_read_listed_and_cancelled(client_class, kind):
    row = {"run_id": "r", f"{kind}_id": "x", "created_at": "2026-01-02T03:04:05+00:00", "status": "PAUSED"}
    asked = Asked(client_class, kind, run_json(), httpx.Response(200, json=[row]), httpx.Response(200, json={}))
    assert isinstance(await asked.result("get_{}_run", "r-1", "s"), OUTPUTS[kind])
    [listed] = await asked.result("list_{}_runs", "s", "paused")
    assert isinstance(listed, WorkflowRunSchema if kind == "workflow" else RunSchema)
    assert f"{listed.created_at:%Y}" == "2026"
    assert getattr(listed, f"{kind}_id") == "x"
    assert await asked.result("cancel_{}_run", "r-1") is None
    assert asked.server.asked == [f"GET {asked.runs}/r-1", f"GET {asked.runs}", f"POST {asked.runs}/r-1/cancel"]
    assert asked.server.requests[1].url.query == b"session_id=s&status=PAUSED"


@BOTH
async def test_a_team_is_continued_with_its_requirements(client_class):
    call = {"tool_call_id": "c", "requires_confirmation": True}
    asked = Asked(
        client_class,
        "team",
        run_json("PAUSED", requirements=[{"id": "q", "member_run_id": "m", "tool_execution": call}]),
        run_json(),
    )
    run = await asked.result("run_{}", "delete")
    run.active_requirements[0].confirm()
    await asked.result("continue_{}_run", "r-1", run.requirements, "s")
    form = form_of(asked.server.requests[1])
    assert json.loads(form.pop("requirements")) == [
        {"id": "q", "member_run_id": "m", "confirmation": True, "tool_execution": {**call, "confirmed": True}}
    ]
    assert form == {"stream": "false", "session_id": "s"}


@BOTH
async def test_a_workflow_is_continued_with_the_requirements_of_its_steps(client_class):
    waiting = {"step_id": "s1", "requires_confirmation": True, "on_reject": "skip"}
    asked = Asked(client_class, "workflow", run_json("PAUSED", step_requirements=[waiting]), run_json())
    run = await asked.result("run_{}", "go")
    run.active_step_requirements[0].reject("not today")
    failed = ErrorRequirement(step_id="s2", decision="retry")
    answers = [*run.step_requirements, failed, {"step_id": "s3", "confirmed": True}]
    await asked.result("continue_{}_run", "r-1", answers)
    await asked.result("continue_{}_run", "r-1", step_requirements=run.step_requirements)
    sent = [json.loads(form_of(request)["step_requirements"]) for request in asked.server.requests[1:]]
    rejected = {**waiting, "confirmed": False, "rejection_feedback": "not today"}
    assert sent[0] == [rejected, {"step_id": "s2", "decision": "retry"}, {"step_id": "s3", "confirmed": True}]
    assert rejected.items() <= sent[1][0].items()


@BOTH
async def test_a_call_of_a_team_may_be_answered_alone(client_class):
    asked = Asked(client_class, "team", run_json())
    await asked.result("continue_{}_run", "r-1", tools=[ToolExecution(tool_call_id="c", confirmed=True)])
    form = form_of(asked.server.requests[0])
    assert json.loads(form["tools"])[0]["confirmed"] is True


@BOTH
@KINDS
async def test_a_lost_answer_is_looked_for_under_the_path_of_its_kind(client_class, kind):
    asked = Asked(client_class, kind, httpx.ReadTimeout("silence"), run_json("RUNNING"), run_json("PAUSED"))
    run = await asked.result("run_{}", "go", run_id="r-1")
    assert isinstance(run, OUTPUTS[kind])
    assert run.is_paused
    assert asked.server.asked == [f"POST {asked.runs}", *[f"GET {asked.runs}/r-1"] * 2]


@BOTH
@KINDS
async def test_a_continuation_that_never_arrived_is_sent_again_with_its_key(client_class, kind):
    asked = Asked(client_class, kind, httpx.ReadError("cut"), run_json("PAUSED"), run_json())
    assert (await asked.result("continue_{}_run", "r-1", [])).status == "completed"
    first, _, second = asked.server.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert str(first.url) == str(second.url) == f"http://os.test{asked.runs}/r-1/continue"


CHILD = [
    {"event": "RunStarted", "run_id": "m", "agent_id": "m", "parent_run_id": "r-1"},
    {"event": "RunContent", "run_id": "m", "agent_id": "m", "parent_run_id": "r-1", "content": "x"},
    {"event": "RunPaused", "run_id": "m", "agent_id": "m", "parent_run_id": "r-1"},
    {"event": "RunCompleted", "run_id": "m", "agent_id": "m", "parent_run_id": "r-1"},
]


def log_of(kind: str, end: str = "Completed") -> list[dict[str, Any]]:
    """Return the events of a run with another one inside it."""
    own = {"run_id": "r-1", f"{kind}_id": "x"}
    return [{"event": f"{PREFIXES[kind]}Started", **own}, *CHILD, {"event": f"{PREFIXES[kind]}{end}", **own}]


@BOTH
@KINDS
@pytest.mark.parametrize("cut", [1, 3, 4, 5])
async def test_a_stream_that_breaks_inside_a_child_is_taken_up_there(client_class, kind, cut):
    log = log_of(kind)
    asked = Asked(client_class, kind, sse(frames(*log[:cut])), sse(frames(*log[cut:], first=cut)))
    events = await asked.events("run_{}_stream", "go", run_id="r-1")
    assert names(events) == names_of(log)
    assert asked.server.asked == [f"POST {asked.runs}", f"GET {asked.runs}/r-1/events"]
    assert asked.server.requests[1].headers["last-event-id"] == str(cut - 1)


def names_of(log: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in log]


@BOTH
@KINDS
@pytest.mark.parametrize("end", ["Completed", "Error", "Cancelled", "Paused"])
async def test_a_stream_ends_with_the_run_that_it_is_about(client_class, kind, end):
    asked = Asked(client_class, kind, sse(frames(*log_of(kind, end))))
    assert names(await asked.events("run_{}_stream", "go", run_id="r-1"))[-1] == f"{PREFIXES[kind]}{end}"
    assert len(asked.server.requests) == 1


@BOTH
@KINDS
async def test_a_followed_run_goes_on_after_its_pause(client_class, kind):
    log = log_of(kind, "Paused")
    after = [{"event": f"{PREFIXES[kind]}Completed", "run_id": "r-1"}]
    asked = Asked(client_class, kind, sse(frames(*log)), run_json("RUNNING"), sse(frames(*after, first=len(log))))
    events = await asked.events("follow_{}_run", "r-1", after=-1)
    assert names(events) == [*names_of(log), f"{PREFIXES[kind]}Completed"]
    assert asked.server.asked == [
        f"GET {asked.runs}/r-1/events",
        f"GET {asked.runs}/r-1",
        f"GET {asked.runs}/r-1/events",
    ]


INSIDE_TEAM = {"run_id": "m", "parent_run_id": "r-1"}
IN_STEP = {"run_id": "a", "parent_run_id": "r-1", "workflow_run_id": "r-1"}
IN_STEP_OF_AGNO = {"run_id": "b", "workflow_run_id": "r-1"}
IN_TEAM_IN_STEP = {"run_id": "c", "parent_run_id": "b", "workflow_run_id": "r-1"}


@BOTH
@pytest.mark.parametrize(
    ("kind", "log", "shown"),
    [
        ("team", [("TeamRunContent", {"run_id": "r-1"}), ("CustomEvent", INSIDE_TEAM)], True),
        ("team", [("RunContent", INSIDE_TEAM), ("TeamRunContent", INSIDE_TEAM), ("TeamRunStarted", {})], False),
        ("workflow", [("RunContent", IN_STEP), ("TeamRunContent", IN_STEP_OF_AGNO), ("StepOutput", {})], True),
        ("workflow", [("RunContent", IN_TEAM_IN_STEP), ("StepStarted", {}), ("StepCompleted", {})], False),
    ],
)
async def test_a_stream_of_content_only_stays_one_when_it_is_taken_up(client_class, kind, log, shown):
    first = {"event": "CustomEvent", "run_id": "r-1"}
    rest = [{"event": name, "content": "x", **members} for name, members in log]
    end = {"event": f"{PREFIXES[kind]}Completed", "run_id": "r-1"}
    asked = Asked(client_class, kind, sse(frames(first)), sse(frames(*rest, end, first=1)))
    events = await asked.events("run_{}_stream", "go", run_id="r-1", stream_events=False)
    assert names(events) == names_of([first, *(rest if shown else ()), end])


@BOTH
async def test_a_lost_stream_of_a_continued_workflow_is_asked_for_again_with_its_key(client_class):
    log = log_of("workflow")
    asked = Asked(client_class, "workflow", httpx.ReadError("cut"), run_json("PAUSED"), sse(frames(*log, first=9)))
    assert names(await asked.events("continue_{}_run_stream", "r-1", [])) == names_of(log)
    first, _, second = asked.server.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@BOTH
async def test_the_run_that_agnos_own_server_adds_to_a_pause_is_no_event(client_class):
    pause = frames({"event": "WorkflowPaused", "run_id": "r-1"}, first=None)
    copy = b'event: WorkflowRunOutput\ndata: {"run_id": "r-1", "status": "PAUSED"}\n\n'
    asked = Asked(client_class, "workflow", sse(pause + copy))
    assert names(await asked.events("run_{}_stream", "go", run_id="r-1")) == ["WorkflowPaused"]


@BOTH
async def test_the_text_of_a_teams_stream_is_the_leaders(client_class):
    own = {"event": "TeamRunContent", "run_id": "r-1", "team_id": "x"}
    log = [{**own, "content": "I ask. "}, *CHILD, {**own, "content": "Done."}]
    asked = Asked(client_class, "team", sse(frames(*log, {"event": "TeamRunCompleted", "run_id": "r-1"})))
    text = StreamedText()
    for event in await asked.events("run_{}_stream", "go", run_id="r-1"):
        assert not text.add(event)
    assert str(text) == "I ask. Done."


def test_every_kind_has_the_same_operations():
    by_kind = {
        kind: {name.replace(kind, "{}") for name in OPERATIONS if kind in name}
        for kind in ("agent", "team", "workflow")
    }
    assert by_kind["agent"] == by_kind["team"] == by_kind["workflow"]
    assert len(by_kind["agent"]) == 10


@BOTH
@KINDS
def test_methods_say_what_they_are_about(client_class, kind):
    method = getattr(client_class, f"run_{kind}")
    assert list(inspect.signature(method).parameters)[:3] == ["self", f"{kind}_id", "message"]
    assert inspect.signature(method).return_annotation == OUTPUTS[kind].__name__
    documented = inspect.getdoc(method) or ""
    assert f"    {kind}_id: the {kind}; unknown is status 404.\n" in documented
    assert f"`get_{kind}_run` tells the rest" in documented
    assert "{" not in documented
    assert all(f"    {name}: " in documented for name in list(inspect.signature(method).parameters)[1:])
    other = "team" if kind == "agent" else "agent"
    with pytest.raises(TypeError, match=f"{other}_id|{kind}_id"):
        getattr(connect(SyncAgentOSClient, Recorder(run_json())), f"run_{kind}")(**{f"{other}_id": "x"})


async def check_types(client: AgentOSClient, blocking: SyncAgentOSClient) -> None:
    """Say what a type checker makes of the methods; nothing calls this."""
    assert_type(await client.run_team(team_id="t", message="m"), TeamRunOutput)
    assert_type(await client.continue_workflow_run("w", "r", [StepRequirement()]), WorkflowRunOutput)
    assert_type(blocking.continue_team_run("t", "r", requirements=[RunRequirement()]), TeamRunOutput)
    assert_type(blocking.list_teams(), list[TeamSummaryResponse])
    assert_type(blocking.get_workflow("w", version=1), WorkflowResponse)
    assert_type(blocking.list_workflow_runs("w", "s"), list[WorkflowRunSchema])
    assert_type(client.run_workflow_stream("w", "m"), AsyncGenerator[WorkflowRunOutputEvent, None])
    assert_type(blocking.follow_team_run("t", "r"), Generator[TeamRunOutputEvent, None, None])
    client.run_team(agent_id="t", message="m")  # type: ignore[call-arg, unused-coroutine]
