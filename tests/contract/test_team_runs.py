"""Teams over HTTP, on a real server and database: their shapes, their streams, their pauses."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, BinaryImage

import serai
from serai import AgentOS, Team
from serai.settings import Settings
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn
from serai.wire.discovery import TeamResponse
from tests.hosting import serving

RUNS = "/teams/research-team/runs"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def draw() -> BinaryImage:
    """Draw a picture."""
    return BinaryImage(PNG, media_type="image/png")


def _team() -> Team:
    searcher = ScriptedModel(
        rules=[
            Rule("clean", [Turn("Let me see. ", tools=[ToolCall("delete_file", {"path": "/x"}, id="c1")]), "Gone."]),
            Rule("draw", [Turn(tools=[ToolCall("draw", {})]), "Drawn."]),
            Rule("", ["Found it."]),
        ]
    )
    inner = Team("inner", [Agent(ScriptedModel(["Deep."]), name="deep")], model=_leader("deep"))
    member: Agent[Any, Any] = Agent(searcher, name="searcher", tools=[delete_file, draw])
    return Team("research-team", [member, inner], model=_leader("searcher"), description="Looks things up.")


def _leader(member: str) -> ScriptedModel:
    def answer(asked: Asked) -> Turn | str:
        if asked.step > 0:
            return f"Summary: {asked.tool_results[-1].content}"
        name = "inner" if member == "searcher" and "inner" in asked.message else member
        return Turn("I ask. ", tools=[ToolCall("delegate_task_to_member", {"member_id": name, "task": asked.message})])

    return ScriptedModel(answer)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(teams=[_team()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def ask(client: httpx.AsyncClient, message: str, **fields: str) -> dict[str, Any]:
    answer = await client.post(RUNS, data={"message": message, "stream": "false", **fields})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


async def test_a_team_is_shown_with_its_members(client: httpx.AsyncClient):
    shown = TeamResponse.model_validate((await client.get("/teams/research-team")).json())
    assert (shown.mode, [member.id for member in shown.members or ()]) == ("coordinate", ["searcher", "inner"])
    assert isinstance(shown.tools, dict)
    assert [tool["name"] for tool in shown.tools["tools"]] == ["delegate_task_to_member"]


async def test_a_run_object_of_a_team_has_its_members_answers(client: httpx.AsyncClient):
    run = await ask(client, "tea", session_id="s")
    assert (run["team_id"], run["team_name"], run["content"]) == (
        "research-team",
        "research-team",
        "I ask. Summary: Found it.",
    )
    assert "agent_id" not in run
    assert [message["role"] for message in run["messages"]] == ["user", "assistant", "tool", "assistant"]
    (response,) = run["member_responses"]
    assert (response["agent_id"], response["parent_run_id"]) == ("searcher", run["run_id"])
    (row,) = (await client.get(RUNS, params={"session_id": "s"})).json()
    assert (row["team_id"], row["run_input"], row["content"]) == ("research-team", "tea", run["content"])


async def test_a_stream_of_content_is_what_the_team_itself_says(client: httpx.AsyncClient):
    stream = await client.post(RUNS, data={"message": "inner", "stream_events": "false"})
    *said, last = events_of(stream.text)
    assert {event["event"] for event in said} == {"TeamRunContent"}
    assert last["event"] == "TeamRunCompleted"
    assert "".join(event["content"] for event in said) == last["content"] == "I ask. Summary: I ask. Summary: Deep."
    assert {event["run_id"] for event in (*said, last)} == {last["run_id"]}


async def test_a_members_pause_is_answered_as_a_requirement_and_the_run_goes_on(client: httpx.AsyncClient):
    run = await ask(client, "clean")
    (wanted,) = run["requirements"]
    assert (run["status"], wanted["member_agent_id"]) == ("PAUSED", "searcher")
    path = f"{RUNS}/{run['run_id']}/continue"
    refused = await client.post(path, data={"requirements": json.dumps([{"id": "other", "confirmation": True}])})
    assert refused.status_code == 400
    answer = [{"id": wanted["id"], "confirmation": True}]
    stream = await client.post(path, data={"requirements": json.dumps(answer)})
    events = events_of(stream.text)
    assert [event["event"] for event in events[:2]] == ["RunContinued", "ToolCallStarted"]
    assert (events[-1]["event"], events[-1]["run_id"]) == ("TeamRunCompleted", run["run_id"])
    assert events[-1]["content"] == "Summary: Gone."


async def test_a_members_pause_is_answered_as_a_tool_execution_too(client: httpx.AsyncClient):
    run = await ask(client, "clean")
    tools = [{**run["requirements"][0]["tool_execution"], "confirmed": False}]
    answer = await client.post(f"{RUNS}/{run['run_id']}/continue", data={"tools": json.dumps(tools), "stream": "false"})
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")


async def test_what_a_member_made_is_shown_with_its_bytes(client: httpx.AsyncClient):
    run = await ask(client, "draw")
    (response,) = run["member_responses"]
    (image,) = response["images"]
    assert base64.b64decode(image["content"]) == PNG
    assert "blobs" not in run
    assert "blobs" not in response
    events = events_of((await client.get(f"{RUNS}/{run['run_id']}/events")).text)
    assert events[-1]["member_responses"][0]["images"] == response["images"]
