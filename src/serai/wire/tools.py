"""Tool calls of a run, and what a paused run asks of a person before it goes on."""

from __future__ import annotations

from typing import Any

from serai.wire.model import OpenModel, WireModel


class ToolCallMetrics(WireModel):
    """How long a tool call took: Unix seconds and seconds."""

    start_time: float | None = None
    end_time: float | None = None
    duration: float | None = None


class UserInputField(OpenModel):
    """One value that a tool call wants from a person; set ``value``."""

    name: str | None = None
    field_type: str | None = None
    description: str | None = None
    value: Any = None


class UserFeedbackOption(OpenModel):
    """One answer a person can choose."""

    label: str | None = None
    description: str | None = None
    selected: bool | None = None


class UserFeedbackQuestion(OpenModel):
    """A question with options; set ``selected_options`` to the labels chosen."""

    question: str | None = None
    header: str | None = None
    options: list[UserFeedbackOption] | None = None
    multi_select: bool | None = None
    selected_options: list[str] | None = None


class ToolExecution(OpenModel):
    """One tool call: its arguments, its outcome, and the answer that a paused run waits for."""

    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_args: dict[str, Any] | None = None
    tool_call_error: bool | None = None
    result: str | None = None
    metrics: ToolCallMetrics | None = None
    child_run_id: str | None = None
    stop_after_tool_call: bool | None = None
    created_at: int | None = None
    requires_confirmation: bool | None = None
    confirmed: bool | None = None
    confirmation_note: str | None = None
    requires_user_input: bool | None = None
    user_input_schema: list[UserInputField] | None = None
    user_feedback_schema: list[UserFeedbackQuestion] | None = None
    answered: bool | None = None
    external_execution_required: bool | None = None
    external_execution_silent: bool | None = None
    approval_type: str | None = None
    approval_id: str | None = None
    parent_tool_call_id: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the call waits for a person or for a result from outside."""
        return bool(self.requires_confirmation or self.requires_user_input or self.external_execution_required)


class RunRequirement(OpenModel):
    """What a paused run needs before it goes on; ``created_at`` is ISO 8601."""

    id: str | None = None
    created_at: str | None = None
    tool_execution: ToolExecution | None = None
    confirmation: bool | None = None
    confirmation_note: str | None = None
    external_execution_result: str | None = None
    user_input_schema: list[UserInputField] | None = None
    user_feedback_schema: list[UserFeedbackQuestion] | None = None
    member_agent_id: str | None = None
    member_agent_name: str | None = None
    member_run_id: str | None = None
