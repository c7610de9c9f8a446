"""The rows of the table that are about traces. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from serai.client._calls import Answer, Arguments, Headers
from serai.client._rows import LIST_PAGE_SIZE, Rows, choose
from serai.wire.choices import TraceSearchGroupBy

if TYPE_CHECKING:
    from serai.wire.traces import (
        FilterSchemaResponse,
        FoundTraces,
        TraceDetail,
        TracePage,
        TraceResult,
        TraceSessionStats,
        TraceSessionStatsPage,
        TraceSummary,
    )

TRACES: Answer[TracePage] = Answer("traces:TracePage")
ALL_TRACES: Answer[TraceSummary] = Answer("traces:TraceSummary", paged_by="trace_id")
TRACE: Answer[TraceResult] = Answer("traces:TraceResult")
STATS: Answer[TraceSessionStatsPage] = Answer("traces:TraceSessionStatsPage")
ALL_STATS: Answer[TraceSessionStats] = Answer("traces:TraceSessionStats", paged_by="session_id")
FOUND: Answer[FoundTraces] = Answer("traces:FoundTraces")
ALL_FOUND: Answer[TraceDetail] = Answer("traces:TraceDetail", paged_by="trace_id")
FILTERS: Answer[FilterSchemaResponse] = Answer("traces:FilterSchemaResponse")

_WHOLE: Answer[Any] = Answer("traces:TraceDetail")
_SPAN: Answer[Any] = Answer("traces:TraceNode")
_FOUND: dict[TraceSearchGroupBy, Answer[Any]] = {
    TraceSearchGroupBy.RUN: Answer("traces:TraceDetailPage"),
    TraceSearchGroupBy.SESSION: STATS,
}
_TEXTS = {
    "trace_id": "the trace; unknown is status 404.",
    "run_id": "only the trace of this run.",
    "session_id": "only those of this session.",
    "user_id": "only this user's.",
    "agent_id": "only those of this agent.",
    "team_id": "only those of this team.",
    "workflow_id": "only those of this workflow.",
    "status": "only those that are `OK`, `ERROR` or `UNSET`.",
    "start_time": "only those that began then or later: a time, or its ISO text.",
    "end_time": "only those that ended then or before, likewise.",
    "filter_expr": 'what is looked for, as `{"op": "EQ", "key": "status", "value": "ERROR"}`; '
    "`get_trace_filter_schema` names the keys and operators; everything by default.",
    "limit": "the most on one page, up to 100.",
}
_row = Rows(_TEXTS)


@_row("GET", "/traces", TRACES)
def get_traces(  # noqa: PLR0913, PLR0917 - the published parameters
    run_id: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    status: str | None = None,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    page: int = 1,
    limit: int = 20,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the traces, latest first; one comes a moment after its run has begun."""
    query = {
        "page": page,
        "limit": limit,
        "run_id": run_id,
        "session_id": session_id,
        "user_id": user_id,
        "agent_id": agent_id,
        "team_id": team_id,
        "workflow_id": workflow_id,
        "status": status,
        "start_time": _moment(start_time),
        "end_time": _moment(end_time),
        "db_id": db_id,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", "/traces", ALL_TRACES)
def iter_traces(  # noqa: PLR0913, PLR0917 - those of get_traces
    run_id: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    status: str | None = None,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    page_size: int = LIST_PAGE_SIZE,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all traces, latest first, each once, asking for pages as they are needed."""
    return get_traces.arrange(
        run_id,
        session_id,
        user_id,
        agent_id,
        team_id,
        workflow_id,
        status,
        start_time,
        end_time,
        limit=page_size,
        db_id=db_id,
        headers=headers,
    )


@_row(
    "GET",
    "/traces/{trace_id}",
    TRACE,
    span_id="only this span of it, with its input and output; unknown is status 404.",
    run_id="a run of it, for servers that need one to find it.",
)
def get_trace(
    trace_id: str,
    span_id: str | None = None,
    run_id: str | None = None,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a trace with its tree of spans, or one span as a `TraceNode`. Of a run that goes on, what there is now."""
    query = {"span_id": span_id, "run_id": run_id, "db_id": db_id}
    return Arguments(
        path={"trace_id": trace_id}, query=query, headers=headers, answer=_WHOLE if span_id is None else _SPAN
    )


@_row("GET", "/trace_session_stats", STATS)
def get_trace_session_stats(  # noqa: PLR0913, PLR0917 - the published parameters
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    page: int = 1,
    limit: int = 20,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the sessions that have traces, latest first, each with how many; the filters are for traces."""
    query = {
        "page": page,
        "limit": limit,
        "user_id": user_id,
        "agent_id": agent_id,
        "team_id": team_id,
        "workflow_id": workflow_id,
        "start_time": _moment(start_time),
        "end_time": _moment(end_time),
        "db_id": db_id,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", "/trace_session_stats", ALL_STATS)
def iter_trace_session_stats(  # noqa: PLR0913, PLR0917 - those of get_trace_session_stats
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    page_size: int = LIST_PAGE_SIZE,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all sessions that have traces, latest first, each once, asking for pages as they are needed."""
    return get_trace_session_stats.arrange(
        user_id,
        agent_id,
        team_id,
        workflow_id,
        start_time,
        end_time,
        limit=page_size,
        db_id=db_id,
        headers=headers,
    )


@_row("POST", "/traces/search", FOUND, group_by="`run` for traces in full, `session` for the sessions they are of.")
def search_traces(
    filter_expr: Mapping[str, Any] | None = None,
    group_by: TraceSearchGroupBy = TraceSearchGroupBy.RUN,
    page: int = 1,
    limit: int = 20,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the traces that a filter keeps, latest first, each in full; or of their sessions."""
    kind = choose(TraceSearchGroupBy, "group_by", group_by)
    body = {
        "filter": None if filter_expr is None else dict(filter_expr),
        "group_by": kind,
        "page": page,
        "limit": limit,
    }
    return Arguments(query={"db_id": db_id}, json=body, headers=headers, answer=_FOUND[kind])


@_row("POST", "/traces/search", ALL_FOUND)
def iter_found_traces(
    filter_expr: Mapping[str, Any] | None = None,
    page_size: int = LIST_PAGE_SIZE,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all traces that a filter keeps, latest first, each once and in full, asking for pages as needed."""
    return replace(search_traces.arrange(filter_expr, limit=page_size, db_id=db_id, headers=headers), answer=None)


@_row("GET", "/traces/filter-schema", FILTERS)
def get_trace_filter_schema(headers: Headers | None = None) -> Arguments:
    """Return what `search_traces` can look for: keys, and the operators of each."""
    return Arguments(headers=headers)


def _moment(time: datetime | str | None) -> str | None:
    return time.isoformat() if isinstance(time, datetime) else time
