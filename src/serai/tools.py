"""Tool calls of a run, and the answers that a paused run waits for."""

from serai.wire.tools import (
    RunRequirement,
    ToolCallMetrics,
    ToolExecution,
    UserFeedbackOption,
    UserFeedbackQuestion,
    UserInputField,
)

__all__ = [
    "RunRequirement",
    "ToolCallMetrics",
    "ToolExecution",
    "UserFeedbackOption",
    "UserFeedbackQuestion",
    "UserInputField",
]
