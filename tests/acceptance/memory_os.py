"""An OS whose agent remembers its users: what it is asked to at once, and what they wrote after the run."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import AgentComponent, AgentOS, Memory
from serai.testing import Asked, ScriptedModel, ToolCall, Turn


def _answer(asked: Asked) -> Turn:
    if asked.step == 0:
        return Turn(tools=[ToolCall("remember", {"memory": "Wants short answers."}, id="call")])
    return Turn("Done.")


def _read(asked: Asked) -> Turn:
    return Turn(tools=[ToolCall("final_result", {"memories": [{"memory": "Has a dog."}]})])


worker = AgentComponent(Agent(ScriptedModel(_answer), name="worker"), memory=Memory(model=ScriptedModel(_read)))
os = AgentOS(name="Memories", agents=[worker])
