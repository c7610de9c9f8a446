"""What is measured of Serai: agents whose models answer at once, or at a pace, as the peer's do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from serai import AgentOS
from serai.testing import Asked, ScriptedModel, ToolCall, Turn

CHUNKS = 200
CHUNKS_PER_S = 50
ANSWER = "Four."
STREAM = Turn([f"word{number} " for number in range(CHUNKS)])
CALL = Turn(tools=[ToolCall("add", {"a": 2, "b": 2})])


def answer(asked: Asked) -> Turn | str:
    """Return the short text, or the chunks when they are asked for."""
    return STREAM if asked.message == "stream" else ANSWER


def call_then_answer(asked: Asked) -> Turn | str:
    """Call the tool, then return the short text."""
    return CALL if asked.step == 0 else ANSWER


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def keep_pace(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[str]:
    """Yield as many chunks as the message says, each with the time at which it is due; lateness does not add up."""
    question = messages[-1].parts[-1]
    assert isinstance(question, UserPromptPart)
    began = time.time()
    for number in range(int(str(question.content))):
        due = began + number / CHUNKS_PER_S
        await asyncio.sleep(max(0.0, due - time.time()))
        yield f"{due:.4f} "


agent_os = AgentOS(
    name="benchmarks",
    agents=[
        Agent(ScriptedModel(answer), name="instant"),
        Agent(ScriptedModel(call_then_answer), name="tooled", tools=[add]),
        Agent(FunctionModel(stream_function=keep_pace), name="paced"),
    ],
)
