"""OpenTelemetry's current span: while a step is done it is the step's, for the spans and calls of libraries."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from opentelemetry import context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from serai.domain.traces import Span
from serai.telemetry.capture import Capture

MARK: Final = context.create_key("serai-step")
"""Under which a context holds in which step work is done."""
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


@dataclass(frozen=True, slots=True)
class Marked:
    """In which step work is done.

    Attributes:
        project_id: of the run.
        asks: whether it is a model's request, which tells of its tokens itself.
        keeper: knows what is kept of the contents of libraries' spans; None: these are not wanted.
        tell: takes such a span, from any thread.
    """

    project_id: str
    asks: bool
    keeper: Capture | None
    tell: Callable[[Span], None]


def enter_span(trace_id: UUID, span_id: int, marked: Marked) -> object:
    """Make a span of ours the current one; return what `leave_span` takes."""
    ours = SpanContext(trace_id.int, span_id, is_remote=False, trace_flags=_SAMPLED)
    here = set_span_in_context(NonRecordingSpan(ours))
    if marked.keeper is not None:
        here = context.set_value(MARK, marked, here)
    return context.attach(here)


def leave_span(entered: object) -> None:
    """Make the span current that was so before."""
    context.detach(cast("Token[context.Context]", entered))
