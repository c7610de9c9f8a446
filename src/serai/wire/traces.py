"""Traces on the wire: in lists, in full as trees of spans, by session, and what is searched for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import Field, model_validator

from serai.wire.choices import TraceSearchGroupBy
from serai.wire.model import ListOrNull, Moment, TextOrNull, WireModel
from serai.wire.pages import Page

__all__ = [
    "FilterFieldSchema",
    "FilterSchemaResponse",
    "FoundTraces",
    "TraceDetail",
    "TraceDetailPage",
    "TraceNode",
    "TracePage",
    "TraceResult",
    "TraceSearchGroupBy",
    "TraceSessionStats",
    "TraceSessionStatsPage",
    "TraceSummary",
]

_DURATION: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*(ms|s)\s*")
_MILLISECONDS: Final = {"ms": 1.0, "s": 1000.0}


class _Timed(WireModel):
    """What takes time.

    Attributes:
        duration: how long, for people: ``27ms`` or ``1.50s``.
        duration_ms: how long, in milliseconds; of servers that do not say it, what `duration` says.
        is_running: of a Serai server: it goes on, the duration is the one so far.
        start_time: when it began.
        end_time: when it ended.
    """

    duration: TextOrNull = ""
    duration_ms: float = 0.0
    is_running: bool = False
    start_time: Moment
    end_time: Moment

    @model_validator(mode="before")
    @classmethod
    def _read_duration(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("duration_ms") is not None:
            return value
        return {**value, "duration_ms": _milliseconds_of(value.get("duration"))}


class TraceSummary(_Timed):
    """A trace in a list.

    Attributes:
        trace_id: 32 hexadecimal digits.
        name: of what it is about: the agent, the team, the workflow, or the first span.
        status: ``OK``, ``ERROR`` or ``UNSET``: not ended, or cancelled.
        input: what was asked, cut.
        total_tokens: of all model requests; of a Serai server.
        cost: of these, in US dollars, where the prices are known; of a Serai server.
    """

    trace_id: str
    name: TextOrNull = ""
    status: TextOrNull = ""
    total_spans: int = 0
    error_count: int = 0
    input: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    created_at: Moment | None = None
    total_tokens: int | None = None
    cost: float | None = None


class TraceNode(_Timed):
    """A span, and those inside it.

    Attributes:
        id: 16 hexadecimal digits.
        type: ``AGENT``, ``TEAM``, ``WORKFLOW``, ``LLM``, ``TOOL`` and others.
        input, output, error: those of a root are its trace's.
        spans: those right inside it, by their start; None of a span that was asked for alone.
        step_type: of a workflow's step.
        metadata: what is known of its kind: model and tokens, the tool and its arguments.
        extra_data: whatever else was told of it.
    """

    id: str
    name: TextOrNull = ""
    type: TextOrNull = ""
    status: TextOrNull = ""
    input: str | None = None
    output: str | None = None
    error: str | None = None
    spans: list[TraceNode] | None = None
    step_type: str | None = None
    metadata: dict[str, Any] | None = None
    extra_data: dict[str, Any] | None = None


class TraceDetail(TraceSummary):
    """A trace in full.

    Attributes:
        input, output, error: of its root; more of the input than lists show.
        tree: its roots; there may be several when parts of it are elsewhere.
    """

    output: str | None = None
    error: str | None = None
    tree: ListOrNull[TraceNode] = Field(default_factory=list)

    @property
    def spans(self) -> list[TraceNode]:
        """All spans of the tree, each before those inside it."""
        return list(_walk(self.tree))


class TraceSessionStats(WireModel):
    """The traces of one session."""

    session_id: str
    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    total_traces: int = 0
    first_trace_at: Moment | None = None
    last_trace_at: Moment | None = None


class FilterFieldSchema(WireModel):
    """A key of filters: what it is called, which operators it has, and which values, where these are few."""

    key: str
    label: str
    type: str
    operators: list[str]
    values: list[str] | None = None


class FilterSchemaResponse(WireModel):
    """What traces can be searched by."""

    fields: list[FilterFieldSchema]
    logical_operators: list[str] = Field(default_factory=list)


TracePage = Page[TraceSummary]
"""A page of traces."""

TraceSessionStatsPage = Page[TraceSessionStats]
"""A page of sessions that have traces."""

TraceResult = TraceDetail | TraceNode
"""A trace, or the span of it that was asked for."""

TraceDetailPage = Page[TraceDetail]
"""A page of traces in full."""

FoundTraces = TraceDetailPage | TraceSessionStatsPage
"""What a search has found, by `TraceSearchGroupBy`."""


def _milliseconds_of(duration: Any) -> float:
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    return 0.0 if found is None else float(found[1]) * _MILLISECONDS[found[2]]


def _walk(nodes: Iterable[TraceNode]) -> Iterable[TraceNode]:
    waiting = list(nodes)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend((node.spans or [])[::-1])
