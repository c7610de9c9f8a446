"""Traces as values: spans, their ids, and how the wire writes both. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


NO_ATTRIBUTES: Final[Mapping[str, Any]] = MappingProxyType({})


class SpanStatus(StrEnum):
    """How a span ended; one that goes on, waits for a person or was cancelled is UNSET."""

    OK = "OK"
    ERROR = "ERROR"
    UNSET = "UNSET"


class SpanKind(StrEnum):
    """What a span is about."""

    AGENT = "AGENT"
    TEAM = "TEAM"
    WORKFLOW = "WORKFLOW"
    LLM = "LLM"
    TOOL = "TOOL"
    RETRIEVER = "RETRIEVER"
    EMBEDDING = "EMBEDDING"
    MEMORY = "MEMORY"
    QUEUE = "QUEUE"
    WAIT = "WAIT"
    TAKEOVER = "TAKEOVER"
    OTHER = "OTHER"


COMPONENT_KINDS: Final = (SpanKind.AGENT, SpanKind.TEAM, SpanKind.WORKFLOW)
"""What runs; a workflow's steps are among them."""
ASKING_KINDS: Final = (SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.MEMORY)
"""Whose tokens and cost add up to those of a trace."""


class Entry(IntEnum):
    """Whether a span tells what its trace is about; of several the greatest counts, of the same the first."""

    NONE = 0
    PLAIN = 1  # where a trace begins, but no work of an agent: what a web framework tells of a request, say
    LOCAL = 2  # the first here of a trace that began elsewhere
    ROOT = 3


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work in a trace.

    Attributes:
        trace_id: 128 bits, as a UUID.
        span_id: 64 bits; `hex_of_span` writes it as OpenTelemetry does.
        parent_id: of the span in which it lies; it may not be known here, or None.
        entry: whether the trace is about it.
        started_ns: nanoseconds of the Unix epoch.
        duration_ns: None while it goes on.
        input, output, error: texts, cut and free of secrets.
        run_id, session_id, user_id: whose work it is, where that is known.
        agent_id, team_id, workflow_id: of the component that ran.
        model, provider: whom it asked.
        cost: US dollars of `input_tokens` and `output_tokens`, where the price is known.
        attributes: whatever else is told of it, a JSON object.
    """

    project_id: str
    trace_id: UUID
    span_id: int
    parent_id: int | None = None
    entry: Entry = Entry.NONE
    kind: SpanKind
    name: str
    status: SpanStatus = SpanStatus.UNSET
    started_ns: int
    duration_ns: int | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    attributes: Mapping[str, Any] = NO_ATTRIBUTES


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Where a caller's trace goes on: its id, and the span that called."""

    trace_id: UUID
    span_id: int


def span_id_of(key: UUID, name: str) -> int:
    """Return the id of a run's span of this name, the same at every replay; never 0."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=key.bytes).digest()
    return int.from_bytes(digest) or 1


def hex_of_trace(trace_id: UUID) -> str:
    """Return a trace's id as OpenTelemetry writes it, 32 hexadecimal digits."""
    return trace_id.hex


def hex_of_span(span_id: int) -> str:
    """Return a span's id as OpenTelemetry writes it, 16 hexadecimal digits."""
    return f"{span_id:016x}"


def read_trace_id(text: str) -> UUID | None:
    """Return a trace's id, with or without dashes; None for a text that is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def read_span_id(text: str) -> int | None:
    """Return a span's id of 16 hexadecimal digits; None for a text that is none."""
    return int(text, 16) if re.fullmatch("[0-9a-fA-F]{16}", text) else None


def read_traceparent(header: str | None) -> TraceParent | None:
    """Return where a caller's trace goes on; None where there is no header, or one that says nothing.

    Source: W3C Trace Context 3.2; what is wrong is ignored, as 3.2.2.3 wants it.
    """
    found = None if header is None else _TRACEPARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, _, rest = found.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(UUID(trace_id), int(span_id, 16))
