"""The teams that the published clients talk to; every answer follows from what is asked. Not a test itself."""

from __future__ import annotations

from pydantic_ai import Agent

from serai import Team
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn
from serai.testing.script import Script
from tests.compat.serai_parts import (
    PAUSING_TOOLS,
    describe_media,
    get_weather,
    list_earlier_messages,
    pause_first,
    talk,
)


def delegate(member_id: str, task: str) -> ToolCall:
    return ToolCall("delegate_task_to_member", {"member_id": member_id, "task": task})


def results_of(asked: Asked) -> list[str]:
    return [str(result.content) for result in asked.tool_results]


def sum_up(asked: Asked) -> str:
    return f"Summary: {'; '.join(results_of(asked))}"


def search_then_write(asked: Asked) -> Turn | str:
    """Ask the searcher, then the writer with what was found; or both in one turn; then sum up."""
    message, results = asked.message, results_of(asked)
    if message.startswith("recall"):
        return list_earlier_messages(asked)
    if "both at once" in message:
        return sum_up(asked) if results else Turn(tools=[delegate("searcher", message), delegate("writer", message)])
    if "nobody" in message:
        return "There is nobody." if results else Turn(tools=[delegate("nobody", message)])
    if not results:
        return Turn("I ask around. ", tools=[delegate("searcher", message)])
    return Turn(tools=[delegate("writer", results[0])]) if len(results) == 1 else sum_up(asked)


def delegate_once(member_id: str) -> Script:
    def reply(asked: Asked) -> Turn | str:
        return sum_up(asked) if asked.tool_results else Turn(tools=[delegate(member_id, asked.message)])

    return reply


def route(asked: Asked) -> Turn:
    return Turn(tools=[delegate("searcher" if "search" in asked.message else "writer", asked.message)])


def ask_all(asked: Asked) -> Turn | str:
    call = ToolCall("delegate_task_to_members", {"task": asked.message})
    return sum_up(asked) if asked.tool_results else Turn(tools=[call])


def use_own_tools(asked: Asked) -> Turn | str:
    if "weather" not in asked.message:
        return pause_first(asked)
    if not asked.tool_results:
        return Turn(tools=[ToolCall("get_weather", {"city": "Oslo"})])
    return f"Report: {results_of(asked)[0]}"


def ask_the_askers(asked: Asked) -> Turn | str:
    names = ("asker", "other-asker") if "both at once" in asked.message else ("asker",)
    return sum_up(asked) if asked.tool_results else Turn(tools=[delegate(name, asked.message) for name in names])


def explode_or_delegate(asked: Asked) -> Turn | str:
    if "leader" in asked.message:
        return Turn(error=RuntimeError("model exploded"))
    return delegate_once("broken")(asked)


def look_and_delegate(asked: Asked) -> Turn | str:
    if not asked.tool_results:
        return Turn(tools=[delegate("seer", "look")])
    return f"Leader: {describe_media(asked)}; seer: {results_of(asked)[0]}"


def talk_or_delegate(asked: Asked) -> Turn | str:
    return talk(asked) if "leader" in asked.message else delegate_once("talker")(asked)


searcher = Agent(ScriptedModel(lambda asked: f"Found: {asked.message}"), name="searcher", description="Searches.")
writer = Agent(ScriptedModel(lambda asked: f"Written: {asked.message}"), name="writer", description="Writes.")
asker = Agent(ScriptedModel(pause_first), name="asker", tools=PAUSING_TOOLS)
other_asker = Agent(ScriptedModel(pause_first), name="other-asker", tools=PAUSING_TOOLS)
broken = Agent(ScriptedModel(rules=[Rule("", [Turn(error=RuntimeError("model exploded"))])]), name="broken")
seer = Agent(ScriptedModel(describe_media), name="seer")
talker = Agent(ScriptedModel(talk), name="talker")

research = Team(
    "research-team", [searcher, writer], model=ScriptedModel(search_then_write), description="Searches and writes."
)
asking = Team("asking-team", [asker, other_asker], model=ScriptedModel(ask_the_askers))
inner = Team("inner-team", [searcher], model=ScriptedModel(delegate_once("searcher")), description="Looks things up.")
TEAMS = [
    research,
    Team("route-team", [searcher, writer], model=ScriptedModel(route), mode="route"),
    Team("all-team", [searcher, writer], model=ScriptedModel(ask_all), mode="broadcast"),
    Team("outer-team", [inner, writer], model=ScriptedModel(delegate_once("inner-team"))),
    Team("toolful-team", [searcher], model=ScriptedModel(use_own_tools), tools=[get_weather, *PAUSING_TOOLS]),
    asking,
    Team("broken-team", [broken], model=ScriptedModel(explode_or_delegate)),
    Team("media-team", [seer], model=ScriptedModel(look_and_delegate)),
    Team("slow-team", [talker], model=ScriptedModel(talk_or_delegate)),
]
