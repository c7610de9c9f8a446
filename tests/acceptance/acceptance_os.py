"""The OS that acceptance tests start, freeze and kill. What its model and tools really did is in a ledger file."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from pydantic_ai import Agent, RunContext

import serai
from serai import AgentOS
from serai.components.deps import RunDeps
from serai.testing import Asked, ScriptedModel, ToolCall, Turn

_LEDGER = Path(os.environ["SERAI_TEST_LEDGER"])


def _note(line: str) -> None:
    with _LEDGER.open("a") as ledger:
        ledger.write(f"{line}\n")


def _script(asked: Asked) -> Turn:  # noqa: C901, PLR0912 - one case a message
    _note(f"model {asked.step}")
    match asked.message.split():
        case ["tools", *labels]:
            if asked.step < len(labels):
                return Turn(tools=[ToolCall("record", {"label": labels[asked.step]})])
            return Turn("recorded " + " ".join(labels), chunk_delay_s=0.01)
        case ["stream", count, delay_s]:
            return Turn([f"w{index} " for index in range(int(count))], chunk_delay_s=float(delay_s))
        case ["same", *labels]:
            if asked.step < len(labels):
                return Turn(tools=[ToolCall("record", {"label": labels[asked.step]}, id="call_0")])
            return Turn(" ".join(str(result.content) for result in asked.tool_results))
        case ["block", seconds]:
            if asked.step == 0:
                return Turn(tools=[ToolCall("block", {"seconds": float(seconds)})])
            return Turn("unblocked")
        case ["count"]:
            if asked.step == 0:
                return Turn(tools=[ToolCall("count", {})])
            return Turn(f"counted {asked.tool_results[-1].content}")
        case ["parallel", *labels]:
            if asked.step == 0:
                return Turn(tools=[ToolCall("record", {"label": label}, id=f"call_{label}") for label in labels])
            return Turn(" ".join(str(result.content) for result in asked.tool_results))
        case ["once"]:
            if asked.step == 0:
                return Turn(tools=[ToolCall("pay", {"amount": 5}, id="pay-1")])
            return Turn(f"It says: {asked.tool_results[-1].content}")
        case ["delete", path]:
            if asked.step == 0:
                return Turn("Let me see. ", tools=[ToolCall("delete", {"path": path}, id="delete-1")])
            return Turn("Done.")
        case ["history"]:
            return Turn(f"seen {asked.position}")
        case _:
            return Turn(f"You said: {asked.message}")


@serai.tool(repeatable=False)
async def pay(amount: int) -> str:
    """Pay, which nobody wants twice."""
    _note("tool pay")
    await asyncio.sleep(0.2)
    return f"paid {amount}"


@serai.tool(requires_confirmation=True)
async def delete(path: str) -> str:
    """Delete a file."""
    _note(f"tool delete {path}")
    return f"deleted {path}"


agent = Agent(ScriptedModel(_script), name="worker", deps_type=RunDeps, tools=[pay, delete])


async def _record(label: str) -> str:
    _note(f"tool {label}")
    await asyncio.sleep(0.05)
    return f"recorded {label}"


if os.environ.get("SERAI_TEST_VERSION") == "2":

    @agent.tool_plain(name="record")
    async def record_loudly(label: str, loud: bool = False) -> str:
        """Write a label into the ledger, slowly; since version 2 aloud, too."""
        return (await _record(label)).upper() if loud else await _record(label)

else:

    @agent.tool_plain
    async def record(label: str) -> str:
        """Write a label into the ledger, slowly."""
        return await _record(label)


@agent.tool_plain
async def block(seconds: float) -> str:
    """Block the event loop, as a badly written tool does."""
    _note("tool block")
    time.sleep(seconds)  # noqa: ASYNC251 - the point of it
    return "done"


@agent.tool
async def count(ctx: RunContext[RunDeps]) -> int:
    """Count in the session's state."""
    ctx.deps.session_state["count"] = ctx.deps.session_state.get("count", 0) + 1
    return int(ctx.deps.session_state["count"])


os_ = AgentOS(name="Acceptance", agents=[agent])
