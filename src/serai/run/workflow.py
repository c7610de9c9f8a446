"""Results and events of workflows' runs."""

from __future__ import annotations

from serai.wire import workflow_events as _events
from serai.wire.status import RunStatus
from serai.wire.workflow_events import *  # noqa: F403 - every event class, as that module's __all__ lists them
from serai.wire.workflow_runs import StepOutput, StepRequirement, WorkflowMetrics, WorkflowRunOutput

__all__ = ["RunStatus", "StepOutput", "StepRequirement", "WorkflowMetrics", "WorkflowRunOutput"]
__all__ += _events.__all__
