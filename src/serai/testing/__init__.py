"""For tests of agents, ours and yours: a model that follows a script, and a server in the test's own process."""

from __future__ import annotations

from serai.errors import ScriptError
from serai.testing.script import Asked, Rule, ToolCall, ToolResult, Turn, provider_error
from serai.testing.scripted_model import ScriptedModel
from serai.testing.serving import serving

__all__ = [
    "Asked",
    "Rule",
    "ScriptError",
    "ScriptedModel",
    "ToolCall",
    "ToolResult",
    "Turn",
    "provider_error",
    "serving",
]
