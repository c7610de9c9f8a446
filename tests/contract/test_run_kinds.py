"""Routes of runs of teams and workflows over HTTP: like those of agents but for names, forms and shapes.

What runs is as small as can be: the routes need no more of a component than the engine does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai.components.media import shown_items
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json
from serai.domain.run_state import EVENT_PREFIXES, RunStatus
from serai.domain.runs import Outcome, RunRecord
from serai.engine.active_run import ActiveRun, RestingRun
from serai.errors import RequestError
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import ScriptedModel
from tests.hosting import DescribedTeam, DescribedWorkflow, serving

TEAM, WORKFLOW = "/teams/pair/runs", "/workflows/line/runs"
BOTH = pytest.mark.parametrize(
    ("runs", "prefix"), [(TEAM, "TeamRun"), (WORKFLOW, "Workflow")], ids=["team", "workflow"]
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


class Runnable:
    """Makes a described component one that runs: it talks through a run inside its own, and may ask twice."""

    id: str
    kind: str
    max_concurrency = None

    def begin(self, run: ActiveRun) -> SmallRun:
        return SmallRun(run)

    def take_answers(self, output: dict[str, Any], answers: Sequence[dict[str, Any]]) -> bool:
        key, id_name, answer_id = ("requirements", "id", "requirement_id")
        if self.kind == "workflow":
            key, id_name, answer_id = ("step_requirements", "step_id", "step_id")
        asked = {wanted[id_name]: wanted for wanted in output[key]}
        for answer in answers:
            if answer[answer_id] not in asked:
                raise RequestError(f"{key}: nothing waits for {answer[answer_id]!r}.")
            asked[answer[answer_id]]["confirmed"] = answer["confirmed"]
        return all(wanted["confirmed"] is not None for wanted in output[key])

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        return outcome(run.record, RunStatus.CANCELLED, None)


class SmallTeam(Runnable, DescribedTeam):
    """A team of one member."""


class SmallWorkflow(Runnable, DescribedWorkflow):
    """A workflow of one step."""


class SmallRun:
    """Says the message back: by its member or step, and by itself."""

    def __init__(self, run: ActiveRun) -> None:
        self.run = run
        self.given = load_run_input(run.record.input)

    async def execute(self) -> Outcome:
        record, message = self.run.record, self.given.message
        self.say("Continued" if self.run.paused else "Started")
        if "pause" in message and self.run.paused is None:
            return outcome(record, RunStatus.PAUSED, None)
        child = await self.run.begin_child("part", kind="agent", component_id="helper", given=record.input)
        speaker = {"run_id": child.record.id, "parent_run_id": record.id}
        if record.kind == "workflow":
            speaker["workflow_run_id"] = record.id
        self.emit("RunContent", {**speaker, "content": f"part: {message}"})
        self.emit("RunContent", {**speaker, "run_id": "x", "parent_run_id": "a team", "content": "a member"})
        self.emit("TeamRunCompleted", {**speaker, "run_id": "x", "content": "a team inside"})
        end = outcome(child.record, RunStatus.COMPLETED, f"part: {message}")
        self.run.end_child(child, end)
        self.emit("TeamRunContent", {"run_id": record.id, "content": message})
        self.emit("StepOutput", {"run_id": record.id, "step_name": "part"})
        self.emit("CustomEvent", {"run_id": record.id, "n": 1})
        media = shown_items(self.given.media)
        blobs = {"blobs": [item.sha256 for item in self.given.media]} if media else {}
        inside = {"step_results": [{"step_name": "part", **media}]} if media else {}
        return outcome(record, RunStatus.COMPLETED, message, **blobs, **inside)

    def say(self, end: str) -> None:
        self.emit(EVENT_PREFIXES[self.run.record.kind] + end, {"run_id": self.run.record.id})

    def emit(self, name: str, members: dict[str, Any]) -> None:
        self.run.emit(name, dump_json({"event": name, **members}))

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        return outcome(self.run.record, RunStatus.ERROR, str(error))

    def cancel(self) -> Outcome:
        return outcome(self.run.record, RunStatus.CANCELLED, None)


def outcome(record: RunRecord, status: RunStatus, content: str | None, **members: Any) -> Outcome:
    given = load_run_input(record.input)
    output = {
        **members,
        "run_id": record.id,
        f"{record.kind}_id": record.component_id,
        f"{record.kind}_name": "Small",
        "session_id": record.session_id,
        "content": content,
        "input": given.message if record.kind == "workflow" else given.shown(),
        "created_at": int(record.created_at.timestamp()),
    }
    if status is RunStatus.PAUSED:
        asked = [{"id": name, "step_id": name, "confirmed": None} for name in ("one", "two")]
        output |= {"requirements": asked, "tools": []} if record.kind == "team" else {"step_requirements": asked}
    name = EVENT_PREFIXES[record.kind] + status.value.title()
    return Outcome(status=status, output=output, last_event=(name, {"event": name, "run_id": record.id}))


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    helper: Agent[None, str] = Agent(ScriptedModel(["Hello."]), name="helper")
    os = AgentOS(
        agents=[helper],
        teams=[SmallTeam(id="pair")],
        workflows=[SmallWorkflow(id="line")],
        settings=Settings(database_url=SecretStr(database_url)),
    )
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def ask(client: httpx.AsyncClient, runs: str, message: str, **fields: str) -> dict[str, Any]:
    answer = await client.post(runs, data={"message": message, "stream": "false", **fields})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def names_of(text: str) -> list[str]:
    return [event["event"] for event in events_of(text)]


def answers(runs: str, **confirmed: bool) -> dict[str, str]:
    if runs == TEAM:
        return {"requirements": json.dumps([{"id": name, "confirmation": yes} for name, yes in confirmed.items()])}
    return {"step_requirements": json.dumps([{"step_id": name, "confirmed": yes} for name, yes in confirmed.items()])}


@BOTH
async def test_a_plain_run_answers_the_run_object_and_can_be_read_and_listed(
    client: httpx.AsyncClient, runs: str, prefix: str
):
    kind = "team" if runs == TEAM else "workflow"
    run = await ask(client, runs, "hello", session_id="s")
    assert (run["status"], run["content"], run[f"{kind}_name"]) == ("COMPLETED", "hello", "Small")
    assert (run["input"], "messages" in run) == (
        ({"input_content": "hello"}, True) if kind == "team" else ("hello", False)
    )
    assert (await client.get(f"{runs}/{run['run_id']}")).json() == run
    (row,) = (await client.get(runs, params={"session_id": "s"})).json()
    assert (row["run_id"], row["run_input"], row[f"{kind}_id"]) == (run["run_id"], "hello", run[f"{kind}_id"])
    other = WORKFLOW if runs == TEAM else TEAM
    assert (await client.get(other, params={"session_id": "s"})).json() == []
    assert (await client.get(f"{other}/{run['run_id']}")).status_code == 404


@BOTH
async def test_a_stream_begins_and_ends_with_the_kinds_own_events(client: httpx.AsyncClient, runs: str, prefix: str):
    stream = await client.post(runs, data={"message": "hello", "run_id": "r"})
    names = names_of(stream.text)
    assert (names[0], names[-1]) == (f"{prefix}Started", f"{prefix}Completed")
    followed = await client.get(f"{runs}/r/events", headers={"Last-Event-ID": "0"})
    assert names_of(followed.text) == names[1:]
    resumed = await client.post(f"{runs}/r/resume", data={"last_event_index": "0"})
    assert names_of(resumed.text) == ["replay", *names[1:]]


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        (TEAM, ["TeamRunContent hello", "StepOutput", "CustomEvent", "TeamRunCompleted"]),
        (
            WORKFLOW,
            ["RunContent part: hello", "TeamRunContent hello", "StepOutput", "CustomEvent", "WorkflowCompleted"],
        ),
    ],
)
async def test_a_stream_of_content_has_what_the_run_says_and_not_what_is_said_inside(
    client: httpx.AsyncClient, runs: str, shown: list[str]
):
    stream = await client.post(runs, data={"message": "hello", "stream_events": "false"})
    said = [f"{event['event']} {event.get('content', '')}".strip() for event in events_of(stream.text)]
    assert said == shown


@BOTH
async def test_a_pause_is_answered_bit_by_bit_and_goes_on(client: httpx.AsyncClient, runs: str, prefix: str):
    run = await ask(client, runs, "pause")
    path = f"{runs}/{run['run_id']}/continue"
    asked = "requirements" if runs == TEAM else "step_requirements"
    assert (run["status"], len(run[asked])) == ("PAUSED", 2)
    (still,) = events_of((await client.post(path, data=answers(runs, one=True))).text)
    kind = "team" if runs == TEAM else "workflow"
    assert (still["event"], still["run_id"]) == (f"{prefix}Paused", run["run_id"])
    assert (still[f"{kind}_id"], still[f"{kind}_name"], still["session_id"]) == (
        run[f"{kind}_id"],
        "Small",
        run["session_id"],
    )
    assert [wanted["confirmed"] for wanted in still[asked]] == [True, None]
    plain = await client.post(path, data={**answers(runs, one=True), "stream": "false"})
    assert (plain.status_code, plain.json()["status"]) == (200, "PAUSED")
    names = names_of((await client.post(path, data=answers(runs, two=True))).text)
    assert (names[0], names[-1]) == (f"{prefix}Continued", f"{prefix}Completed")
    again = await client.post(path, data=answers(runs, two=True))
    assert (again.status_code, "not paused" in again.json()["detail"]) == (409, True)


@BOTH
async def test_wrong_answers_are_refused_and_unknown_runs_are_not_found(
    client: httpx.AsyncClient, runs: str, prefix: str
):
    run = await ask(client, runs, "pause")
    path = f"{runs}/{run['run_id']}/continue"
    field = "requirements" if runs == TEAM else "step_requirements"
    for data, text in ((answers(runs, three=True), "'three'"), ({field: "{"}, f"Invalid JSON in {field} field")):
        refused = await client.post(path, data=data)
        assert (refused.status_code, text in refused.json()["detail"]) == (400, True), refused.text
    missing = await client.post(f"{runs}/nobody/continue", data=answers(runs, one=True))
    assert (missing.status_code, missing.json()["detail"]) == (404, "No runs found for run ID nobody")


@BOTH
async def test_a_paused_run_is_cancelled(client: httpx.AsyncClient, runs: str, prefix: str):
    run = await ask(client, runs, "pause")
    assert (await client.post(f"{runs}/{run['run_id']}/cancel")).json() == {}
    assert (await client.get(f"{runs}/{run['run_id']}")).json()["status"] == "CANCELLED"


@BOTH
async def test_a_background_run_is_accepted_and_read_later(client: httpx.AsyncClient, runs: str, prefix: str):
    accepted = await client.post(runs, data={"message": "pause", "stream": "false", "background": "true"})
    assert (accepted.status_code, accepted.json()["status"]) == (202, "PENDING")
    path = f"{runs}/{accepted.json()['run_id']}"
    assert names_of((await client.get(f"{path}/events")).text)[-1] == f"{prefix}Paused"
    assert (await client.get(path)).json()["status"] == "PAUSED"


async def test_a_run_inside_a_run_can_be_read_and_is_followed_with_its_parent(client: httpx.AsyncClient):
    stream = await client.post(TEAM, data={"message": "hello"})
    child = next(event["run_id"] for event in events_of(stream.text) if event["event"] == "RunContent")
    path = f"/agents/helper/runs/{child}"
    assert (await client.get(path)).json()["content"] == "part: hello"
    for refused in (await client.get(f"{path}/events"), await client.post(f"{path}/resume")):
        assert (refused.status_code, "inside another one" in refused.json()["detail"]) == (409, True)
    answer = await client.post(f"{path}/continue", data={"tools": "[]"})
    assert (answer.status_code, "continue that" in answer.json()["detail"]) == (409, True)


async def test_media_that_steps_hand_on_get_their_bytes(client: httpx.AsyncClient):
    images = json.dumps([{"content": base64.b64encode(PNG).decode(), "mime_type": "image/png"}])
    run = await ask(client, WORKFLOW, "look", images=images)
    (step,) = run["step_results"]
    assert base64.b64decode(step["images"][0]["content"]) == PNG
    assert "blobs" not in run


@pytest.mark.parametrize(
    ("path", "detail"),
    [("/teams/helper/runs", "Team not found"), ("/workflows/pair/runs", "Workflow not found")],
)
@pytest.mark.parametrize("act", ["run", "list", "read", "follow", "cancel", "continue", "resume"])
async def test_an_id_is_looked_up_among_its_own_kind(client: httpx.AsyncClient, path: str, detail: str, act: str):
    requests: dict[str, Callable[[], Any]] = {
        "run": lambda: client.post(path, data={"message": "hi"}),
        "list": lambda: client.get(path, params={"session_id": "s"}),
        "read": lambda: client.get(f"{path}/r"),
        "follow": lambda: client.get(f"{path}/r/events"),
        **{name: lambda name=name: client.post(f"{path}/r/{name}") for name in ("cancel", "continue", "resume")},  # type: ignore[misc]
    }
    answer = await requests[act]()
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})
