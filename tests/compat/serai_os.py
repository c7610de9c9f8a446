"""The components that the published clients talk to; every answer follows from what is asked."""

from __future__ import annotations

import asyncio
import json

from pydantic_ai import Agent

from serai import AgentComponent, Memory
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn
from tests.compat.sent_fields import RecordedOS
from tests.compat.serai_parts import (
    PAUSING_TOOLS,
    describe_media,
    get_weather,
    list_earlier_messages,
    pause_first,
    report_weather,
    say_it_back,
    talk,
)
from tests.compat.serai_teams import TEAMS
from tests.compat.serai_workflows import WORKFLOWS


def say_it_back_late(asked: Asked) -> Turn:
    return Turn(say_it_back(asked), delay_s=1.5)


def ask_the_tool_first(asked: Asked) -> Turn | str:
    if not asked.tool_results:
        return Turn(tools=[ToolCall("get_weather", {"city": "Oslo"})])
    return f"Report: {asked.tool_results[0].content}"


def call_the_broken_tool_once(asked: Asked) -> Turn | str:
    return Turn(tools=[ToolCall("explode")]) if asked.step == 0 else "The tool failed."


async def nap() -> str:
    """Take as long as tools may."""
    await asyncio.sleep(3)
    return "slept"


pausing = Agent(ScriptedModel(pause_first), name="pause-agent", tools=PAUSING_TOOLS)


def answer_four(asked: Asked) -> Turn | str:
    """Say 4 in the form that is asked for."""
    return Turn(tools=[ToolCall(asked.tools[0], {"value": 4})]) if asked.tools else '{"value": 4}'


shaped = Agent(ScriptedModel(answer_four), name="shape-agent")
media = Agent(ScriptedModel(describe_media), name="media-agent")
talking = Agent(ScriptedModel(talk), name="talk-agent")
napping = Agent(
    ScriptedModel(rules=[Rule("", [Turn("I nap. ", tools=[ToolCall("nap")]), "Awake."])]), name="nap-agent", tools=[nap]
)
echo = Agent(ScriptedModel(say_it_back), name="echo-agent", description="Says what it hears.")
slow = Agent(ScriptedModel(say_it_back_late), name="slow-agent")
recall = Agent(ScriptedModel(list_earlier_messages), name="recall-agent")
weather = Agent(ScriptedModel(ask_the_tool_first), name="weather-agent", tools=[get_weather])
evaluated = Agent(ScriptedModel(report_weather), name="eval-agent", tools=[get_weather])
broken_tool = Agent(ScriptedModel(call_the_broken_tool_once), name="broken-tool-agent")
broken_model = Agent(ScriptedModel([Turn(error=RuntimeError("model exploded"))]), name="broken-model-agent")


@broken_tool.tool_plain
def explode() -> str:
    """Fail, as tools do."""
    raise ValueError("tool exploded")


def condense(asked: Asked) -> Turn:
    """Join all memories into one."""
    text = " ".join(memory["memory"] for memory in json.loads(asked.message))
    return Turn(tools=[ToolCall(asked.tools[0], {"memories": [{"memory": text}]})])


def find_a_dog(asked: Asked) -> Turn:
    """Find the same memory in whatever a user wrote."""
    return Turn(tools=[ToolCall(asked.tools[0], {"memories": [{"memory": "Has a dog.", "topics": ["pets"]}]})])


remembering = AgentComponent(
    Agent(ScriptedModel(say_it_back), name="memory-agent"), memory=Memory(model=ScriptedModel(find_a_dog), tool=False)
)
condensing = Agent(ScriptedModel(condense), name="condensing-agent")
agent_os = RecordedOS(
    name="compat",
    agents=[
        condensing,
        remembering,
        echo,
        slow,
        recall,
        weather,
        broken_tool,
        broken_model,
        pausing,
        talking,
        napping,
        media,
        shaped,
        evaluated,
    ],
    teams=TEAMS,
    workflows=WORKFLOWS,
    knowledge=True,
)
