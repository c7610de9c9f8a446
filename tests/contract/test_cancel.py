"""Cancelling runs at every stage: over HTTP, on a real server and database."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

import serai
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/helper/runs"
LATE: list[str] = []


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def _helper() -> Agent[None, str]:
    words = [f"w{n} " for n in range(400)]
    model = ScriptedModel(
        rules=[
            Rule("talk", [Turn(words, chunk_delay_s=0.05)]),
            Rule("think long", [Turn("late", delay_s=30)]),
            Rule(
                "sleep",
                [Turn("I sleep. ", tools=[ToolCall("sleep", {}, id="s1"), ToolCall("add", {}, id="a1")]), "Slept."],
            ),
            Rule("block", [Turn(tools=[ToolCall("block", {}, id="b1")]), "Blocked."]),
            Rule("swallow", [Turn("I swallow. ", tools=[ToolCall("swallow", {}, id="w1")]), "Swallowed."]),
            Rule("delete", [Turn("Let me see. ", tools=[ToolCall("delete_file", {"path": "/x"}, id="c1")]), "Done."]),
            Rule("history", [Turn("Fine.")]),
        ]
    )
    agent = Agent(model, name="helper", tools=[delete_file])

    @agent.tool_plain
    async def sleep() -> str:
        """Sleep."""
        await asyncio.sleep(30)
        return "slept"

    @agent.tool_plain
    def add() -> int:
        """Add."""
        return 3

    @agent.tool_plain
    def block() -> str:
        """Block a thread."""
        time.sleep(1.5)
        LATE.append(threading.current_thread().name)
        return "blocked"

    @agent.tool_plain
    async def swallow() -> str:
        """Do not stop when asked to."""
        end = time.monotonic() + 3
        while (left := end - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
        return "swallowed"

    return agent


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[_helper()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def cancel(client: httpx.AsyncClient, run_id: str) -> None:
    answer = await client.post(f"{RUNS}/{run_id}/cancel")
    assert (answer.status_code, answer.json()) == (200, {})


async def begin(client: httpx.AsyncClient, message: str, run_id: str, **fields: str) -> asyncio.Task[httpx.Response]:
    """Start a run that is not streamed and wait until it runs."""
    asked = client.post(RUNS, data={"message": message, "stream": "false", "run_id": run_id, **fields})
    task = asyncio.create_task(asked)
    while (await client.get(f"{RUNS}/{run_id}")).json().get("status") != "RUNNING":  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    return task


async def read(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = (await client.get(f"{RUNS}/{run_id}")).json()
    return run


async def names(client: httpx.AsyncClient, run_id: str) -> list[str]:
    text = (await client.get(f"{RUNS}/{run_id}/events")).text
    return [json.loads(line[6:])["event"] for line in text.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("message", ["think long", "sleep", "block", "swallow"])
async def test_a_running_run_ends_within_a_second_wherever_it_is(client: httpx.AsyncClient, message: str):
    run_id = str(uuid4())
    waiting = await begin(client, message, run_id, session_id="s")
    began = time.monotonic()
    await cancel(client, run_id)
    run = (await waiting).json()
    assert time.monotonic() - began < 1
    assert run["status"] == "CANCELLED"
    assert run["cancellation_stage"] == "EXECUTING"
    assert (await names(client, run_id))[-1] == "RunCancelled"
    assert await read(client, run_id) == run
    after = await client.post(RUNS, data={"message": "history", "stream": "false", "session_id": "s"})
    assert after.json()["content"] == "Fine."


async def test_the_history_of_a_cancelled_run_has_no_open_call(client: httpx.AsyncClient):
    run_id = str(uuid4())
    waiting = await begin(client, "sleep", run_id)
    await cancel(client, run_id)
    run = (await waiting).json()
    assert run["content"] == "I sleep. "
    results = {m["tool_call_id"]: m["content"] for m in run["messages"] if m["role"] == "tool"}
    assert results == {"s1": "The run was cancelled before this call ended.", "a1": "3"}


async def test_a_streamed_run_keeps_what_was_said(client: httpx.AsyncClient):
    said, last = "", ""
    event: dict[str, Any] = {}
    async with client.stream("POST", RUNS, data={"message": "talk"}) as stream:
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            last = event["event"]
            if last == "RunContent":
                said += event["content"]
            if said.endswith("w9 "):
                await cancel(client, event["run_id"])
    assert last == "RunCancelled"
    assert event["content"] == said
    run = await read(client, event["run_id"])
    assert (run["status"], run["content"]) == ("CANCELLED", said)
    assert run["messages"][-1]["content"] == said


async def test_a_waiting_run_ends_at_once_and_the_next_has_its_turn(client: httpx.AsyncClient):
    first, second, third = (str(uuid4()) for _ in range(3))
    running = await begin(client, "sleep", first, session_id="s")
    waiting = [
        asyncio.create_task(
            client.post(RUNS, data={"message": m, "stream": "false", "run_id": run_id, "session_id": "s"})
        )
        for m, run_id in (("think long", second), ("history", third))
    ]
    while (await client.get(f"{RUNS}/{third}")).status_code == 404:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.01)
    await cancel(client, second)
    cancelled = (await waiting[0]).json()
    assert (cancelled["status"], cancelled["cancellation_stage"]) == ("CANCELLED", "PENDING")
    assert await names(client, second) == ["RunCancelled"]
    await cancel(client, first)
    assert (await running).json()["status"] == "CANCELLED"
    assert (await waiting[1]).json()["status"] == "COMPLETED"


async def test_a_paused_run_is_cancelled_and_stays_so(client: httpx.AsyncClient):
    run = (await client.post(RUNS, data={"message": "delete", "stream": "false"})).json()
    await cancel(client, run["run_id"])
    after = await read(client, run["run_id"])
    assert (after["status"], after["cancellation_stage"], after["content"]) == ("CANCELLED", "PAUSED", "Let me see. ")
    assert after["messages"][-1]["role"] == "tool"
    data = {"tools": json.dumps([{"tool_call_id": "c1", "confirmed": True}])}
    answer = await client.post(f"{RUNS}/{run['run_id']}/continue", data=data)
    assert answer.status_code == 409
    assert (await names(client, run["run_id"]))[-2:] == ["RunPaused", "RunCancelled"]


async def test_a_run_that_has_ended_stays_as_it_is(client: httpx.AsyncClient):
    run = (await client.post(RUNS, data={"message": "history", "stream": "false"})).json()
    for _ in range(2):
        await cancel(client, run["run_id"])
    assert await read(client, run["run_id"]) == run


async def test_a_cancel_may_come_before_its_run(client: httpx.AsyncClient):
    run_id = str(uuid4())
    await cancel(client, run_id)
    run = (await client.post(RUNS, data={"message": "think long", "stream": "false", "run_id": run_id})).json()
    assert run["status"] == "CANCELLED"


async def test_a_cancel_of_another_session_or_agent_changes_nothing(client: httpx.AsyncClient):
    run = (await client.post(RUNS, data={"message": "delete", "stream": "false"})).json()
    answer = await client.post(f"{RUNS}/{run['run_id']}/cancel", params={"session_id": "other"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await read(client, run["run_id"]))["status"] == "PAUSED"
    assert (await client.post(f"/agents/nobody/runs/{run['run_id']}/cancel")).status_code == 404
