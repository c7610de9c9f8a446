"""A run's result: what an agent or a team answered, and how it got there."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from serai.wire.media import Audio, File, Image, Video
from serai.wire.model import Moment, WireModel
from serai.wire.status import RunStatus, Status
from serai.wire.tools import RunRequirement, ToolExecution


class RunMetrics(WireModel):
    """What a run or a message cost: tokens, seconds, and money where the provider says."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    audio_total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    time_to_first_token: float | None = None
    duration: float | None = None
    details: dict[str, Any] | None = None
    additional_metrics: dict[str, Any] | None = None


class Message(WireModel):
    """One message of the conversation; ``created_at`` in Unix seconds."""

    id: str | None = None
    role: str | None = None
    content: Any = None
    created_at: int | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_args: Any = None
    tool_call_error: bool | None = None
    from_history: bool = False
    stop_after_tool_call: bool = False
    metrics: RunMetrics | None = None
    reasoning_content: str | None = None
    citations: Any = None
    images: list[Image] | None = None
    audio: list[Audio] | None = None
    videos: list[Video] | None = None
    files: list[File] | None = None


class RunInput(WireModel):
    """What a run was asked."""

    input_content: Any = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audios: list[Audio] | None = None
    files: list[File] | None = None


def _read_input(value: Any) -> Any:
    return {"input_content": value} if isinstance(value, str) else value


def read_events(value: Any) -> Any:
    """Return a stored list of events as event objects; anything else as it is."""
    from serai.wire.events import parse_event  # noqa: PLC0415 - only runs that carry their events pay for the classes

    if not isinstance(value, list):
        return value
    return [parse_event(item) if isinstance(item, dict) else item for item in value]


class BaseRunOutput(WireModel):
    """What the results of agents and teams have in common; times are Unix seconds."""

    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    parent_run_id: str | None = None
    workflow_step_id: str | None = None
    input: Annotated[RunInput | None, BeforeValidator(_read_input)] = None
    content: Any = None
    content_type: str | None = None
    model: str | None = None
    model_provider: str | None = None
    messages: list[Message] | None = None
    tools: list[ToolExecution] | None = None
    requirements: list[RunRequirement] | None = None
    metrics: RunMetrics | None = None
    session_state: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    created_at: int | None = None
    status: Status | None = None
    events: Annotated[list[Any] | None, BeforeValidator(read_events)] = None
    reasoning_content: str | None = None
    reasoning_steps: list[Any] | None = None
    reasoning_messages: list[Message] | None = None
    references: list[Any] | None = None
    citations: Any = None
    followups: list[str] | None = None
    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    files: list[File] | None = None
    response_audio: Audio | None = None
    additional_input: list[Any] | None = None
    model_provider_data: dict[str, Any] | None = None
    cancellation_stage: str | None = None
    forked_from_run_id: str | None = None
    forked_from_message_index: int | None = None
    forked_from_session_id: str | None = None
    regenerated_from: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the run waits for an answer; `active_requirements` say which."""
        return self.status == RunStatus.PAUSED

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was cancelled; ``content`` is what there was so far."""
        return self.status == RunStatus.CANCELLED

    @property
    def active_requirements(self) -> list[RunRequirement]:
        """The requirements that are not answered yet."""
        return [requirement for requirement in self.requirements or () if not requirement.is_resolved()]

    @property
    def tools_requiring_confirmation(self) -> list[ToolExecution]:
        """The calls that wait, or waited, for a yes or no."""
        return [tool for tool in self.tools or () if tool.requires_confirmation]

    @property
    def tools_requiring_user_input(self) -> list[ToolExecution]:
        """The calls that wait, or waited, for values from a person."""
        return [tool for tool in self.tools or () if tool.requires_user_input]

    @property
    def tools_awaiting_external_execution(self) -> list[ToolExecution]:
        """The calls that the caller executes."""
        return [tool for tool in self.tools or () if tool.external_execution_required]

    @property
    def is_terminal(self) -> bool:
        """Whether the run has come to an end or to a pause; an unknown status counts as an end."""
        return self.status.is_terminal if isinstance(self.status, RunStatus) else self.status is not None


class RunOutput(BaseRunOutput):
    """The result of an agent's run."""

    agent_id: str | None = None
    agent_name: str | None = None
    workflow_id: str | None = None


class RunSchema(BaseRunOutput):
    """A run as lists show it: ``created_at`` is a time, and ``run_input`` the text of what was asked."""

    agent_id: str | None = None
    agent_name: str | None = None
    team_id: str | None = None
    team_name: str | None = None
    workflow_id: str | None = None
    created_at: Moment | None = None  # type: ignore[assignment]
    run_input: str | None = None
    run_response_format: str | None = None
    input_media: dict[str, Any] | None = None
    last_checkpoint_at_message_index: int | None = None


class TeamRunSchema(RunSchema):
    """A team's run among the runs of a session."""


def read_members(value: Any) -> Any:
    """Return a team's list of member results as objects; anything else as it is."""
    if not isinstance(value, list):
        return value
    return [
        (RunOutput if "agent_id" in item else TeamRunOutput).model_validate(item) if isinstance(item, dict) else item
        for item in value
    ]


class TeamRunOutput(BaseRunOutput):
    """The result of a team's run, with those of its members."""

    team_id: str | None = None
    team_name: str | None = None
    member_responses: Annotated[list[Any], BeforeValidator(read_members)] = Field(default_factory=list)
