"""Results and events of teams' runs."""

from __future__ import annotations

from serai.wire import team_events as _events
from serai.wire.runs import Message, RunInput, RunMetrics, TeamRunOutput
from serai.wire.status import RunStatus
from serai.wire.team_events import *  # noqa: F403 - every event class, as that module's __all__ lists them
from serai.wire.tools import RunRequirement

__all__ = ["Message", "RunInput", "RunMetrics", "RunRequirement", "RunStatus", "TeamRunOutput"]
__all__ += _events.__all__
