"""What an agent's tools learn about the run they work for: ``ctx.deps``."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

current_tool_call: ContextVar[str | None] = ContextVar("serai_tool_call", default=None)


@dataclass(slots=True, kw_only=True)
class RunDeps:
    """The dependencies Serai gives to an agent without a ``deps_type`` of its own.

    Attributes:
        session_state: the session's state; what a tool changes in it is kept, member by member.
        dependencies, metadata, knowledge_filters: as the caller sent them.
    """

    run_id: str
    session_id: str
    user_id: str | None
    session_state: dict[str, Any] = field(default_factory=dict)
    dependencies: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    knowledge_filters: Any = None

    @property
    def idempotency_key(self) -> str:
        """Names this tool call for ever: send it along, for a call in flight when a node dies is made again.

        Run, turn and the model's id of the call: ``01a1…:2/call_0``. Models number their calls anew in each turn.
        """
        return f"{self.run_id}:{current_tool_call.get()}"
