"""Results and events of workflows' runs, and what a paused workflow waits for."""

from __future__ import annotations

from serai.wire import workflow_events as _events
from serai.wire.event_names import WorkflowRunEvent
from serai.wire.runs import RunMetrics, RunOutput, TeamRunOutput
from serai.wire.status import RunStatus
from serai.wire.steps import ErrorRequirement, StepMetrics, StepOutput, StepRequirement, WorkflowMetrics
from serai.wire.streamed_text import StreamedText
from serai.wire.tools import RunRequirement
from serai.wire.workflow_events import *  # noqa: F403 - every event class, as that module's __all__ lists them
from serai.wire.workflow_runs import WorkflowRunOutput, WorkflowRunSchema

__all__ = [
    "ErrorRequirement",
    "RunMetrics",
    "RunOutput",
    "RunRequirement",
    "RunStatus",
    "StepMetrics",
    "StepOutput",
    "StepRequirement",
    "StreamedText",
    "TeamRunOutput",
    "WorkflowMetrics",
    "WorkflowRunEvent",
    "WorkflowRunOutput",
    "WorkflowRunSchema",
]
__all__ += _events.__all__
