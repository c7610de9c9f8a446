"""Rows of traces and of their spans as values, and what of them statements read."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

COLUMNS: Final = """
trace_id, name, status, entry, entry_span_id, started_at, ended_at, duration_ns, total_spans, error_count, input,
run_id, session_id, user_id, agent_id, team_id, workflow_id, input_tokens, output_tokens, cost, created_at"""
"""What a `TraceRecord` is made of, in its order."""

SPAN_COLUMNS: Final = """
span_id, parent_id, user_id, kind, name, status, started_at, duration_ns, run_id, model, provider, input_tokens,
output_tokens, cost, input, output, error, attributes"""
"""What a `SpanRecord` is made of, in its order."""


class TraceRecord(NamedTuple):
    """A trace as lists have it.

    Attributes:
        entry: of the span that it is about; 0: none of those that are known.
        entry_span_id: which one that is, as it is stored.
        duration_ns: of that span; None while it goes on.
        input: of that span, cut.
    """

    trace_id: UUID
    name: str
    status: str
    entry: int
    entry_span_id: int
    started_at: datetime
    ended_at: datetime
    duration_ns: int | None
    total_spans: int
    error_count: int
    input: str | None
    run_id: str | None
    session_id: str | None
    user_id: str | None
    agent_id: str | None
    team_id: str | None
    workflow_id: str | None
    input_tokens: int
    output_tokens: int
    cost: float | None
    created_at: datetime


class SpanRecord(NamedTuple):
    """A span as it is stored; `attributes` is a JSON object."""

    span_id: int
    parent_id: int | None
    user_id: str | None
    kind: str
    name: str
    status: str
    started_at: datetime
    duration_ns: int | None
    run_id: str | None
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    input: str | None
    output: str | None
    error: str | None
    attributes: str | None


TRACE_WIDTH: Final = len(TraceRecord._fields)
