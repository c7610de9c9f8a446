"""What the demo's scripted model answers: plain rules that choose tools and phrase what they return. No LLM."""

from __future__ import annotations

import json
import re

from serai.testing import Asked, ToolCall, ToolResult, Turn

_EXPRESSION = re.compile(r"(?<![\w.])[-+(\d.][-+*/%().\d\s]*[-+*/%][-+*/%().\d\s]*[\d).]")
_CLOCK = re.compile(r"\b(time|clock|date|today|day is it)\b", re.IGNORECASE)
_READ_NOTES = re.compile(r"\b(my|the|all|show|list|read|which|what) (\w+ )?notes\b", re.IGNORECASE)
_DELETE_NOTES = re.compile(
    r"\b(delete|forget|remove|clear)\b.*?\bnotes?\b(?: (?:about|on|with|of) (?P<part>[^.?!]+))?",
    re.IGNORECASE | re.DOTALL,
)
_PATH = re.compile(r"[\"'“”`](?P<quoted>[^\"'“”`]+)[\"'“”`]|(?P<bare>[~./\\]\S+|\b[\w-]+\.[A-Za-z]\w{0,5}\b)")
_TAKE_NOTE = re.compile(
    r"\b(?:note(?: down)?(?: that)?|remember(?: that)?)\b[:,]?\s+(?P<text>.+)", re.IGNORECASE | re.DOTALL
)
_ABOUT_ME = re.compile(r"\b(know|remember)\b.*\b(about|of) me\b", re.IGNORECASE)
_FACT = re.compile(
    r"\b(?:I(?:'m| am| live| work| have| like| love| prefer)|my \w+ (?:is|are))\b[^.!?\n]+", re.IGNORECASE
)
_PASSAGE = re.compile(r"1\. From (?P<source>[^\n]+):\n(?P<text>.*?)(?=\n\n2\. From |\Z)", re.DOTALL)
_REMEMBERED = re.compile(r"^\d+\. (.+)$", re.MULTILINE)

NO_LLM = "(Scripted demo model, no LLM. Set SERAI_MODEL for a real one.)"
_INTRODUCTION = (
    "I am the demo agent of this Serai server, and I run on a script: no LLM reads this. "
    "I can compute (“What is 2 + 2?”), tell the time (“What time is it?”), keep a note (“Note: buy milk”), "
    "list what I kept (“Show my notes”) and say what I know about you (“What do you know about me?”). "
    "Set SERAI_MODEL, for example to openai:gpt-5-mini, for a real model."
)
_CAREFUL_INTRODUCTION = (
    "I keep notes and run on a script: no LLM reads this. Tell me “Note: buy milk”, then “Delete my notes”: "
    "I will ask you before I do. Set SERAI_MODEL for a real model."
)
_FILES_INTRODUCTION = (
    "I run on a script: no LLM reads this. Name a file (“How long is /etc/hosts?”) and I will ask you, my caller, "
    "to read it and send me its text. Set SERAI_MODEL for a real model."
)


def answer(asked: Asked) -> Turn:
    """Return the tools that fit the message, and once they have answered, the answer made of their results."""
    if asked.tool_results:
        return Turn("\n".join([*(_phrase(result, asked.message) for result in asked.tool_results), "", NO_LLM]))
    if _ABOUT_ME.search(asked.message):
        return Turn(f"{_tell_memories(asked.instructions)}\n\n{NO_LLM}")
    calls = _choose_tools(asked.message)
    if calls:
        return Turn(tools=calls)
    return Turn(f"{_INTRODUCTION}\n\nYou said: {asked.message}")


def find_memories(asked: Asked) -> Turn:
    """Return what the user says of themselves, as the model that looks for memories does."""
    said = json.loads(asked.message.rpartition("\n")[2])
    facts = [{"memory": f"Says: “{fact.strip()}”"} for fact in _FACT.findall(said)]
    return Turn(tools=[ToolCall(asked.tools[0], {"memories": facts})])


def answer_carefully(asked: Asked) -> Turn:
    """Return what the agent with the confirmed tool says: a call of one of its tools, then what came of it."""
    if asked.tool_results:
        return Turn("\n".join([*(_phrase(result, asked.message) for result in asked.tool_results), "", NO_LLM]))
    if wish := _DELETE_NOTES.search(asked.message):
        part = {"containing": wish["part"].strip()} if wish["part"] else {}
        return Turn("I have to ask you first. ", tools=[ToolCall("delete_notes", part)])
    calls = [call for call in _choose_tools(asked.message) if call.name in ("take_note", "read_notes")]
    return Turn(tools=calls) if calls else Turn(f"{_CAREFUL_INTRODUCTION}\n\nYou said: {asked.message}")


def answer_about_files(asked: Asked) -> Turn:
    """Return what the agent with the caller's tool says: which file to read, then how long it is."""
    if asked.tool_results:
        said = [_describe_file(result) for result in asked.tool_results]
        return Turn("\n".join([*said, "", NO_LLM]))
    if found := _PATH.search(asked.message):
        return Turn(tools=[ToolCall("read_file", {"path": found["quoted"] or found["bare"].rstrip(".,;:!?")})])
    return Turn(f"{_FILES_INTRODUCTION}\n\nYou said: {asked.message}")


def answer_from_documents(asked: Asked) -> Turn:
    """Return what the agent with documents says: a search for the message's words, then the best passage."""
    if not asked.tool_results:
        return Turn(tools=[ToolCall("search_knowledge_base", {"query": asked.message})])
    found = str(asked.tool_results[0].content)
    passage = _PASSAGE.match(found)
    said = f"{passage['source']} says:\n\n{passage['text'].strip()}" if passage is not None else found
    return Turn(f"{said}\n\n{NO_LLM}")


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


def _tell_memories(instructions: str) -> str:
    facts = _REMEMBERED.findall(instructions)
    if not facts:
        return "I know nothing about you yet. Tell me, as in “I live in Rome”, with a user_id, and ask me again."
    return "\n".join(["This I know about you:", *(f"- {fact}" for fact in facts)])


def _phrase(result: ToolResult, message: str) -> str:
    if result.outcome == "denied":
        return f"Then I leave your notes as they are. ({result.content})"
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


def _describe_file(result: ToolResult) -> str:
    if result.outcome != "success":
        return f"The file could not be read: {result.content}"
    lines = str(result.content).splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    return f"It has {len(lines)} lines and {len(str(result.content))} characters. It begins: {first[:80]}"
