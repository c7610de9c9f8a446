"""What is measured of Serai: one agent whose model answers at once, as the peer's does."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import AgentOS
from serai.testing import Asked, ScriptedModel, Turn

CHUNKS = 200
ANSWER = "Four."
STREAM = Turn([f"word{number} " for number in range(CHUNKS)])


def answer(asked: Asked) -> Turn | str:
    """Return the short text, or the chunks when they are asked for."""
    return STREAM if asked.message == "stream" else ANSWER


agent_os = AgentOS(name="benchmarks", agents=[Agent(ScriptedModel(answer), name="instant")])
