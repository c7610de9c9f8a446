"""Teams that follow scripts, and their parts, for tests of what teams do. Not a test itself."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent

import serai
from serai.testing import Asked, ScriptedModel, ToolCall, Turn

ONE, ALL = "delegate_task_to_member", "delegate_task_to_members"


def agent(name: str, *script: Turn | str, **options: Any) -> Agent[Any, Any]:
    return Agent(ScriptedModel(list(script)), name=name, **options)


def searcher() -> Agent[Any, Any]:
    return Agent(ScriptedModel(lambda asked: f"Found: {asked.message}."), name="searcher", description="Finds things.")


def writer() -> Agent[Any, Any]:
    return Agent(ScriptedModel(lambda asked: f"Written: {asked.message}."), name="writer")


def ask(member: str, task: str, **options: Any) -> ToolCall:
    return ToolCall(ONE, {"member_id": member, "task": task}, **options)


def sum_up(asked: Asked) -> str:
    return "Summary: " + " | ".join(str(result.content) for result in asked.tool_results)


def leader(*turns: Turn) -> ScriptedModel:
    return ScriptedModel(lambda asked: turns[asked.step] if asked.step < len(turns) else sum_up(asked))


@serai.tool(requires_confirmation=True)
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def careful(name: str = "careful") -> Agent[Any, Any]:
    def answer(asked: Asked) -> Turn | str:
        if asked.step == 0:
            return Turn("Let me see. ", tools=[ToolCall("delete_file", {"path": f"/{name}"}, id="same")])
        return f"Report: {asked.tool_results[0].content}"

    return Agent(ScriptedModel(answer), name=name, tools=[delete_file])


def confirmed(output: dict[str, Any], *, is_yes: bool = True) -> list[dict[str, Any]]:
    return [{"requirement_id": wanted["id"], "confirmed": is_yes} for wanted in output["requirements"]]
