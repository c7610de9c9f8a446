"""What a paused run waits for, in words, and the command that continues it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serai.cli.invocation import own_command
from serai.cli.remote import DEFAULT_URL
from serai.cli.tables import printable, shortened

if TYPE_CHECKING:
    from serai.wire.tools import ToolExecution, UserInputField


def pending_calls(run: Any) -> list[ToolExecution]:
    """Return the calls of a run, or of its ``RunPaused`` event, that wait for an answer."""
    return [tool for tool in run.tools or () if tool.needs]


def describe_pause(run: Any, *, url: str) -> str:
    """Return lines that say what a paused run waits for and how to go on."""
    pending = pending_calls(run)
    waiting = [f"  {call_text(tool)} waits for {_want(tool)}" for tool in pending]
    lines = [*waiting, "go on with:", f"  {continue_command(run, url=url)}"]
    if any(tool.needs == "confirmation" for tool in pending):
        lines.append('  (to refuse a call: --reject instead of --confirm, and --note "why")')
    return "\n".join(lines)


def continue_command(run: Any, *, url: str) -> str:
    """Return the command that answers all that a run waits for; capital words are to be replaced."""
    flags = [flag for tool in pending_calls(run) for flag in _flags(tool)]
    return " ".join([f"{own_command()} runs continue {run.agent_id} {run.run_id}", *flags]) + url_flag(url)


def follow_command(agent: str, run_id: str, *, url: str) -> str:
    """Return the command that watches a run."""
    return f"{own_command()} runs follow {agent} {run_id}{url_flag(url)}"


def url_flag(url: str) -> str:
    """Return the flag that makes a command speak to this server, or nothing where it does so anyway."""
    return "" if url == os.environ.get("SERAI_URL", DEFAULT_URL) else f" --url {shlex.quote(url)}"


def call_text(tool: ToolExecution) -> str:
    """Return a tool call as people write it."""
    arguments = ", ".join(
        f"{name}={shortened(json.dumps(value, ensure_ascii=False))}" for name, value in (tool.tool_args or {}).items()
    )
    return f"{printable(tool.tool_name or 'a tool')}({arguments})"


def open_fields(tool: ToolExecution) -> list[UserInputField]:
    """Return the fields of a call that have no value yet."""
    return [field for field in tool.user_input_schema or () if field.value is None]


def _want(tool: ToolExecution) -> str:
    match tool.needs:
        case "external_execution":
            return "its result"
        case "user_input":
            return "values: " + ", ".join(printable(field.name or "") for field in open_fields(tool))
        case "user_feedback":
            return "a choice: " + "; ".join(map(_question_text, tool.user_feedback_schema or ()))
        case _:
            return "a yes or no"


def _question_text(question: Any) -> str:
    labels = ", ".join(option.label or "" for option in question.options or ())
    return printable(f"{question.question} ({labels})" if labels else str(question.question))


def _flags(tool: ToolExecution) -> Sequence[str]:
    call = shlex.quote(tool.tool_call_id or "")
    match tool.needs:
        case "external_execution":
            return [f"--result {call}=TEXT"]
        case "user_input":
            return [f"--input {call}.{field.name}=VALUE" for field in open_fields(tool)]
        case "user_feedback":
            return [f"--select {call}=LABEL" for _ in tool.user_feedback_schema or ()]
        case _:
            return [f"--confirm {call}"]
