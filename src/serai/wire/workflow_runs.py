"""A workflow's result, and that of its steps."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from serai.wire.media import Audio, File, Image, Video
from serai.wire.model import OpenModel, WireModel
from serai.wire.runs import RunMetrics, RunOutput, TeamRunOutput, read_events
from serai.wire.status import RunStatus, Status


class StepMetrics(WireModel):
    """What one step cost."""

    step_name: str | None = None
    executor_type: str | None = None
    executor_name: str | None = None
    metrics: RunMetrics | None = None


class WorkflowMetrics(WireModel):
    """What a workflow cost, by step name; ``duration`` in seconds."""

    steps: dict[str, StepMetrics] | None = None
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


class StepRequirement(OpenModel):
    """What a paused step needs before the workflow goes on."""

    step_id: str | None = None
    step_name: str | None = None
    step_index: int | list[int] | None = None
    step_type: str | None = None


def _read_executor_runs(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [_read_executor_run(item) if isinstance(item, dict) else item for item in value]


def _read_executor_run(run: dict[str, Any]) -> RunOutput | TeamRunOutput | WorkflowRunOutput:
    if run.get("team_id") or run.get("team_name"):
        return TeamRunOutput.model_validate(run)
    if run.get("workflow_name") and run.get("parent_run_id"):
        return WorkflowRunOutput.model_validate(run)
    return RunOutput.model_validate(run)


class WorkflowRunOutput(WireModel):
    """The result of a workflow's run; times are Unix seconds."""

    run_id: str | None = None
    workflow_id: str | None = None
    workflow_name: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    parent_run_id: str | None = None
    workflow_step_id: str | None = None
    input: Any = None
    content: Any = None
    content_type: str | None = None
    status: Status | None = None
    created_at: int | None = None
    step_results: list[StepOutput] | None = None
    step_executor_runs: Annotated[list[Any] | None, BeforeValidator(_read_executor_runs)] = None
    workflow_agent_run: dict[str, Any] | None = None
    metrics: WorkflowMetrics | None = None
    metadata: dict[str, Any] | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    files: list[File] | None = None
    events: Annotated[list[Any] | None, BeforeValidator(read_events)] = None
    step_requirements: list[StepRequirement] | None = None
    error_requirements: list[dict[str, Any]] | None = None
    paused_step_index: int | None = None
    paused_step_name: str | None = None
    pause_kind: str | None = None
    cancellation_stage: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the workflow waits for an answer; ``step_requirements`` says which."""
        return self.status == RunStatus.PAUSED

    @property
    def is_terminal(self) -> bool:
        """Whether the workflow has come to an end or to a pause; an unknown status counts as an end."""
        return self.status.is_terminal if isinstance(self.status, RunStatus) else self.status is not None
