"""Events of a workflow's run, one class for each name; its agents' and teams' events come between them."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from serai.wire.agent_events import BaseAgentRunEvent
from serai.wire.events import BaseEvent, CustomEvent, UnknownEvent
from serai.wire.media import Audio, Image, Video
from serai.wire.status import Status
from serai.wire.steps import (
    ErrorRequirement,
    Rounds,
    StepIndex,
    StepOutput,
    StepOutputs,
    StepRequirement,
    WorkflowMetrics,
)
from serai.wire.team_events import BaseTeamRunEvent
from serai.wire.tools import RunRequirement, UserInputField
from serai.wire.workflow_runs import ExecutorRuns


class BaseWorkflowRunEvent(BaseEvent):
    """What every event of a workflow has."""

    workflow_id: str | None = None
    workflow_name: str | None = None
    step_id: str | None = None
    parent_step_id: str | None = None


class BaseStepEvent(BaseWorkflowRunEvent):
    """What every event of a step has; ``step_index`` is a list inside nested constructs."""

    step_name: str | None = None
    step_index: StepIndex | None = None


class WorkflowStartedEvent(BaseWorkflowRunEvent):
    """The workflow has begun."""

    event: str = "WorkflowStarted"


class WorkflowAgentStartedEvent(BaseWorkflowRunEvent):
    """The workflow's own agent begins."""

    event: str = "WorkflowAgentStarted"


class WorkflowAgentCompletedEvent(BaseWorkflowRunEvent):
    """The workflow's own agent has ended."""

    event: str = "WorkflowAgentCompleted"


class WorkflowCompletedEvent(BaseWorkflowRunEvent):
    """The workflow has ended well; ``content`` is the result."""

    event: str = "WorkflowCompleted"
    content_type: str | None = None
    step_results: StepOutputs | None = None
    step_executor_runs: ExecutorRuns = None
    metadata: dict[str, Any] | None = None
    metrics: WorkflowMetrics | None = None


class WorkflowPausedEvent(BaseWorkflowRunEvent):
    """The workflow waits for an answer; ``step_requirements`` say which."""

    event: str = "WorkflowPaused"
    status: Status | None = None
    paused_step_index: int | None = None
    paused_step_name: str | None = None
    pause_kind: str | None = None
    step_requirements: list[StepRequirement] | None = None
    error_requirements: list[ErrorRequirement] | None = None
    step_results: StepOutputs | None = None
    step_executor_runs: ExecutorRuns = None
    metadata: dict[str, Any] | None = None

    @property
    def active_step_requirements(self) -> list[StepRequirement]:
        """The requirements that are not answered yet."""
        return [requirement for requirement in self.step_requirements or () if not requirement.is_resolved]


class WorkflowErrorEvent(BaseWorkflowRunEvent):
    """The workflow has failed; ``error`` says why."""

    event: str = "WorkflowError"
    error: str | None = None
    error_type: str | None = None
    error_id: str | None = None
    additional_data: dict[str, Any] | None = None


class WorkflowCancelledEvent(BaseWorkflowRunEvent):
    """The workflow was cancelled."""

    event: str = "WorkflowCancelled"
    reason: str | None = None


class StepStartedEvent(BaseStepEvent):
    """A step begins."""

    event: str = "StepStarted"


class StepCompletedEvent(BaseStepEvent):
    """A step has ended; ``content`` is its result."""

    event: str = "StepCompleted"
    content_type: str | None = None
    step_response: StepOutput | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    response_audio: Audio | None = None


class StepOutputEvent(BaseStepEvent):
    """What a function step returned; ``content`` is that of ``step_output``."""

    event: str = "StepOutput"
    step_output: StepOutput | None = None

    @model_validator(mode="after")
    def _take_content(self) -> Self:
        if self.content is None and self.step_output is not None:
            self.content = self.step_output.content
        return self


class StepProgressEvent(BaseStepEvent):
    """A step tells how far it is."""

    event: str = "StepProgress"
    attempt: int | None = None
    data: Any = None


class StepErrorEvent(BaseStepEvent):
    """A step has failed."""

    event: str = "StepError"
    error: str | None = None


class StepPausedEvent(BaseStepEvent):
    """A step waits for a person."""

    event: str = "StepPaused"
    requires_confirmation: bool | None = None
    confirmation_message: str | None = None
    requires_user_input: bool | None = None
    user_input_message: str | None = None
    user_input_schema: list[UserInputField] | None = None


class StepContinuedEvent(BaseStepEvent):
    """A paused step goes on."""

    event: str = "StepContinued"


class StepExecutorPausedEvent(BaseStepEvent):
    """A step's agent or team waits for an answer."""

    event: str = "StepExecutorPaused"
    executor_id: str | None = None
    executor_name: str | None = None
    executor_run_id: str | None = None
    executor_type: str | None = None
    executor_requirements: list[RunRequirement] | None = None


class StepExecutorContinuedEvent(BaseStepEvent):
    """A step's agent or team goes on."""

    event: str = "StepExecutorContinued"
    executor_id: str | None = None
    executor_name: str | None = None
    executor_run_id: str | None = None
    executor_type: str | None = None


class StepOutputReviewEvent(BaseStepEvent):
    """A step's result waits for a review."""

    event: str = "StepOutputReview"
    output_review_message: str | None = None
    requires_output_review: bool | None = None


class StepsExecutionStartedEvent(BaseStepEvent):
    """A group of steps begins."""

    event: str = "StepsExecutionStarted"
    steps_count: int | None = None


class StepsExecutionCompletedEvent(BaseStepEvent):
    """A group of steps has ended."""

    event: str = "StepsExecutionCompleted"
    steps_count: int | None = None
    executed_steps: int | None = None
    step_results: StepOutputs | None = None


class ParallelExecutionStartedEvent(BaseStepEvent):
    """Parallel branches begin."""

    event: str = "ParallelExecutionStarted"
    parallel_step_count: int | None = None


class ParallelExecutionCompletedEvent(BaseStepEvent):
    """Parallel branches have ended."""

    event: str = "ParallelExecutionCompleted"
    parallel_step_count: int | None = None
    step_results: StepOutputs | None = None


class ConditionExecutionStartedEvent(BaseStepEvent):
    """A condition was decided."""

    event: str = "ConditionExecutionStarted"
    condition_result: bool | None = None


class ConditionExecutionCompletedEvent(BaseStepEvent):
    """The steps of a condition have ended; ``branch`` is if, else or null."""

    event: str = "ConditionExecutionCompleted"
    condition_result: bool | None = None
    executed_steps: int | None = None
    branch: str | None = None
    step_results: StepOutputs | None = None


class LoopExecutionStartedEvent(BaseStepEvent):
    """A loop begins."""

    event: str = "LoopExecutionStarted"
    max_iterations: int | None = None


class LoopExecutionCompletedEvent(BaseStepEvent):
    """A loop has ended."""

    event: str = "LoopExecutionCompleted"
    max_iterations: int | None = None
    total_iterations: int | None = None
    all_results: Rounds | None = None


class LoopIterationStartedEvent(BaseStepEvent):
    """A round of a loop begins; the first is 1."""

    event: str = "LoopIterationStarted"
    iteration: int | None = None
    max_iterations: int | None = None


class LoopIterationCompletedEvent(BaseStepEvent):
    """A round of a loop has ended."""

    event: str = "LoopIterationCompleted"
    iteration: int | None = None
    max_iterations: int | None = None
    should_continue: bool | None = None
    iteration_results: StepOutputs | None = None


class RouterExecutionStartedEvent(BaseStepEvent):
    """A router has chosen."""

    event: str = "RouterExecutionStarted"
    selected_steps: list[str] | None = None


class RouterExecutionCompletedEvent(BaseStepEvent):
    """The steps a router chose have ended."""

    event: str = "RouterExecutionCompleted"
    selected_steps: list[str] | None = None
    executed_steps: int | None = None
    step_results: StepOutputs | None = None


class RouterPausedEvent(BaseStepEvent):
    """A router waits for a person's choice."""

    event: str = "RouterPaused"
    available_choices: list[str] | None = None
    user_input_message: str | None = None
    allow_multiple_selections: bool | None = None


WorkflowRunOutputEvent = BaseWorkflowRunEvent | BaseTeamRunEvent | BaseAgentRunEvent | CustomEvent | UnknownEvent
"""What a stream of a workflow's run yields: its own events and those of its agents and teams."""

__all__ = [
    "BaseStepEvent",
    "BaseWorkflowRunEvent",
    "ConditionExecutionCompletedEvent",
    "ConditionExecutionStartedEvent",
    "CustomEvent",
    "LoopExecutionCompletedEvent",
    "LoopExecutionStartedEvent",
    "LoopIterationCompletedEvent",
    "LoopIterationStartedEvent",
    "ParallelExecutionCompletedEvent",
    "ParallelExecutionStartedEvent",
    "RouterExecutionCompletedEvent",
    "RouterExecutionStartedEvent",
    "RouterPausedEvent",
    "StepCompletedEvent",
    "StepContinuedEvent",
    "StepErrorEvent",
    "StepExecutorContinuedEvent",
    "StepExecutorPausedEvent",
    "StepOutputEvent",
    "StepOutputReviewEvent",
    "StepPausedEvent",
    "StepProgressEvent",
    "StepStartedEvent",
    "StepsExecutionCompletedEvent",
    "StepsExecutionStartedEvent",
    "UnknownEvent",
    "WorkflowAgentCompletedEvent",
    "WorkflowAgentStartedEvent",
    "WorkflowCancelledEvent",
    "WorkflowCompletedEvent",
    "WorkflowErrorEvent",
    "WorkflowPausedEvent",
    "WorkflowRunOutputEvent",
    "WorkflowStartedEvent",
]
