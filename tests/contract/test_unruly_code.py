"""Agents whose tools and models misbehave in every way that Python has: the run says so, the node lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, RunContext

from serai import AgentOS, RunDeps
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/unruly/runs"


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Odd(BaseException):
    pass


RAISED: dict[str, BaseException] = {
    "exit": SystemExit(7),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "base": Odd("odd"),
    "group": BaseExceptionGroup("several", [Odd("one"), ValueError("two")]),
    "mute": MuteError(),
    "plain": ValueError("kaboom"),
}


def unruly() -> Agent[RunDeps, str]:
    def answer(asked: Asked) -> Turn:
        where, _, what = asked.message.partition(" ")
        if where == "model":
            if what == "cancelled":
                return Turn("half", gate=stray_cancellation)
            raise RAISED[what]
        if asked.step == 0:
            return Turn(tools=[ToolCall(where, {"what": what} if what else {})])
        return Turn(f"heard: {asked.tool_results[-1].content}")

    agent = Agent(ScriptedModel(answer), name="unruly", deps_type=RunDeps)

    @agent.tool_plain
    async def asynchronous(what: str) -> str:
        """Raise in the event loop."""
        raise RAISED[what]

    @agent.tool_plain
    def threaded(what: str) -> str:
        """Raise in a thread."""
        raise RAISED[what]

    @agent.tool_plain
    async def cancelled() -> str:
        """Wait for a task that somebody cancelled."""
        calls.append("cancelled")
        await stray_cancellation()
        return "never"

    @agent.instructions
    def count_requests(ctx: RunContext[RunDeps]) -> str:
        """Change the session's state outside of any tool."""
        if "instructed" in ctx.deps.metadata:
            ctx.deps.session_state["instructed"] = True
        return "Be unruly."

    @agent.tool
    def state(ctx: RunContext[RunDeps], what: str) -> str:
        """Leave something in the session's state that cannot be stored."""
        if what == "none":
            ctx.deps.session_state = None  # type: ignore[assignment]
        else:
            ctx.deps.session_state["loop"] = ctx.deps.session_state
        return "changed"

    return agent


calls: list[str] = []


async def stray_cancellation() -> None:
    inner = asyncio.create_task(asyncio.sleep(9))
    inner.cancel()
    await inner


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[unruly()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(RUNS, data={"message": message, "stream": "false", **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("tool", ["asynchronous", "threaded"])
@pytest.mark.parametrize("what", list(RAISED))
async def test_whatever_a_tool_raises_is_told_to_the_model(client: httpx.AsyncClient, tool: str, what: str):
    answer = await run(client, f"{tool} {what}")
    assert answer["status"] == "COMPLETED"
    assert answer["tools"][0]["tool_call_error"] is True
    assert answer["content"].startswith(f"heard: {type(RAISED[what]).__name__}")


async def test_a_cancellation_that_escapes_from_a_tool_is_a_failure_of_that_tool_alone(client: httpx.AsyncClient):
    calls.clear()
    answer = await run(client, "cancelled")
    assert answer["status"] == "COMPLETED"
    assert answer["content"] == "heard: CancelledError: CancelledError"
    assert calls == ["cancelled"]


@pytest.mark.parametrize("what", [*RAISED, "cancelled"])
async def test_whatever_a_model_raises_ends_its_run_in_error(client: httpx.AsyncClient, what: str):
    answer = await run(client, f"model {what}")
    assert answer["status"] == "ERROR"
    assert answer["content"]
    assert (await run(client, "threaded plain"))["status"] == "COMPLETED"


async def test_a_state_changed_outside_of_tools_is_kept(client: httpx.AsyncClient):
    answer = await run(client, "threaded plain", session_id="s", metadata='{"instructed":1}')
    assert answer["session_state"] == {"instructed": True}
    assert (await run(client, "threaded plain", session_id="s"))["session_state"] == {"instructed": True}


@pytest.mark.parametrize("what", ["none", "loop"])
async def test_a_state_that_cannot_be_stored_is_told_to_the_model_and_undone(client: httpx.AsyncClient, what: str):
    answer = await run(client, f"state {what}", session_id="s", session_state='{"k":[1]}')
    assert answer["status"] == "COMPLETED"
    assert "session_state must stay a dictionary of JSON values" in answer["content"]
    assert answer["session_state"] == {"k": [1]}
    assert (await run(client, "threaded plain", session_id="s"))["session_state"] == {"k": [1]}
