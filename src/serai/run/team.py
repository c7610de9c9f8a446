"""Results and events of teams' runs."""

from __future__ import annotations

from serai.wire import team_events as _events
from serai.wire.event_names import TeamRunEvent
from serai.wire.runs import Message, RunInput, RunMetrics, RunOutput, RunSchema, TeamRunOutput
from serai.wire.status import RunStatus
from serai.wire.streamed_text import StreamedText
from serai.wire.team_events import *  # noqa: F403 - every event class, as that module's __all__ lists them
from serai.wire.tools import RunRequirement, ToolExecution

TeamRunInput = RunInput
"""What a team was asked; the name that the published module gives it."""

__all__ = [
    "Message",
    "RunInput",
    "RunMetrics",
    "RunOutput",
    "RunRequirement",
    "RunSchema",
    "RunStatus",
    "StreamedText",
    "TeamRunEvent",
    "TeamRunInput",
    "TeamRunOutput",
    "ToolExecution",
]
__all__ += _events.__all__
