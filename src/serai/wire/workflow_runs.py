"""A workflow's result, with those of its steps and of the agents and teams in them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from serai.wire.media import Audio, File, Image, Video
from serai.wire.model import Moment, WireModel
from serai.wire.runs import RunOutput, TeamRunOutput, read_events
from serai.wire.status import RunStatus, Status
from serai.wire.steps import ErrorRequirement, StepOutputs, StepRequirement, WorkflowMetrics


def read_executor_runs(value: Any) -> Any:
    """Return a workflow's list of runs as objects; anything else as it is."""
    if not isinstance(value, list):
        return value
    return [_read_executor_run(item) if isinstance(item, dict) else item for item in value]


def _read_executor_run(run: dict[str, Any]) -> RunOutput | TeamRunOutput | WorkflowRunOutput:
    if run.get("team_id") or run.get("team_name"):
        return TeamRunOutput.model_validate(run)
    if run.get("workflow_name") and run.get("parent_run_id"):
        return WorkflowRunOutput.model_validate(run)
    return RunOutput.model_validate(run)


ExecutorRuns = Annotated[list[Any] | None, BeforeValidator(read_executor_runs)]
"""Results of the agents, teams and workflows that a workflow's steps ran: `RunOutput`, `TeamRunOutput` and so on."""


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
    step_results: StepOutputs | None = None
    step_executor_runs: ExecutorRuns = None
    workflow_agent_run: RunOutput | None = None
    metrics: WorkflowMetrics | None = None
    metadata: dict[str, Any] | None = None
    session_state: dict[str, Any] | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    files: list[File] | None = None
    response_audio: Audio | None = None
    events: Annotated[list[Any] | None, BeforeValidator(read_events)] = None
    step_requirements: list[StepRequirement] | None = None
    error_requirements: list[ErrorRequirement] | None = None
    paused_step_index: int | None = None
    paused_step_name: str | None = None
    pause_kind: str | None = None
    cancellation_stage: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the workflow waits for an answer; `active_step_requirements` say which."""
        return self.status == RunStatus.PAUSED

    @property
    def is_cancelled(self) -> bool:
        """Whether the workflow was cancelled; ``step_results`` are those there were so far."""
        return self.status == RunStatus.CANCELLED

    @property
    def is_terminal(self) -> bool:
        """Whether the workflow has come to an end or to a pause; an unknown status counts as an end."""
        return self.status.is_terminal if isinstance(self.status, RunStatus) else self.status is not None

    @property
    def active_step_requirements(self) -> list[StepRequirement]:
        """The requirements of steps that are not answered yet."""
        return [requirement for requirement in self.step_requirements or () if not requirement.is_resolved]

    @property
    def active_error_requirements(self) -> list[ErrorRequirement]:
        """The failed steps about which nobody has decided yet."""
        return [requirement for requirement in self.error_requirements or () if not requirement.is_resolved]


class WorkflowRunSchema(WorkflowRunOutput):
    """A workflow's run as lists show it: ``created_at`` is a time, and ``run_input`` the text of what was asked."""

    created_at: Moment | None = None  # type: ignore[assignment]
    run_input: str | None = None
