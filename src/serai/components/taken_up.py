"""Goes on with a run whose code changed under it: from the messages that its journal holds, not from its first step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolCallPart, ToolReturnPart, UserContent, UserPromptPart

from serai.components.journalled import load_response
from serai.components.media import content_of
from serai.components.run_media import media_of
from serai.components.steps import MODEL_STEP, TOOL_STEP, call_name
from serai.engine.journal import Journal


@dataclass(slots=True)
class TakenUp:
    """What a journal holds of a segment.

    Attributes:
        messages: of the segment so far, in order.
        turn: the last model request among them.
        model_steps, tool_steps: their results, in order.
    """

    turn: int
    messages: list[ModelMessage] = field(default_factory=list)
    model_steps: list[dict[str, Any]] = field(default_factory=list)
    tool_steps: list[dict[str, Any]] = field(default_factory=list)


def take_up(journal: Journal, *, turn: int, pending: Iterable[Mapping[str, Any]] = ()) -> TakenUp | None:
    """Return what was done; calls of the last answer that were not are left to be made.

    Args:
        journal: of the segment.
        turn: the last model request of the segments before.
        pending: the tool executions that the run paused for, answered.

    Returns:
        None when a call that the run paused for was not made yet: then nothing has come after it either.
    """
    taken = TakenUp(turn)
    returns: list[ToolReturnPart | UserPromptPart] = []
    for call in pending:
        tool = call
        if tool["confirmed"] or (tool["requires_user_input"] and tool["answered"]):
            step = journal.result(TOOL_STEP, call_name(turn, tool["tool_call_id"]))
            if step is None:
                return None
            taken.tool_steps.append(step)
            tool = step["tool"]
        returns.append(_return_of(tool))
    while True:
        if returns:
            taken.messages.append(ModelRequest(parts=returns))
        step = journal.result(MODEL_STEP, str(taken.turn + 1))
        if step is None:
            return taken
        taken.turn += 1
        taken.model_steps.append(step)
        response = load_response(step)
        taken.messages.append(response)
        done = _done_calls(journal, taken.turn, response.tool_calls)
        if done is None:
            return taken
        taken.tool_steps += done
        returns = [*(_return_of(step["tool"]) for step in done), *_files_of(done)]


def _done_calls(journal: Journal, turn: int, calls: Iterable[ToolCallPart]) -> list[dict[str, Any]] | None:
    occurrences: Counter[str] = Counter()
    done = []
    for call in calls:
        occurrences[call.tool_call_id] += 1
        step = journal.result(TOOL_STEP, call_name(turn, call.tool_call_id, occurrences[call.tool_call_id]))
        if step is None or step["tool"] is None:
            return None
        done.append(step)
    return done


def _return_of(tool: Mapping[str, Any]) -> ToolReturnPart:
    return ToolReturnPart(
        tool["tool_name"],
        tool["result"],
        tool_call_id=tool["tool_call_id"],
        outcome="failed" if tool["tool_call_error"] else "success",
    )


def _files_of(steps: Iterable[Mapping[str, Any]]) -> list[UserPromptPart]:
    """Return the media that tools made, which stand beside their results; the bytes are not fetched."""
    contents: list[UserContent] = []
    for item in (item for step in steps for item in media_of(step)):
        contents += (f"This is file {item.shown.get('id')}:", content_of(item, {}))
    return [UserPromptPart(contents)] if contents else []
