"""An agent for steps of workflows that waits for a person. Not a test itself."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent

import serai
from serai.testing import Asked, ScriptedModel, ToolCall, Turn


def asker(name: str = "asker") -> Agent[Any, Any]:
    """Return an agent that deletes a file if it may, and reports."""

    def answer(asked: Asked) -> Turn | str:
        if asked.tool_results:
            return f"Report: {asked.tool_results[-1].content}"
        return Turn(tools=[ToolCall("delete_file", {"path": "/tmp/x"}, id=f"call-{name}")])

    return Agent(ScriptedModel(answer), name=name, tools=[serai.tool(requires_confirmation=True)(delete_file)])


def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"
