"""Tool calls that another node finds in the journal: what is compared is what the model and the person gave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from pydantic import AfterValidator, SecretStr
from pydantic_ai import Agent
from structlog.testing import capture_logs

import serai
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/painter/runs"
PENS: list[Pen] = []
DRAWN: list[str] = []


class Pen:
    """What has no text but its address in memory."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        PENS.append(self)


def draw(pen: Annotated[Any, AfterValidator(Pen)]) -> dict[str, str]:
    """Draw."""
    DRAWN.append(pen.colour)
    return {"drawn": pen.colour}


@serai.tool(requires_user_input=["pen"])
def paint(shape: str, pen: Annotated[Any, AfterValidator(Pen)]) -> dict[str, str]:
    """Paint with a pen that a person chooses."""
    DRAWN.append(f"{shape} {pen.colour}")
    return {"drawn": pen.colour}


@asynccontextmanager
async def node(database_url: str, gate: asyncio.Event) -> AsyncIterator[httpx.AsyncClient]:
    def answer(asked: Asked) -> Turn:
        if asked.step == 0:
            call = ToolCall("draw", {"pen": "red"}) if asked.message == "draw" else ToolCall("paint", {"shape": "dot"})
            return Turn(tools=[call])
        return Turn(["It is ", "drawn."], gate=gate.wait, gate_after=1)

    agent = Agent(ScriptedModel(answer), name="painter", tools=[draw, paint])
    os = AgentOS(agents=[agent], settings=Settings(database_url=SecretStr(database_url), drain_s=0))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as connected:
        yield connected


async def until_drawn(client: httpx.AsyncClient, url: str, form: dict[str, str]) -> str:
    """Send a form and return the run's id as soon as the model speaks of what was drawn."""
    async with client.stream("POST", url, data=form) as response:
        async for line in response.aiter_lines():
            if '"content":"It is ' in line:
                run_id: str = json.loads(line[6:])["run_id"]
                return run_id
    raise AssertionError("the run ended")


@pytest.mark.parametrize("message", ["draw", "paint"])
async def test_arguments_whose_text_differs_in_each_process_are_the_same_after_a_takeover(
    database_url: str, message: str
):
    DRAWN.clear()
    gate = asyncio.Event()
    async with node(database_url, gate) as first:
        url, form = RUNS, {"message": message}
        if message == "paint":
            frames = (await first.post(RUNS, data=form)).text.splitlines()
            paused = json.loads([line for line in frames if line.startswith("data: ")][-1][6:])
            (tool,) = paused["tools"]
            value = {"tool_call_id": tool["tool_call_id"], "user_input_schema": [{"name": "pen", "value": "red"}]}
            url, form = f"{RUNS}/{paused['run_id']}/continue", {"tools": json.dumps([value])}
        run_id = await until_drawn(first, url, form)
    gate.set()
    with capture_logs() as logs:
        async with node(database_url, gate) as second:
            await second.get(f"{RUNS}/{run_id}/events")
            done = (await second.get(f"{RUNS}/{run_id}")).json()
    assert (done["status"], done["content"]) == ("COMPLETED", "It is drawn.")
    assert ["red" if message == "draw" else "dot red"] == DRAWN
    assert "run_goes_on_from_messages" not in [entry["event"] for entry in logs]
