"""Events of a team's run, one class for each name; the members' own events are the agents'."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from serai.wire import event_members as members
from serai.wire.agent_events import BaseAgentRunEvent
from serai.wire.events import BaseEvent, CustomEvent, RunToolCallEvent, UnknownEvent
from serai.wire.model import WireModel
from serai.wire.runs import read_members
from serai.wire.tools import ToolExecution


class BaseTeamRunEvent(BaseEvent):
    """What every event of a team has; the later members tell where it stands in a workflow."""

    team_id: str = ""
    team_name: str = ""
    parent_run_id: str | None = None
    workflow_id: str | None = None
    workflow_run_id: str | None = None
    step_id: str | None = None
    step_name: str | None = None
    step_index: int | list[int] | None = None
    tools: list[ToolExecution] | None = None


class RunStartedEvent(members.ModelName, BaseTeamRunEvent):
    """The run has begun."""

    event: str = "TeamRunStarted"


class RunContentEvent(members.RunContent, BaseTeamRunEvent):
    """A piece of the answer; ``reasoning_content`` a piece of the model's reasoning."""

    event: str = "TeamRunContent"


class IntermediateRunContentEvent(members.ContentType, BaseTeamRunEvent):
    """A piece of text that an output model will rewrite."""

    event: str = "TeamRunIntermediateContent"


class RunContentCompletedEvent(BaseTeamRunEvent):
    """The answer's text is complete."""

    event: str = "TeamRunContentCompleted"


class RunCompletedEvent(members.RunCompleted, BaseTeamRunEvent):
    """The run has ended well; ``content`` is the whole answer."""

    event: str = "TeamRunCompleted"
    member_responses: Annotated[list[Any] | None, BeforeValidator(read_members)] = None


class RunErrorEvent(members.RunError, BaseTeamRunEvent):
    """The run has failed; ``content`` says why."""

    event: str = "TeamRunError"


class RunCancelledEvent(members.RunCancelled, BaseTeamRunEvent):
    """The run was cancelled; ``content`` is what there was so far."""

    event: str = "TeamRunCancelled"


class RunPausedEvent(members.RunPaused, BaseTeamRunEvent):
    """The run waits for an answer; ``tools`` and ``requirements`` say which."""

    event: str = "TeamRunPaused"


class RunContinuedEvent(BaseTeamRunEvent):
    """A paused run goes on."""

    event: str = "TeamRunContinued"


class ToolCallStartedEvent(RunToolCallEvent, BaseTeamRunEvent):
    """A tool is about to be called."""

    event: str = "TeamToolCallStarted"


class ToolCallCompletedEvent(members.ProducedMedia, RunToolCallEvent, BaseTeamRunEvent):
    """A tool has returned; ``tool.result`` holds what."""

    event: str = "TeamToolCallCompleted"


class ToolCallErrorEvent(members.ToolCallError, RunToolCallEvent, BaseTeamRunEvent):
    """A tool has failed; follows the call's completed event."""

    event: str = "TeamToolCallError"


class ModelRequestStartedEvent(members.ModelName, BaseTeamRunEvent):
    """A request to the model begins."""

    event: str = "TeamModelRequestStarted"


class ModelRequestCompletedEvent(members.ModelUsage, BaseTeamRunEvent):
    """The model has answered."""

    event: str = "TeamModelRequestCompleted"


class ReasoningStartedEvent(BaseTeamRunEvent):
    """Reasoning begins."""

    event: str = "TeamReasoningStarted"


class ReasoningStepEvent(members.ReasoningStep, BaseTeamRunEvent):
    """One step of reasoning."""

    event: str = "TeamReasoningStep"


class ReasoningContentDeltaEvent(members.ReasoningDelta, BaseTeamRunEvent):
    """A piece of reasoning text."""

    event: str = "TeamReasoningContentDelta"


class ReasoningCompletedEvent(members.ContentType, BaseTeamRunEvent):
    """Reasoning has ended; ``content`` holds its steps."""

    event: str = "TeamReasoningCompleted"


class MemoryUpdateStartedEvent(BaseTeamRunEvent):
    """Memories are being made."""

    event: str = "TeamMemoryUpdateStarted"


class MemoryUpdateCompletedEvent(members.Memories, BaseTeamRunEvent):
    """Memories were made."""

    event: str = "TeamMemoryUpdateCompleted"


class SessionSummaryStartedEvent(BaseTeamRunEvent):
    """The session is being summarised."""

    event: str = "TeamSessionSummaryStarted"


class SessionSummaryCompletedEvent(members.SessionSummary, BaseTeamRunEvent):
    """The session was summarised."""

    event: str = "TeamSessionSummaryCompleted"


class PreHookStartedEvent(members.PreHook, BaseTeamRunEvent):
    """A hook ahead of the run begins."""

    event: str = "TeamPreHookStarted"


class PreHookCompletedEvent(members.PreHook, BaseTeamRunEvent):
    """A hook ahead of the run has ended."""

    event: str = "TeamPreHookCompleted"


class PostHookStartedEvent(members.PostHook, BaseTeamRunEvent):
    """A hook after the run begins."""

    event: str = "TeamPostHookStarted"


class PostHookCompletedEvent(members.PostHook, BaseTeamRunEvent):
    """A hook after the run has ended."""

    event: str = "TeamPostHookCompleted"


class ParserModelResponseStartedEvent(BaseTeamRunEvent):
    """A parser model begins."""

    event: str = "TeamParserModelResponseStarted"


class ParserModelResponseCompletedEvent(BaseTeamRunEvent):
    """A parser model has ended."""

    event: str = "TeamParserModelResponseCompleted"


class OutputModelResponseStartedEvent(BaseTeamRunEvent):
    """An output model begins."""

    event: str = "TeamOutputModelResponseStarted"


class OutputModelResponseCompletedEvent(BaseTeamRunEvent):
    """An output model has ended."""

    event: str = "TeamOutputModelResponseCompleted"


class CompressionStartedEvent(BaseTeamRunEvent):
    """Tool results are being compressed."""

    event: str = "TeamCompressionStarted"


class CompressionCompletedEvent(members.Compression, BaseTeamRunEvent):
    """Tool results were compressed."""

    event: str = "TeamCompressionCompleted"


class FollowupsStartedEvent(BaseTeamRunEvent):
    """Follow-up questions are being made."""

    event: str = "TeamFollowupsStarted"


class FollowupsCompletedEvent(members.Followups, BaseTeamRunEvent):
    """Follow-up questions were made."""

    event: str = "TeamFollowupsCompleted"


class TaskData(WireModel):
    """One task of a team in task mode; ``status`` is pending, in_progress, completed, failed or blocked."""

    id: str | None = None
    title: str | None = None
    description: str | None = None
    status: str | None = None
    assignee: str | None = None
    dependencies: list[str] | None = None
    result: Any = None


class TaskIterationStartedEvent(BaseTeamRunEvent):
    """A round of tasks begins."""

    event: str = "TeamTaskIterationStarted"
    iteration: int | None = None
    max_iterations: int | None = None


class TaskIterationCompletedEvent(BaseTeamRunEvent):
    """A round of tasks has ended."""

    event: str = "TeamTaskIterationCompleted"
    iteration: int | None = None
    max_iterations: int | None = None
    task_summary: str | None = None


class TaskCreatedEvent(BaseTeamRunEvent):
    """A task was made."""

    event: str = "TeamTaskCreated"
    task_id: str | None = None
    title: str | None = None
    description: str | None = None
    assignee: str | None = None
    status: str | None = None
    dependencies: list[str] | None = None


class TaskUpdatedEvent(BaseTeamRunEvent):
    """A task moved on."""

    event: str = "TeamTaskUpdated"
    task_id: str | None = None
    title: str | None = None
    status: str | None = None
    previous_status: str | None = None
    result: Any = None
    assignee: str | None = None


class TaskStateUpdatedEvent(BaseTeamRunEvent):
    """The state of all tasks."""

    event: str = "TeamTaskStateUpdated"
    task_summary: str | None = None
    goal_complete: bool | None = None
    tasks: list[TaskData] | None = None
    completion_summary: str | None = None


TeamRunOutputEvent = BaseTeamRunEvent | BaseAgentRunEvent | CustomEvent | UnknownEvent
"""What a stream of a team's run yields: its own events and those of its members."""

__all__ = [
    "BaseTeamRunEvent",
    "CompressionCompletedEvent",
    "CompressionStartedEvent",
    "CustomEvent",
    "FollowupsCompletedEvent",
    "FollowupsStartedEvent",
    "IntermediateRunContentEvent",
    "MemoryUpdateCompletedEvent",
    "MemoryUpdateStartedEvent",
    "ModelRequestCompletedEvent",
    "ModelRequestStartedEvent",
    "OutputModelResponseCompletedEvent",
    "OutputModelResponseStartedEvent",
    "ParserModelResponseCompletedEvent",
    "ParserModelResponseStartedEvent",
    "PostHookCompletedEvent",
    "PostHookStartedEvent",
    "PreHookCompletedEvent",
    "PreHookStartedEvent",
    "ReasoningCompletedEvent",
    "ReasoningContentDeltaEvent",
    "ReasoningStartedEvent",
    "ReasoningStepEvent",
    "RunCancelledEvent",
    "RunCompletedEvent",
    "RunContentCompletedEvent",
    "RunContentEvent",
    "RunContinuedEvent",
    "RunErrorEvent",
    "RunPausedEvent",
    "RunStartedEvent",
    "RunToolCallEvent",
    "SessionSummaryCompletedEvent",
    "SessionSummaryStartedEvent",
    "TaskCreatedEvent",
    "TaskData",
    "TaskIterationCompletedEvent",
    "TaskIterationStartedEvent",
    "TaskStateUpdatedEvent",
    "TaskUpdatedEvent",
    "TeamRunOutputEvent",
    "ToolCallCompletedEvent",
    "ToolCallErrorEvent",
    "ToolCallStartedEvent",
    "UnknownEvent",
]
