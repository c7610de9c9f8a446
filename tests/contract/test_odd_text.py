"""Half characters and U+0000 wherever a model or a tool may put them: the run ends, can be read, and is remembered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

HALF = "\ud83d"
RUNS = "/agents/helper/runs"


def helper() -> Agent[None, str]:
    model = ScriptedModel(
        rules=[
            Rule("split", [Turn(["a rocket: \ud83d", "\ude80"])]),
            Rule("half", [Turn([f"half: {HALF}", " nul: \x00"])]),
            Rule("args", [Turn(tools=[ToolCall("echo", {"word": f"{HALF}\x00"})]), Turn("Done.")]),
            Rule("nul id", [Turn(tools=[ToolCall("echo", {"word": "x"}, id="call\x001")]), Turn("Done.")]),
            Rule("broken id", [Turn(tools=[ToolCall("echo", {"word": "x"}, id=f"call{HALF}1")]), Turn("Done.")]),
            Rule("", [Turn("Fine.")]),
        ]
    )
    agent = Agent(model, name="helper")

    @agent.tool_plain
    def echo(word: str) -> str:
        """Say it back."""
        return f"{word} {HALF} \x00"

    return agent


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[helper()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=10) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str) -> dict[str, Any]:
    response = await client.post(RUNS, data={"message": message, "stream": "false", "session_id": "s"})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("split", "a rocket: \N{ROCKET}"),
        ("half", f"half: {HALF} nul: \x00"),
        ("args", "Done."),
        ("nul id", "Done."),
        ("broken id", "Done."),
    ],
)
async def test_odd_text_neither_ends_a_run_nor_its_session(client: httpx.AsyncClient, message: str, content: str):
    answer = await run(client, message)
    assert (answer["status"], answer["content"]) == ("COMPLETED", content)
    read = await client.get(f"{RUNS}/{answer['run_id']}")
    assert read.json()["content"] == content
    assert (await run(client, "next"))["content"] == "Fine."


async def test_a_character_in_two_pieces_is_whole_where_the_pieces_meet(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "split"})
    events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    pieces = [event["content"] for event in events if event["event"] == "RunContent"]
    joined = "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    assert joined == events[-1]["content"] == "a rocket: \N{ROCKET}"
