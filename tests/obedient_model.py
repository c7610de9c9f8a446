"""The model of the documented examples: it calls all its tools, asks all its members, else repeats what it was told.

It searches for what it was told, and what it is asked to remember it remembers. As the model that looks for memories it
finds worth it what begins with "I"; as a judge it is content with everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_ai.messages import ModelRequest

from serai.testing import Asked, ScriptedModel, ToolCall, Turn

_MEMBER: Final = re.compile(r"^- ([\w-]+)", re.MULTILINE)
_REMEMBER: Final = re.compile(r"Remember (.+)")
_FOUND: Final = "final_result"
_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "final_result": {"score": 9, "passed": True, "reason": "As it should be."},
    "delete_file": {"path": "draft.txt"},
    "note_fact": {"fact": "tea is green"},
    "order": {"article": "tea"},
}


def obey(asked: Asked) -> Turn | str:
    """Return the next call that is to be made, or when all were made what came of them."""
    if _FOUND in asked.tools and asked.message.startswith("Known:"):
        said = json.loads(asked.message.rpartition("\n")[2])
        return Turn(tools=[ToolCall(_FOUND, {"memories": [{"memory": said}] if said.startswith("I ") else []})])
    calls = list(_calls(asked))
    done = [str(result.content) for result in asked.tool_results]
    if len(done) < len(calls):
        return Turn(tools=[calls[len(done)]])
    return " + ".join(done) if done else f"[{_instructions(asked)}] {asked.message}"


def _calls(asked: Asked) -> Iterator[ToolCall]:
    for name in asked.tools:
        if name in _ARGUMENTS:
            yield ToolCall(name, _ARGUMENTS[name])
    if "search_knowledge_base" in asked.tools:
        yield ToolCall("search_knowledge_base", {"query": asked.message})
    if "remember" in asked.tools and (fact := _REMEMBER.match(asked.message)):
        yield ToolCall("remember", {"memory": fact[1]})
    if "delegate_task_to_members" in asked.tools:
        yield ToolCall("delegate_task_to_members", {"task": asked.message})
    if "delegate_task_to_member" in asked.tools:
        for member in _members(asked):
            yield ToolCall("delegate_task_to_member", {"member_id": member, "task": asked.message})


def _members(asked: Asked) -> list[str]:
    """Return the members that a leader is told about; of those to choose from the one that the message names."""
    told = _instructions(asked)
    members = _MEMBER.findall(told.rpartition("The members, by their member_id:")[2])
    if "Choose the one member" not in told:
        return members
    return [next(member for member in members if member in asked.message.lower())]


def _instructions(asked: Asked) -> str:
    told = [message.instructions for message in asked.messages if isinstance(message, ModelRequest)]
    return told[-1] or ""


MODEL: Final = ScriptedModel(obey, model_name="obedient")
