"""For tests of agents, ours and yours: models that follow a script or hash words, a server in the test's process."""

from __future__ import annotations

from serai.errors import ScriptError
from serai.testing.hashed_embedding import HashedEmbeddingModel
from serai.testing.script import Asked, Rule, ToolCall, ToolResult, Turn, provider_error
from serai.testing.scripted_model import ScriptedModel
from serai.testing.serving import serving

__all__ = [
    "Asked",
    "HashedEmbeddingModel",
    "Rule",
    "ScriptError",
    "ScriptedModel",
    "ToolCall",
    "ToolResult",
    "Turn",
    "provider_error",
    "serving",
]
