"""Agents whose tools come from an MCP server, a process of its own; on a real server and database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset

from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/calculator/runs"
SERVER = Path(__file__).parent.parent / "mcp_server.py"


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    model = ScriptedModel(
        rules=[
            Rule("multiply", [Turn(tools=[ToolCall("multiply", {"a": 6, "b": 7}, id="m")]), Turn("It is 42.")]),
            Rule("refuse", [Turn(tools=[ToolCall("refuse", {}, id="r")]), Turn("It failed.")]),
        ]
    )
    agent = Agent(model, name="calculator", toolsets=[MCPToolset(SERVER, id="calculator")])
    os = AgentOS(agents=[agent], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def test_a_tool_of_an_mcp_server_is_a_step_like_any_other(client: httpx.AsyncClient, database_url: str):
    answer = await client.post(RUNS, data={"message": "multiply", "stream": "false"})
    run = answer.json()
    assert (run["status"], run["content"]) == ("COMPLETED", "It is 42.")
    (tool,) = run["tools"]
    assert (tool["tool_name"], tool["tool_args"], tool["result"]) == ("multiply", {"a": 6, "b": 7}, "42")
    events = await client.get(f"{RUNS}/{run['run_id']}/events")
    names = [json.loads(line[6:])["event"] for line in events.text.splitlines() if line.startswith("data: ")]
    assert names.count("ToolCallStarted") == names.count("ToolCallCompleted") == 1
    connection = await asyncpg.connect(database_url)
    try:
        steps = {row["operation"] for row in await connection.fetch("select operation from run_steps")}
    finally:
        await connection.close()
    assert {"model_request", "tool_call"} <= steps


async def test_a_tool_that_fails_there_is_told_to_the_model(client: httpx.AsyncClient):
    run = (await client.post(RUNS, data={"message": "refuse", "stream": "false"})).json()
    assert (run["status"], run["content"]) == ("COMPLETED", "It failed.")
    assert run["tools"][0]["tool_call_error"] is True
    assert "no such luck" in run["tools"][0]["result"]
