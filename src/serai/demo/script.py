"""What the demo's scripted model answers: plain rules that choose tools and phrase what they return. No LLM."""

from __future__ import annotations

import re

from serai.testing import Asked, ToolCall, ToolResult, Turn

_EXPRESSION = re.compile(r"(?<![\w.])[-+(\d.][-+*/%().\d\s]*[-+*/%][-+*/%().\d\s]*[\d).]")
_CLOCK = re.compile(r"\b(time|clock|date|today|day is it)\b", re.IGNORECASE)
_READ_NOTES = re.compile(r"\b(my|the|all|show|list|read|which|what) (\w+ )?notes\b", re.IGNORECASE)
_TAKE_NOTE = re.compile(
    r"\b(?:note(?: down)?(?: that)?|remember(?: that)?)\b[:,]?\s+(?P<text>.+)", re.IGNORECASE | re.DOTALL
)

NO_LLM = "(Scripted demo model, no LLM. Set SERAI_MODEL for a real one.)"
_INTRODUCTION = (
    "I am the demo agent of this Serai server, and I run on a script: no LLM reads this. "
    "I can compute (“What is 2 + 2?”), tell the time (“What time is it?”), keep a note (“Note: buy milk”) "
    "and list what I kept (“Show my notes”). Set SERAI_MODEL, for example to openai:gpt-5-mini, for a real model."
)


def answer(asked: Asked) -> Turn:
    """Return the tools that fit the message, and once they have answered, the answer made of their results."""
    if asked.tool_results:
        return Turn("\n".join([*(_phrase(result, asked.message) for result in asked.tool_results), "", NO_LLM]))
    calls = _choose_tools(asked.message)
    if calls:
        return Turn(tools=calls)
    return Turn(f"{_INTRODUCTION}\n\nYou said: {asked.message}")


def find_expression(message: str) -> str | None:
    """Return the first arithmetic expression in a message, or None."""
    found = _EXPRESSION.search(message)
    return found.group().strip().rstrip(".") if found else None


def _choose_tools(message: str) -> list[ToolCall]:
    if _READ_NOTES.search(message):
        return [ToolCall("read_notes")]
    if note := _TAKE_NOTE.search(message):
        return [ToolCall("take_note", {"text": note["text"].strip()})]
    calls: list[ToolCall] = []
    if expression := find_expression(message):
        calls.append(ToolCall("calculate", {"expression": expression}))
    if _CLOCK.search(message):
        calls.append(ToolCall("clock"))
    return calls


def _phrase(result: ToolResult, message: str) -> str:
    if result.outcome != "success":
        return f"The tool {result.name} could not help: {result.content}"
    if result.name == "calculate":
        return f"{find_expression(message)} = {result.content}"
    if result.name == "clock":
        return f"It is {result.content}."
    if result.name == "read_notes":
        notes = result.content if isinstance(result.content, list) else []
        return "Your notes:\n" + "\n".join(f"- {note}" for note in notes) if notes else "You have no notes yet."
    return str(result.content)
