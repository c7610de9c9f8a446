"""The demo's team ``research-team``: a searcher that finds facts, a writer that writes them up, and their leader."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent

from serai.components.team import Team
from serai.demo import library
from serai.demo.models import load_model
from serai.demo.script import NO_LLM
from serai.testing import Asked, ToolCall, Turn

SHORTEN = "Shorten this to at most"
_NOTHING = "Nothing in the demo's small library fits."


def build_team(model: str | None = None) -> Team:
    """Return the team.

    Args:
        model: a pydantic-ai model string for all three; None for scripted models.

    Raises:
        ConfigurationError: the model string is unknown, or its provider lacks a key or a package.
    """
    return Team(
        "Research Team",
        [build_searcher(model), build_writer(model)],
        model=load_model(model, _lead),
        description="Looks a topic up and writes a short report about it.",
        instructions="Have the searcher look the topic up, then the writer write a short report from what was found.",
    )


def build_searcher(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``searcher``, which looks things up in the demo's library; else as `build_team`."""
    return Agent(
        load_model(model, _search),
        name="searcher",
        description="Looks things up in a small library of facts.",
        instructions="Look the topic up with your tool and report the facts that you found, nothing else.",
        tools=[look_up],
    )


def build_writer(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``writer``, which writes from the facts that it is given; else as `build_team`."""
    return Agent(
        load_model(model, _write),
        name="writer",
        description="Writes a short report from facts that it is given.",
        instructions="Write a short, plain report from the facts that you are given. Add none of your own.",
    )


def look_up(topic: str) -> list[str]:
    """Find facts about a topic, the best first.

    Args:
        topic: words that the facts have in common with it.
    """
    return library.search(topic)


def _lead(asked: Asked) -> Turn:
    results = [str(result.content) for result in asked.tool_results]
    if not results:
        return Turn("I have it looked up. ", tools=[_ask("searcher", asked.message)])
    if len(results) == 1 and results[0] != _NOTHING:
        return Turn("Now it is written up. ", tools=[_ask("writer", f"{asked.message}\n\n{results[0]}")])
    return Turn(f"\n\n{results[-1]}\n\n{NO_LLM}")


def _search(asked: Asked) -> Turn:
    if not asked.tool_results:
        return Turn(tools=[ToolCall("look_up", {"topic": asked.message})])
    facts = asked.tool_results[-1].content
    return Turn("\n".join(f"- {fact}" for fact in facts) if facts else _NOTHING)


def _write(asked: Asked) -> Turn:
    if asked.message.startswith(SHORTEN):
        request, _, draft = asked.message.partition("\n\n")
        return Turn(_shorten(draft, most_words=int(request.removeprefix(SHORTEN).split()[0])))
    title, _, facts = asked.message.partition("\n\n")
    lines = [line.removeprefix("- ") for line in facts.splitlines() if line.strip()]
    return Turn(f"Report on “{title.strip()}”: {' '.join(lines) or 'there were no facts to write up.'}")


def _shorten(draft: str, *, most_words: int) -> str:
    """Return as many whole sentences as there is room for, at least one."""
    sentences = draft.split(". ")
    while len(sentences) > 1 and len(" ".join(sentences).split()) > most_words:
        sentences.pop()
    return ". ".join(sentences).removesuffix(".") + "."


def _ask(member: str, task: str) -> ToolCall:
    return ToolCall("delegate_task_to_member", {"member_id": member, "task": task})
