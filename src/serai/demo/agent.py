"""The demo's agents: one with tools that just run, one that asks before it acts, one whose caller does the work."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_ai import Agent, ModelRetry, RunContext

from serai.components.tool import tool
from serai.demo import script
from serai.demo.calculator import evaluate
from serai.demo.models import load_model
from serai.memory.options import Memory

_INSTRUCTIONS = "You are the demo agent of a Serai server. Be brief. Use your tools for arithmetic, time and notes."


def build_agent(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``my-agent``.

    Args:
        model: a pydantic-ai model string such as ``openai:gpt-5-mini``; None for the scripted model.

    Raises:
        ConfigurationError: the model string is unknown, or its provider lacks a key or a package.
    """
    return Agent(
        load_model(model, script.answer),
        name="my-agent",
        description="Computes, tells the time, keeps notes and remembers you.",
        instructions=_INSTRUCTIONS,
        tools=[calculate, clock, take_note, read_notes],
    )


def build_memory(model: str | None = None) -> Memory:
    """Return what ``my-agent`` remembers of its users; without a model a script reads what they wrote."""
    return Memory(model=None if model is not None else load_model(None, script.find_memories))


def build_careful_agent(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``careful-agent``, which asks before it deletes notes; else as `build_agent`."""
    return Agent(
        load_model(model, script.answer_carefully),
        name="careful-agent",
        description="Keeps notes, and asks you before it deletes them.",
        instructions=_INSTRUCTIONS,
        tools=[take_note, read_notes, delete_notes],
    )


def build_files_agent(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``files-agent``, whose caller reads the files; else as `build_agent`."""
    return Agent(
        load_model(model, script.answer_about_files),
        name="files-agent",
        description="Answers from files on your machine, which you read for it.",
        instructions="You are a demo agent of a Serai server. Be brief. Your caller reads files for you.",
        tools=[read_file],
    )


def calculate(expression: str) -> int | float:
    """Compute an arithmetic expression.

    Args:
        expression: numbers with + - * / // % ** and brackets, for example "2 * (3 + 4)".
    """
    try:
        return evaluate(expression)
    except ValueError as error:
        raise ModelRetry(str(error)) from error


def clock(timezone: str = "UTC") -> str:
    """Tell the date and time.

    Args:
        timezone: an IANA name, for example "Europe/Rome".
    """
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError) as error:
        raise ModelRetry(f"There is no time zone {timezone!r}; use an IANA name such as Europe/Rome.") from error
    return datetime.now(zone).isoformat(timespec="seconds")


def take_note(ctx: RunContext[Any], text: str) -> str:
    """Keep a note for the rest of the session.

    Args:
        ctx: the run, which knows its session.
        text: what to keep; keeping the same text twice keeps it once.
    """
    state = _session_state(ctx)
    notes = list(state.get("notes", []))
    if text not in notes:
        state["notes"] = [*notes, text]
    return f"Noted: {text}"


def read_notes(ctx: RunContext[Any]) -> list[str]:
    """List the notes of this session, oldest first."""
    return list(_session_state(ctx).get("notes", []))


@tool(requires_confirmation=True)
def delete_notes(ctx: RunContext[Any], containing: str = "") -> str:
    """Delete notes of this session.

    Args:
        ctx: the run, which knows its session.
        containing: a part of the text of the notes to delete; all notes without it.
    """
    state = _session_state(ctx)
    notes = list(state.get("notes", []))
    kept = [note for note in notes if containing.casefold() not in note.casefold()]
    state["notes"] = kept
    return f"Deleted {len(notes) - len(kept)} of {len(notes)} notes."


@tool(external=True)
def read_file(path: str) -> str:
    """Read a text file on the caller's machine.

    Args:
        path: the file, as the caller's machine names it.
    """
    raise NotImplementedError(f"the caller reads {path}, not the server")


def _session_state(ctx: RunContext[Any]) -> dict[str, Any]:
    # Outside a server there is no session: the notes of such a run end with it.
    state = getattr(ctx.deps, "session_state", None)
    return state if isinstance(state, dict) else {}
