"""Results and events of agents' runs."""

from __future__ import annotations

from serai.wire import agent_events as _events
from serai.wire.agent_events import *  # noqa: F403 - every event class, as that module's __all__ lists them
from serai.wire.event_names import RunEvent
from serai.wire.runs import Message, RunInput, RunMetrics, RunOutput, RunSchema
from serai.wire.status import RunStatus
from serai.wire.streamed_text import StreamedText
from serai.wire.tools import RunRequirement

__all__ = [
    "Message",
    "RunEvent",
    "RunInput",
    "RunMetrics",
    "RunOutput",
    "RunRequirement",
    "RunSchema",
    "RunStatus",
    "StreamedText",
]
__all__ += _events.__all__
