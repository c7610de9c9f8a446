"""Tool calls, their results and durations, as people read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from serai.cli.tables import printable, shortened

if TYPE_CHECKING:
    from serai.wire.tools import ToolExecution


def call_text(tool: ToolExecution) -> str:
    """Return a tool call as people write it."""
    arguments = ", ".join(
        f"{name}={shortened(json.dumps(value, ensure_ascii=False))}" for name, value in (tool.tool_args or {}).items()
    )
    return f"{printable(tool.tool_name or 'a tool')}({arguments})"


def outcome_text(tool: ToolExecution) -> str:
    """Return a call's result; of one that was answered by a person and waits to be made, that answer."""
    if not tool.is_paused or tool.result is not None or tool.metrics is not None:
        return shortened(content_text(tool.result))
    if tool.confirmed is None:
        return "answered, not made yet"
    return "approved, not made yet" if tool.confirmed else "refused"


def content_text(content: Any) -> str:
    """Return an answer's content as text; what is no text as JSON."""
    return content if isinstance(content, str) else json.dumps(content, default=str, ensure_ascii=False)


def duration_text(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(seconds * 1000))} ms"
