"""The agents that the published clients talk to; every answer follows from what is asked."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.messages import ModelRequest, UserPromptPart

from serai import AgentOS
from serai.testing import Asked, ScriptedModel, ToolCall, Turn


def say_it_back(asked: Asked) -> str:
    return f"Echo: {asked.message}"


def say_it_back_late(asked: Asked) -> Turn:
    return Turn(say_it_back(asked), delay_s=1.5)


def list_earlier_messages(asked: Asked) -> str:
    parts = [part for message in asked.messages if isinstance(message, ModelRequest) for part in message.parts]
    said = [part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)]
    return f"Before: {', '.join(said[:-1]) or 'nothing'}"


def ask_the_tool_first(asked: Asked) -> Turn | str:
    if not asked.tool_results:
        return Turn(tools=[ToolCall("get_weather", {"city": "Oslo"})])
    return f"Report: {asked.tool_results[0].content}"


def call_the_broken_tool_once(asked: Asked) -> Turn | str:
    return Turn(tools=[ToolCall("explode")]) if asked.step == 0 else "The tool failed."


echo = Agent(ScriptedModel(say_it_back), name="echo-agent", description="Says what it hears.")
slow = Agent(ScriptedModel(say_it_back_late), name="slow-agent")
recall = Agent(ScriptedModel(list_earlier_messages), name="recall-agent")
weather = Agent(ScriptedModel(ask_the_tool_first), name="weather-agent")
broken_tool = Agent(ScriptedModel(call_the_broken_tool_once), name="broken-tool-agent")
broken_model = Agent(ScriptedModel([Turn(error=RuntimeError("model exploded"))]), name="broken-model-agent")


@weather.tool_plain
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny"


@broken_tool.tool_plain
def explode() -> str:
    """Fail, as tools do."""
    raise ValueError("tool exploded")


agent_os = AgentOS(name="compat", agents=[echo, slow, recall, weather, broken_tool, broken_model])
