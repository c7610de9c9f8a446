"""Lists of runs, and events taken up again as the published protocol has it; on a real server and database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, Turn, provider_error
from tests.hosting import serving

RUNS = "/agents/helper/runs"


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    model = ScriptedModel(
        rules=[
            Rule("slow", [Turn([f"w{n} " for n in range(20)], chunk_delay_s=0.05)]),
            Rule("explode", [Turn(error=provider_error(503, "model exploded"))]),
            Rule("", [Turn("Hello.")]),
        ]
    )
    agents = [Agent(model, name="helper"), Agent(model, name="other")]
    os = AgentOS(agents=agents, settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def ask(client: httpx.AsyncClient, message: str, *, path: str = RUNS, **fields: str) -> dict[str, Any]:
    run: dict[str, Any] = (await client.post(path, data={"message": message, "stream": "false", **fields})).json()
    return run


def frames(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def resume(client: httpx.AsyncClient, run_id: str, **fields: str) -> list[tuple[str, dict[str, Any]]]:
    answer = await client.post(f"{RUNS}/{run_id}/resume", data=fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return frames(answer.text)


async def test_a_list_has_the_runs_of_one_agent_in_one_session_oldest_first(client: httpx.AsyncClient):
    first = await ask(client, "one", session_id="s")
    second = await ask(client, "explode", session_id="s")
    await ask(client, "elsewhere", session_id="t")
    await ask(client, "other", path="/agents/other/runs", session_id="s")
    rows = (await client.get(RUNS, params={"session_id": "s"})).json()
    assert [row["run_id"] for row in rows] == [first["run_id"], second["run_id"]]
    row = rows[0]
    assert (row["run_input"], row["content"], row["run_response_format"]) == ("one", "Hello.", "text")
    assert datetime.fromisoformat(row["created_at"]).tzinfo is not None
    failed = await client.get(RUNS, params={"session_id": "s", "status": "error"})
    assert [row["run_id"] for row in failed.json()] == [second["run_id"]]


@pytest.mark.parametrize(
    ("params", "status", "text"),
    [
        ({}, 422, "session_id"),
        ({"session_id": "nobody"}, 404, "Session not found"),
        ({"session_id": "s", "status": "x"}, 422, "COMPLETED"),
    ],
)
async def test_a_list_needs_a_session_that_there_is(
    client: httpx.AsyncClient, params: dict[str, str], status: int, text: str
):
    await ask(client, "one", session_id="s")
    answer = await client.get(RUNS, params=params)
    assert answer.status_code == status
    assert text in answer.text


async def test_a_run_that_has_ended_is_replayed(client: httpx.AsyncClient):
    run = await ask(client, "hello")
    (name, control), *events = await resume(client, run["run_id"], session_id=run["session_id"])
    assert (name, control["event"], control["status"], control["total_events"]) == (
        "replay",
        "replay",
        "completed",
        len(events),
    )
    assert [data["event_index"] for _, data in events] == list(range(len(events)))
    (_, control), *rest = await resume(client, run["run_id"], last_event_index=str(len(events) - 2))
    assert control["total_events"] == len(rest) == 1
    assert await resume(client, run["run_id"], last_event_index=str(len(events))) == [
        ("replay", {**control, "total_events": 0, "message": "The run rests; 0 events follow."})
    ]


async def test_a_run_that_goes_on_is_caught_up_with_and_followed(client: httpx.AsyncClient):
    asking = asyncio.create_task(ask(client, "slow", run_id="r", stream="true", background="true"))
    while (await client.get(f"{RUNS}/r")).status_code == 404:  # noqa: ASYNC110 - another task of the server stores it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    found = await resume(client, "r", last_event_index="0")
    names = [name for name, _ in found]
    assert names[0] == "catch_up"
    assert names.count("subscribed") == 1
    caught, subscribed = found[0][1], found[names.index("subscribed")][1]
    assert caught["missed_events"] == names.index("subscribed") - 1
    assert caught["current_event_count"] == subscribed["current_event_count"]
    events = [data["event_index"] for name, data in found if name not in ("catch_up", "subscribed")]
    assert events == list(range(1, len(events) + 1))
    assert names[-1] == "RunCompleted"
    asking.cancel()


async def test_a_run_that_nobody_knows_is_one_frame(client: httpx.AsyncClient):
    ((name, control),) = await resume(client, "nobody")
    assert (name, control["event"], control["run_id"], control["error"]) == (
        "error",
        "error",
        "nobody",
        "Run not found",
    )
    wrong = await client.post(f"{RUNS}/nobody/resume", data={"last_event_index": "x"})
    assert wrong.status_code == 422
    assert (await client.post("/agents/nobody/runs/nobody/resume")).status_code == 404
