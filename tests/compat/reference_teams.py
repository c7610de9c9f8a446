# mypy: ignore-errors
"""The teams of serai_teams.py on agno's own server. Not a test itself."""

import json

from agno.agent import Agent
from agno.team import Team
from agno.team.mode import TeamMode
from reference_parts import (
    PAUSING_TOOLS,
    Calls,
    Script,
    describe_media,
    explode_at_once,
    get_weather,
    pause_first,
    talk,
    text_of,
)


def delegate(member_id, task):
    return "delegate_task_to_member", json.dumps({"member_id": member_id, "task": task})


def asked(messages):
    """Return the last message of the user and the results of the tools called since."""
    at = max(index for index, message in enumerate(messages) if message.role == "user")
    return messages[at].content, [str(result) for result in text_of(messages[at:], "tool")]


def sum_up(results):
    return f"Summary: {'; '.join(results)}"


def search_then_write(messages):
    """Ask the searcher, then the writer with what was found; or both in one turn; then sum up."""
    message, results = asked(messages)
    if message.startswith("recall"):
        return f"Before: {', '.join(text_of(messages, 'user')[:-1]) or 'nothing'}"
    if "both at once" in message:
        return sum_up(results) if results else Calls(delegate("searcher", message), delegate("writer", message))
    if "nobody" in message:
        return "There is nobody." if results else Calls(delegate("nobody", message))
    if not results:
        return Calls(delegate("searcher", message), text="I ask around. ")
    return Calls(delegate("writer", results[0])) if len(results) == 1 else sum_up(results)


def delegate_once(member_id):
    def reply(messages):
        message, results = asked(messages)
        return sum_up(results) if results else Calls(delegate(member_id, message))

    return reply


def route(messages):
    message, _ = asked(messages)
    return Calls(delegate("searcher" if "search" in message else "writer", message))


def ask_all(messages):
    message, results = asked(messages)
    return sum_up(results) if results else Calls(("delegate_task_to_members", json.dumps({"task": message})))


def use_own_tools(messages):
    message, results = asked(messages)
    if "weather" not in message:
        return pause_first(messages)
    return f"Report: {results[0]}" if results else Calls(("get_weather", '{"city": "Oslo"}'))


def ask_the_askers(messages):
    message, results = asked(messages)
    members = ("asker", "other-asker") if "both at once" in message else ("asker",)
    return sum_up(results) if results else Calls(*(delegate(member, message) for member in members))


def explode_or_delegate(messages):
    return explode_at_once(messages) if "leader" in asked(messages)[0] else delegate_once("broken")(messages)


def look_and_delegate(messages):
    _, results = asked(messages)
    return f"Leader: {describe_media(messages)}; seer: {results[0]}" if results else Calls(delegate("seer", "look"))


def talk_or_delegate(messages):
    return talk(messages) if "leader" in asked(messages)[0] else delegate_once("talker")(messages)


def member(name, reply, *, chunk_delay_s=0.0, **options):
    model = Script(reply, chunk_delay_s=chunk_delay_s)
    return Agent(id=name, name=name, model=model, telemetry=False, **options)


def searcher():
    return member("searcher", lambda messages: f"Found: {asked(messages)[0]}", role="Searches.")


def writer():
    return member("writer", lambda messages: f"Written: {asked(messages)[0]}", role="Writes.")


def research_team(db):
    return team(db, "research-team", search_then_write, [searcher(), writer()], description="Searches and writes.")


def asking_team(db):
    members = [member(name, pause_first, tools=PAUSING_TOOLS) for name in ("asker", "other-asker")]
    return team(db, "asking-team", ask_the_askers, members)


def team(db, name, reply, members, *, chunk_delay_s=0.0, **options):
    model = Script(reply, chunk_delay_s=chunk_delay_s)
    shared = {"db": db, "add_history_to_context": True, "telemetry": False}
    return Team(members, id=name, name=name, model=model, **shared, **options)


def all_teams(db):
    inner = team(db, "inner-team", delegate_once("searcher"), [searcher()], role="Looks things up.")
    return [
        research_team(db),
        team(db, "route-team", route, [searcher(), writer()], mode=TeamMode.route),
        team(db, "all-team", ask_all, [searcher(), writer()], mode=TeamMode.broadcast),
        team(db, "outer-team", delegate_once("inner-team"), [inner, writer()]),
        team(db, "toolful-team", use_own_tools, [searcher()], tools=[get_weather, *PAUSING_TOOLS]),
        asking_team(db),
        team(db, "broken-team", explode_or_delegate, [member("broken", explode_at_once)]),
        team(db, "media-team", look_and_delegate, [member("seer", describe_media)]),
        team(db, "slow-team", talk_or_delegate, [member("talker", talk, chunk_delay_s=0.05)], chunk_delay_s=0.05),
    ]
