"""Spans as tests make them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from serai.domain.traces import Entry, Span, SpanKind, SpanStatus

BEGAN_NS = 1_790_000_000_000_000_000
"""When spans begin unless they say otherwise: nanoseconds of the Unix epoch."""


def span(trace: int, number: int, *, parent: int | None = None, **members: Any) -> Span:
    """Return a span of a trace; one without a parent is what the trace is about."""
    given: dict[str, Any] = {
        "project_id": "default",
        "trace_id": UUID(int=trace),
        "span_id": number,
        "parent_id": parent,
        "entry": Entry.ROOT if parent is None else Entry.NONE,
        "kind": SpanKind.AGENT if parent is None else SpanKind.TOOL,
        "name": f"span {number}",
        "status": SpanStatus.OK,
        "started_ns": BEGAN_NS + number * 1_000_000,
        "duration_ns": 1_000_000,
    }
    return Span(**{**given, **members})
