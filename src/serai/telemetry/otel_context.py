"""OpenTelemetry's current span: while a step is done it is the step's, for the spans and calls of libraries."""

from __future__ import annotations

from contextvars import Token
from typing import cast
from uuid import UUID

from opentelemetry import context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def enter_span(trace_id: UUID, span_id: int) -> object:
    """Make a span of ours the current one; return what `leave_span` takes."""
    ours = SpanContext(trace_id.int, span_id, is_remote=False, trace_flags=_SAMPLED)
    return context.attach(set_span_in_context(NonRecordingSpan(ours)))


def leave_span(entered: object) -> None:
    """Make the span current that was so before."""
    context.detach(cast("Token[context.Context]", entered))
