"""What a workflow's step answered, what it cost, and what it asks of a person before the workflow goes on."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

from serai.wire.media import Audio, File, Image, Video
from serai.wire.model import OpenModel, WireModel
from serai.wire.runs import RunMetrics
from serai.wire.tools import RunRequirement, UserInputField

StepIndex: TypeAlias = int | list[int]
"""A step's place; inside nested constructs a list, the outermost first."""

StepPause: TypeAlias = Literal["confirmation", "output_review", "user_input", "route_selection", "executor"]
"""What a step may wait for."""


class StepMetrics(WireModel):
    """What one step cost."""

    step_name: str | None = None
    executor_type: str | None = None
    executor_name: str | None = None
    metrics: RunMetrics | None = None


class WorkflowMetrics(WireModel):
    """What a workflow cost, by step name; ``duration`` in seconds; ``cost`` in US dollars, where prices are known."""

    steps: dict[str, StepMetrics] | None = None
    cost: float | None = None
    duration: float | None = None


class StepOutput(WireModel):
    """What one step answered; nested steps in ``steps``."""

    step_name: str | None = None
    step_id: str | None = None
    step_type: str | None = None
    executor_type: str | None = None
    executor_name: str | None = None
    content: Any = None
    step_run_id: str | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    files: list[File] | None = None
    metrics: RunMetrics | None = None
    success: bool | None = None
    error: str | None = None
    stop: bool | None = None
    is_paused: bool | None = None
    steps: list[StepOutput] | None = None


def _flattened(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [one for item in value for one in (item if isinstance(item, list) else [item])]


def _in_rounds(value: Any) -> Any:
    return [item if isinstance(item, list) else [item] for item in value] if isinstance(value, list) else value


StepOutputs = Annotated[list[StepOutput], BeforeValidator(_flattened)]
"""What several steps answered; lists in it, as the published classes allow them, are read as their items."""

Rounds = Annotated[list[list[StepOutput]], BeforeValidator(_in_rounds)]
"""What the steps of a loop answered, round by round."""


class StepRequirement(OpenModel):
    """What a paused step needs before the workflow goes on; answer it by one of the methods.

    ``timeout_at`` is ISO 8601; ``on_reject`` (skip, cancel, else, retry) is what a no leads to, ``on_timeout`` (cancel,
    skip, approve) what silence leads to.
    """

    step_id: str | None = None
    step_name: str | None = None
    step_index: StepIndex | None = None
    step_type: str | None = None
    requires_confirmation: bool | None = None
    confirmation_message: str | None = None
    confirmed: bool | None = None
    on_reject: str | None = None
    requires_user_input: bool | None = None
    user_input_message: str | None = None
    user_input_schema: list[UserInputField] | None = None
    user_input: dict[str, Any] | None = None
    requires_route_selection: bool | None = None
    available_choices: list[str] | None = None
    allow_multiple_selections: bool | None = None
    selected_choices: list[str] | None = None
    requires_output_review: bool | None = None
    output_review_message: str | None = None
    is_post_execution: bool | None = None
    step_output: StepOutput | None = None
    edited_output: Any = None
    rejection_feedback: str | None = None
    retry_count: int | None = None
    max_retries: int | None = None
    timeout_at: str | None = None
    on_timeout: str | None = None
    step_input: dict[str, Any] | None = None
    requires_executor_input: bool | None = None
    executor_requirements: list[RunRequirement] | None = None
    executor_id: str | None = None
    executor_name: str | None = None
    executor_run_id: str | None = None
    executor_type: str | None = None
    executor_session_id: str | None = None

    @property
    def needs(self) -> StepPause | None:
        """What is still to be answered, or None."""
        if self.requires_output_review or self.requires_confirmation:
            if self.confirmed is None:
                return "output_review" if self.requires_output_review else "confirmation"
            if not self.confirmed:
                return None  # a step that is rejected takes nothing else
        if self.requires_user_input and (self.user_input is None or self.missing_fields):
            return "user_input"
        if self.requires_route_selection and not self.selected_choices:
            return "route_selection"
        if self.requires_executor_input and self.active_executor_requirements:
            return "executor"
        return None

    @property
    def is_resolved(self) -> bool:
        """Whether it is answered."""
        return self.needs is None

    @property
    def needs_confirmation(self) -> bool:
        """Whether it takes `confirm` or `reject` before the step is made."""
        return self.needs == "confirmation"

    @property
    def needs_output_review(self) -> bool:
        """Whether it takes `confirm`, `edit` or `reject` of what the step has answered."""
        return self.needs == "output_review"

    @property
    def needs_user_input(self) -> bool:
        """Whether it takes `set_user_input`."""
        return self.needs == "user_input"

    @property
    def needs_route_selection(self) -> bool:
        """Whether it takes `select`."""
        return self.needs == "route_selection"

    @property
    def needs_executor_resolution(self) -> bool:
        """Whether `active_executor_requirements` are to be answered, each by its own methods."""
        return self.needs == "executor"

    @property
    def active_executor_requirements(self) -> list[RunRequirement]:
        """What the step's agent or team still waits for."""
        return [one for one in self.executor_requirements or () if not one.is_resolved()]

    @property
    def missing_fields(self) -> list[UserInputField]:
        """The fields that need a value and have none."""
        return [field for field in self.user_input_schema or () if field.is_required and field.value is None]

    def confirm(self) -> None:
        """Let the step be made, or its answer stand; `ValueError` when it does not wait for that."""
        self._expect("confirmation", "output_review")
        self.confirmed = True

    def reject(self, note: str | None = None) -> None:
        """Say no; ``on_reject`` tells what follows, and an agent that tries again is told the note."""
        self._expect("confirmation", "output_review")
        self.confirmed, self.rejection_feedback = False, note

    def edit(self, new_output: Any) -> None:
        """Have the workflow go on with another answer than the step's."""
        self._expect("output_review")
        self.confirmed, self.edited_output = True, new_output

    def set_user_input(self, **values: Any) -> None:
        """Give values by the names of their fields; `ValueError` names one that is unknown or not allowed."""
        fields = {field.name: field for field in self.user_input_schema or ()}
        for name, value in values.items():
            if not fields:
                continue  # a step without a schema takes any
            if name not in fields:
                known = ", ".join(str(field) for field in fields)
                raise ValueError(f"The step {self.step_name} has no field {name!r}; it has: {known}")
            fields[name].check(value)
        for name, value in values.items():
            if name in fields:
                fields[name].value = value
        self.user_input = {**(self.user_input or {}), **values}

    def select(self, *choices: str) -> None:
        """Choose the steps that a router is to make, by their names."""
        offered = self.available_choices or []
        if len(choices) > 1 and not self.allow_multiple_selections:
            raise ValueError(f"The step {self.step_name} takes one choice of: {', '.join(offered)}")
        if unknown := [choice for choice in choices if offered and choice not in offered]:
            raise ValueError(f"The step {self.step_name} has no choice {unknown[0]!r}; it has: {', '.join(offered)}")
        self.selected_choices = list(choices)

    def _expect(self, *wanted: StepPause) -> None:
        if self.needs not in wanted:
            raise ValueError(f"The step {self.step_name} waits for {self.needs or 'nothing'}, not for {wanted[0]}")


class ErrorRequirement(OpenModel):
    """A step that failed and whose workflow waits for a decision: ``retry`` or ``skip``."""

    step_id: str | None = None
    step_name: str | None = None
    step_index: StepIndex | None = None
    error_message: str | None = None
    error_type: str | None = None
    retry_count: int | None = None
    decision: str | None = None

    @property
    def needs(self) -> Literal["decision"] | None:
        """What is still to be answered, or None."""
        return "decision" if self.decision is None else None

    @property
    def is_resolved(self) -> bool:
        """Whether it is decided."""
        return self.decision is not None

    def retry(self) -> None:
        """Have the step made again."""
        self.decision = "retry"

    def skip(self) -> None:
        """Go on without the step."""
        self.decision = "skip"
