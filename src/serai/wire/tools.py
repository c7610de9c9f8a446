"""Tool calls of a run, and what a paused run asks of a person before it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from serai.wire.model import OpenModel, WireModel

PauseType: TypeAlias = Literal["confirmation", "user_input", "user_feedback", "external_execution"]
"""What a call may wait for."""


class ToolCallMetrics(WireModel):
    """How long a tool call took: Unix seconds and seconds."""

    start_time: float | None = None
    end_time: float | None = None
    duration: float | None = None


class UserInputField(OpenModel):
    """One value that a tool call or a step wants from a person; set ``value``."""

    name: str | None = None
    field_type: str | None = None
    description: str | None = None
    value: Any = None
    required: bool | None = None
    allowed_values: list[Any] | None = None

    @property
    def is_required(self) -> bool:
        """Whether there is no going on without a value; servers that do not say want one."""
        return self.required is not False

    def check(self, value: Any) -> None:
        """Refuse a value that is not among ``allowed_values`` with a `ValueError` that tells them."""
        if self.allowed_values and value not in self.allowed_values:
            allowed = ", ".join(map(str, self.allowed_values))
            raise ValueError(f"{self.name}: {value!r} is not allowed; one of these is: {allowed}")


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

    def select(self, labels: Sequence[str]) -> None:
        """Choose options by their labels."""
        self.selected_options = list(labels)
        for option in self.options or ():
            option.selected = option.label in self.selected_options


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
        """Whether the call waits, or waited, for a person or for a result from outside."""
        return bool(
            self.requires_confirmation
            or self.requires_user_input
            or self.user_feedback_schema
            or self.external_execution_required
        )

    @property
    def needs(self) -> PauseType | None:
        """What the call still waits for, or None."""
        if self.user_feedback_schema:
            return None if self.answered else "user_feedback"
        if self.external_execution_required:
            return "external_execution" if self.result is None else None
        if self.requires_user_input:
            return None if self.answered else "user_input"
        return "confirmation" if self.requires_confirmation and self.confirmed is None else None


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

    @property
    def needs(self) -> PauseType | None:
        """What is still to be answered, or None."""
        return None if self.tool_execution is None else self.tool_execution.needs

    @property
    def needs_confirmation(self) -> bool:
        """Whether it takes `confirm` or `reject`."""
        return self.needs == "confirmation"

    @property
    def needs_user_input(self) -> bool:
        """Whether it takes `provide_user_input`."""
        return self.needs == "user_input"

    @property
    def needs_user_feedback(self) -> bool:
        """Whether it takes `provide_user_feedback`."""
        return self.needs == "user_feedback"

    @property
    def needs_external_execution(self) -> bool:
        """Whether it takes `set_external_execution_result`."""
        return self.needs == "external_execution"

    def is_resolved(self) -> bool:
        """Return whether it is answered."""
        return self.needs is None

    def confirm(self) -> None:
        """Let the call be made; `ValueError` when it does not wait for that, as from the other answers."""
        self._expect("confirmation").confirmed = self.confirmation = True

    def reject(self, note: str | None = None) -> None:
        """Refuse the call; the model is told the note."""
        tool = self._expect("confirmation")
        tool.confirmed = self.confirmation = False
        tool.confirmation_note = self.confirmation_note = note

    def provide_user_input(self, values: Mapping[str, Any]) -> None:
        """Fill fields in by name; the call is answered when no field is without a value that needs one."""
        tool = self._expect("user_input")
        fields = tool.user_input_schema or []
        for field in fields:
            field.value = values.get(field.name or "", field.value)
        tool.answered = not any(field.value is None and field.is_required for field in fields)
        self.user_input_schema = tool.user_input_schema

    def provide_user_feedback(self, selections: Mapping[str, Sequence[str]]) -> None:
        """Select the labels of options, by the text of their question."""
        tool = self._expect("user_feedback")
        questions = tool.user_feedback_schema or []
        for question in questions:
            if (chosen := selections.get(question.question or "")) is not None:
                question.select(chosen)
        tool.answered = all(question.selected_options for question in questions)
        self.user_feedback_schema = tool.user_feedback_schema

    def set_external_execution_result(self, result: str) -> None:
        """Say what came of the call, which the caller made."""
        self._expect("external_execution").result = self.external_execution_result = result

    def take_answer(self) -> None:
        """Take over the answer that was set on the call itself."""
        tool = self.tool_execution
        if tool is not None:
            self.confirmation, self.confirmation_note = tool.confirmed, tool.confirmation_note
            self.user_input_schema, self.user_feedback_schema = tool.user_input_schema, tool.user_feedback_schema
            self.external_execution_result = tool.result if tool.external_execution_required else None

    def _expect(self, wanted: PauseType) -> ToolExecution:
        if self.tool_execution is None or self.needs != wanted:
            raise ValueError(f"This requirement waits for {self.needs or 'nothing'}, not for {wanted}")
        return self.tool_execution
