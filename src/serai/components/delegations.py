"""The calls with which a team's leader gives work to members, as they stand among its messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, SystemPromptPart, ToolReturnPart

TO_ONE: Final = "delegate_task_to_member"
TO_ALL: Final = "delegate_task_to_members"
DELEGATIONS: Final = (TO_ONE, TO_ALL)


def is_delegation(tool_name: str) -> bool:
    """Return whether a tool is one of those that give work to members."""
    return tool_name in DELEGATIONS


def is_only_call(messages: Sequence[ModelMessage]) -> bool:
    """Return whether the leader's last answer makes no more than one call."""
    return len(next(message for message in reversed(messages) if isinstance(message, ModelResponse)).tool_calls) == 1


def is_answered_by_members(messages: Sequence[ModelMessage]) -> bool:
    """Return whether the model would be asked about nothing but answers of members."""
    last = messages[-1]
    if not isinstance(last, ModelRequest):
        return False
    returns = [part for part in last.parts if isinstance(part, ToolReturnPart)]
    others = [part for part in last.parts if not isinstance(part, ToolReturnPart | SystemPromptPart)]
    return (
        bool(returns)
        and not others
        and all(is_delegation(part.tool_name) and part.outcome == "success" for part in returns)
    )
