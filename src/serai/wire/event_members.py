"""Members that events of agents and of teams share; mixed into the classes of either."""

from __future__ import annotations

from typing import Any

from serai.wire.media import Audio, File, Image, Video
from serai.wire.model import WireModel
from serai.wire.runs import Message, RunMetrics
from serai.wire.tools import RunRequirement


class ModelName(WireModel):
    """Which model is asked."""

    model: str | None = None
    model_provider: str | None = None


class ModelUsage(ModelName):
    """What one request to a model cost; ``time_to_first_token`` in seconds."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    time_to_first_token: float | None = None


class ContentType(WireModel):
    """What ``content`` is: ``str`` or a type's name."""

    content_type: str | None = None


class Reasoned(ContentType):
    """What comes with an answer beside its text."""

    reasoning_content: str | None = None
    citations: Any = None
    references: list[Any] | None = None
    reasoning_steps: list[Any] | None = None
    reasoning_messages: list[Message] | None = None
    additional_input: list[Any] | None = None
    response_audio: Audio | None = None
    model_provider_data: dict[str, Any] | None = None


class RunContent(Reasoned):
    """A piece of an answer."""

    workflow_agent: bool = False
    image: Image | None = None


class ProducedMedia(WireModel):
    """Media that a run or a tool made."""

    images: list[Image] | None = None
    videos: list[Video] | None = None
    audio: list[Audio] | None = None
    files: list[File] | None = None


class RunCompleted(Reasoned, ProducedMedia):
    """A whole answer."""

    metrics: RunMetrics | None = None
    session_state: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class RunError(WireModel):
    """Why a run failed; ``error_type`` is a stable name."""

    error_type: str | None = None
    error_id: str | None = None
    additional_data: dict[str, Any] | None = None


class RunCancelled(WireModel):
    """Why a run was cancelled."""

    reason: str | None = None


class RunPaused(WireModel):
    """What a run waits for."""

    requirements: list[RunRequirement] | None = None

    @property
    def active_requirements(self) -> list[RunRequirement]:
        """The requirements that are not answered yet."""
        return [requirement for requirement in self.requirements or () if not requirement.is_resolved()]


class ToolCallError(WireModel):
    """Why a tool call failed."""

    error: str | None = None


class ReasoningStep(ContentType):
    """One step of reasoning; ``reasoning_content`` is the text so far."""

    reasoning_content: str | None = None


class ReasoningDelta(WireModel):
    """A piece of reasoning text."""

    reasoning_content: str | None = None


class Memories(WireModel):
    """Memories that were made."""

    memories: list[Any] | None = None


class SessionSummary(WireModel):
    """The summary of a session."""

    session_summary: dict[str, Any] | None = None


class PreHook(WireModel):
    """A hook ahead of a run."""

    pre_hook_name: str | None = None
    run_input: dict[str, Any] | None = None


class PostHook(WireModel):
    """A hook after a run."""

    post_hook_name: str | None = None


class Compression(WireModel):
    """How much smaller tool results became, in characters."""

    tool_results_compressed: int | None = None
    original_size: int | None = None
    compressed_size: int | None = None


class Compaction(WireModel):
    """How much of the conversation was folded."""

    messages_compacted: int | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    archived: Any = None


class Followups(WireModel):
    """Questions a user may ask next."""

    followups: list[str] | None = None
