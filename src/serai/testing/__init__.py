"""For tests of agents, ours and yours: a scripted model that needs no network and always answers the same."""

from __future__ import annotations

from serai.errors import ScriptError
from serai.testing.script import Asked, Rule, ToolCall, ToolResult, Turn, provider_error
from serai.testing.scripted_model import ScriptedModel

__all__ = [
    "Asked",
    "Rule",
    "ScriptError",
    "ScriptedModel",
    "ToolCall",
    "ToolResult",
    "Turn",
    "provider_error",
]
