"""Limits of runs: one at a time in a session, so many of a component, so much of tokens and time; on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent
from pydantic_ai.usage import UsageLimits

from serai.components.agent import AgentComponent
from serai.errors import ConfigurationError
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving


class Crowd:
    """Counts how many are inside at a time."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0

    async def visit(self) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.1)
        self.inside -= 1
        return "been"


def _agents(crowd: Crowd) -> list[AgentComponent]:
    visits = ScriptedModel([Turn(tools=[ToolCall("visit", {})]), Turn("Been.")])
    few = Agent(visits, name="few")
    few.tool_plain(name="visit")(crowd.visit)
    again = Turn(tools=[ToolCall("visit", {})])
    greedy = Agent(ScriptedModel([again, again, again, "Enough."]), name="greedy")
    greedy.tool_plain(name="visit")(crowd.visit)
    slow = Agent(ScriptedModel(rules=[Rule("", [Turn("half done", delay_s=5)])]), name="slow")
    return [
        AgentComponent(few, max_concurrency=2),
        AgentComponent(greedy, usage_limits=UsageLimits(request_limit=2)),
        AgentComponent(slow, timeout_s=0.3),
    ]


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
async def clients(database_url: str, crowd: Crowd) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two nodes of one cluster."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            os = AgentOS(agents=_agents(crowd), settings=Settings(database_url=SecretStr(database_url)))
            url = await stack.enter_async_context(serving(os.app))
            opened.append(await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20)))
        yield opened


async def run(client: httpx.AsyncClient, agent: str, **fields: str) -> httpx.Response:
    return await client.post(f"/agents/{agent}/runs", data={"message": "go", "stream": "false", **fields})


async def test_a_limit_of_runs_at_a_time_holds_on_all_nodes_together(clients: list[httpx.AsyncClient], crowd: Crowd):
    answers = await asyncio.gather(*(run(clients[number % 2], "few") for number in range(10)))
    assert [answer.json()["status"] for answer in answers] == ["COMPLETED"] * 10
    assert crowd.most == 2


async def test_a_run_that_asks_its_model_too_often_ends_as_an_error(clients: list[httpx.AsyncClient]):
    answer = (await run(clients[0], "greedy")).json()
    assert answer["status"] == "ERROR"
    assert "request_limit" in answer["content"]


async def test_a_run_that_takes_too_long_ends_as_an_error(clients: list[httpx.AsyncClient]):
    answer = (await run(clients[0], "slow")).json()
    assert (answer["status"], answer["content"]) == ("ERROR", "The run took longer than its 0.3 s.")
    events = await clients[0].get(f"/agents/slow/runs/{answer['run_id']}/events")
    assert '"error_type":"run_timeout"' in events.text


async def test_a_busy_session_is_waited_for_or_not_as_the_caller_says(clients: list[httpx.AsyncClient]):
    first = asyncio.create_task(run(clients[0], "few", session_id="s"))
    await asyncio.sleep(0.05)
    refused = await run(clients[1], "few", session_id="s", when_busy="reject")
    assert refused.status_code == 409
    assert "when_busy=queue" in refused.json()["detail"]
    assert (await run(clients[1], "few", session_id="s", when_busy="queue")).json()["status"] == "COMPLETED"
    assert (await first).json()["status"] == "COMPLETED"
    assert (await run(clients[1], "few", session_id="s", when_busy="reject")).json()["status"] == "COMPLETED"
    wrong = await run(clients[1], "few", when_busy="never")
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["body", "when_busy"]


def test_a_limit_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        AgentComponent(Agent(ScriptedModel(["x"]), name="a"), max_concurrency=0)
