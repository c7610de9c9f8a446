"""Events of an agent's run, one class for each name."""

from __future__ import annotations

from serai.wire import event_members as members
from serai.wire.events import BaseEvent, CustomEvent, RunToolCallEvent, StepRestartedEvent, UnknownEvent
from serai.wire.tools import ToolExecution


class BaseAgentRunEvent(BaseEvent):
    """What every event of an agent has; the later members tell where it stands in a team or workflow."""

    agent_id: str = ""
    agent_name: str = ""
    parent_run_id: str | None = None
    workflow_id: str | None = None
    workflow_run_id: str | None = None
    step_id: str | None = None
    step_name: str | None = None
    step_index: int | list[int] | None = None
    tools: list[ToolExecution] | None = None


class RunStartedEvent(members.ModelName, BaseAgentRunEvent):
    """The run has begun."""

    event: str = "RunStarted"


class RunContentEvent(members.RunContent, BaseAgentRunEvent):
    """A piece of the answer; ``reasoning_content`` a piece of the model's reasoning."""

    event: str = "RunContent"


class IntermediateRunContentEvent(members.ContentType, BaseAgentRunEvent):
    """A piece of text that an output model will rewrite."""

    event: str = "RunIntermediateContent"


class RunContentCompletedEvent(BaseAgentRunEvent):
    """The answer's text is complete."""

    event: str = "RunContentCompleted"


class RunCompletedEvent(members.RunCompleted, BaseAgentRunEvent):
    """The run has ended well; ``content`` is the whole answer."""

    event: str = "RunCompleted"


class RunErrorEvent(members.RunError, BaseAgentRunEvent):
    """The run has failed; ``content`` says why."""

    event: str = "RunError"


class RunCancelledEvent(members.RunCancelled, BaseAgentRunEvent):
    """The run was cancelled; ``content`` is what there was so far."""

    event: str = "RunCancelled"


class RunPausedEvent(members.RunPaused, BaseAgentRunEvent):
    """The run waits for an answer; ``tools`` and ``requirements`` say which."""

    event: str = "RunPaused"


class RunContinuedEvent(BaseAgentRunEvent):
    """A paused run goes on."""

    event: str = "RunContinued"


class ToolCallStartedEvent(RunToolCallEvent, BaseAgentRunEvent):
    """A tool is about to be called."""

    event: str = "ToolCallStarted"


class ToolCallCompletedEvent(members.ProducedMedia, RunToolCallEvent, BaseAgentRunEvent):
    """A tool has returned; ``tool.result`` holds what."""

    event: str = "ToolCallCompleted"


class ToolCallErrorEvent(members.ToolCallError, RunToolCallEvent, BaseAgentRunEvent):
    """A tool has failed; follows the call's completed event."""

    event: str = "ToolCallError"


class ModelRequestStartedEvent(members.ModelName, BaseAgentRunEvent):
    """A request to the model begins."""

    event: str = "ModelRequestStarted"


class ModelRequestCompletedEvent(members.ModelUsage, BaseAgentRunEvent):
    """The model has answered."""

    event: str = "ModelRequestCompleted"


class ReasoningStartedEvent(BaseAgentRunEvent):
    """Reasoning begins."""

    event: str = "ReasoningStarted"


class ReasoningStepEvent(members.ReasoningStep, BaseAgentRunEvent):
    """One step of reasoning."""

    event: str = "ReasoningStep"


class ReasoningContentDeltaEvent(members.ReasoningDelta, BaseAgentRunEvent):
    """A piece of reasoning text."""

    event: str = "ReasoningContentDelta"


class ReasoningCompletedEvent(members.ContentType, BaseAgentRunEvent):
    """Reasoning has ended; ``content`` holds its steps."""

    event: str = "ReasoningCompleted"


class MemoryUpdateStartedEvent(BaseAgentRunEvent):
    """Memories are being made."""

    event: str = "MemoryUpdateStarted"


class MemoryUpdateCompletedEvent(members.Memories, BaseAgentRunEvent):
    """Memories were made."""

    event: str = "MemoryUpdateCompleted"


class SessionSummaryStartedEvent(BaseAgentRunEvent):
    """The session is being summarised."""

    event: str = "SessionSummaryStarted"


class SessionSummaryCompletedEvent(members.SessionSummary, BaseAgentRunEvent):
    """The session was summarised."""

    event: str = "SessionSummaryCompleted"


class PreHookStartedEvent(members.PreHook, BaseAgentRunEvent):
    """A hook ahead of the run begins."""

    event: str = "PreHookStarted"


class PreHookCompletedEvent(members.PreHook, BaseAgentRunEvent):
    """A hook ahead of the run has ended."""

    event: str = "PreHookCompleted"


class PostHookStartedEvent(members.PostHook, BaseAgentRunEvent):
    """A hook after the run begins."""

    event: str = "PostHookStarted"


class PostHookCompletedEvent(members.PostHook, BaseAgentRunEvent):
    """A hook after the run has ended."""

    event: str = "PostHookCompleted"


class ParserModelResponseStartedEvent(BaseAgentRunEvent):
    """A parser model begins."""

    event: str = "ParserModelResponseStarted"


class ParserModelResponseCompletedEvent(BaseAgentRunEvent):
    """A parser model has ended."""

    event: str = "ParserModelResponseCompleted"


class OutputModelResponseStartedEvent(BaseAgentRunEvent):
    """An output model begins."""

    event: str = "OutputModelResponseStarted"


class OutputModelResponseCompletedEvent(BaseAgentRunEvent):
    """An output model has ended."""

    event: str = "OutputModelResponseCompleted"


class CompressionStartedEvent(BaseAgentRunEvent):
    """Tool results are being compressed."""

    event: str = "CompressionStarted"


class CompressionCompletedEvent(members.Compression, BaseAgentRunEvent):
    """Tool results were compressed."""

    event: str = "CompressionCompleted"


class CompactionStartedEvent(BaseAgentRunEvent):
    """The conversation is being compacted."""

    event: str = "CompactionStarted"


class CompactionCompletedEvent(members.Compaction, BaseAgentRunEvent):
    """The conversation was compacted."""

    event: str = "CompactionCompleted"


class FollowupsStartedEvent(BaseAgentRunEvent):
    """Follow-up questions are being made."""

    event: str = "FollowupsStarted"


class FollowupsCompletedEvent(members.Followups, BaseAgentRunEvent):
    """Follow-up questions were made."""

    event: str = "FollowupsCompleted"


RunOutputEvent = BaseAgentRunEvent | CustomEvent | UnknownEvent
"""What a stream of an agent's run yields."""

__all__ = [
    "BaseAgentRunEvent",
    "CompactionCompletedEvent",
    "CompactionStartedEvent",
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
    "RunOutputEvent",
    "RunPausedEvent",
    "RunStartedEvent",
    "RunToolCallEvent",
    "SessionSummaryCompletedEvent",
    "SessionSummaryStartedEvent",
    "StepRestartedEvent",
    "ToolCallCompletedEvent",
    "ToolCallErrorEvent",
    "ToolCallStartedEvent",
    "UnknownEvent",
]
