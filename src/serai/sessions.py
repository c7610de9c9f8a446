"""Sessions and their runs, as the clients return them, and what a caller names when it asks for them."""

from serai.wire.runs import RunSchema, TeamRunSchema
from serai.wire.sessions import (
    AgentSessionDetailSchema,
    SessionDetail,
    SessionPage,
    SessionRun,
    SessionRunPreviewSchema,
    SessionSchema,
    SessionType,
    TeamSessionDetailSchema,
    WorkflowSessionDetailSchema,
)
from serai.wire.workflow_runs import WorkflowRunSchema

__all__ = [
    "AgentSessionDetailSchema",
    "RunSchema",
    "SessionDetail",
    "SessionPage",
    "SessionRun",
    "SessionRunPreviewSchema",
    "SessionSchema",
    "SessionType",
    "TeamRunSchema",
    "TeamSessionDetailSchema",
    "WorkflowRunSchema",
    "WorkflowSessionDetailSchema",
]
