"""Traces: lists, one as a tree of spans, by session, and searches."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.json_text import dump_json, without_nulls
from serai.domain.traces import read_span_id, read_trace_id
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.bodies import read_body
from serai.server.context import runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.large_work import make
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import Paging, page_body, read_paging
from serai.server.routes.trace_shapes import (
    COMMON,
    DETAIL,
    DETAIL_PARAMETERS,
    FILTER_FIELDS,
    FILTERS,
    FOUND,
    LIST_PARAMETERS,
    PAGE,
    SEARCH,
    SPAN,
    STATS_PAGE,
    STATS_PARAMETERS,
    TAGS,
)
from serai.server.scope import project_of, read_user
from serai.server.trace_bodies import read_members, read_moment, read_search
from serai.server.trace_views import exact_text, show_detail, show_span, show_trace
from serai.storage.trace_lists import MEMBERS, TraceQuestion
from serai.storage.trace_rows import SpanRecord
from serai.storage.trace_sessions import SessionOfTraces, TraceSessionPage
from serai.wire.choices import TraceSearchGroupBy

_PART = "traces"
_MOST_SHOWN_HERE = 100
_STATS_MEMBERS = tuple(name for name in MEMBERS if name not in ("run_id", "status"))


async def list_traces(request: Request) -> Response:
    """List traces, the newest first."""
    check_database(request, _PART)
    began_s = time.perf_counter()
    paging = read_paging(request)
    question = _question(request, paging, MEMBERS)
    page = await runtime_of(request).traces.lists.page(question)
    now = datetime.now(UTC)

    def show() -> bytes:
        items = (dump_json(show_trace(record, now=now)) for record in page.records)
        return _page(items, page.total, page.is_exact, paging, began_s)

    return json_answer(await make(show, items=len(page.records)))


async def get_trace(request: Request) -> Response:
    """Read a trace with all its spans, or one of them."""
    check_database(request, _PART)
    details, project_id = runtime_of(request).traces.details, project_of(request)
    trace_id = read_trace_id(request.path_params["trace_id"])
    record = None if trace_id is None else await details.find(project_id, trace_id)
    user_id = read_user(request)
    if record is None or (user_id is not None and record.user_id != user_id):
        raise NotFoundError("Trace not found")
    now = datetime.now(UTC)
    if (named := request.query_params.get("span_id")) is not None:
        span_id = read_span_id(named)
        span = None if span_id is None else await details.find_span(project_id, record.trace_id, span_id)
        if span is None:
            raise NotFoundError("Span not found")
        return json_answer(show_span(span, record, now=now))
    spans = await details.spans_of(project_id, record.trace_id)
    return json_answer(await make(lambda: dump_json(show_detail(record, spans, now=now)), **_size_of(spans)))


async def get_session_stats(request: Request) -> Response:
    """Count the traces of each session, the latest first."""
    check_database(request, _PART)
    began_s = time.perf_counter()
    paging = read_paging(request)
    page = await runtime_of(request).traces.sessions.page(_question(request, paging, _STATS_MEMBERS))
    return await _answer_stats(page, paging, began_s)


async def search_traces(request: Request) -> Response:
    """Find traces by an expression, each with all its spans; or the sessions that they belong to."""
    check_database(request, _PART)
    began_s = time.perf_counter()
    project_id, traces = project_of(request), runtime_of(request).traces
    raw = await read_body(request)
    body, search, ignored = await make(partial(read_search, raw), size_bytes=len(raw))
    paging = body.paging
    question = TraceQuestion(project_id=project_id, search=search, limit=paging.limit, offset=paging.offset)
    if body.group_by is TraceSearchGroupBy.SESSION:
        return await _answer_stats(await traces.sessions.page(question), paging, began_s, ignored)
    page = await traces.lists.page(question)
    spans = await traces.details.spans_of_all(project_id, [record.trace_id for record in page.records])
    now = datetime.now(UTC)

    def show() -> bytes:
        items = (dump_json(show_detail(record, spans[record.trace_id], now=now)) for record in page.records)
        return _page(items, page.total, page.is_exact, paging, began_s)

    return json_answer(
        await make(show, **_size_of([span for some in spans.values() for span in some])), ignored=ignored
    )


async def get_filter_schema(request: Request) -> Response:
    """Say what traces can be searched by."""
    check_database(request, _PART)
    return json_answer(FILTER_FIELDS)


def _question(request: Request, paging: Paging, members: tuple[str, ...]) -> TraceQuestion:
    return TraceQuestion(
        project_id=project_of(request),
        members=read_members(request, names=members),
        since=read_moment(request, "start_time"),
        until=read_moment(request, "end_time"),
        limit=paging.limit,
        offset=paging.offset,
    )


async def _answer_stats(
    page: TraceSessionPage, paging: Paging, began_s: float, ignored: Iterable[str] = ()
) -> Response:
    def show() -> bytes:
        items = (dump_json(_show_stats(record)) for record in page.records)
        return _page(items, page.total, page.is_exact, paging, began_s)

    return json_answer(await make(show, items=len(page.records)), ignored=ignored)


def _show_stats(record: SessionOfTraces) -> dict[str, Any]:
    return without_nulls(
        {
            "session_id": record.session_id,
            "user_id": record.user_id,
            "agent_id": record.agent_id,
            "team_id": record.team_id,
            "workflow_id": record.workflow_id,
            "total_traces": record.traces,
            "first_trace_at": exact_text(record.first_at),
            "last_trace_at": exact_text(record.last_at),
        }
    )


def _page(items: Iterable[bytes], total: int, is_exact: bool, paging: Paging, began_s: float) -> bytes:
    took_ms = round((time.perf_counter() - began_s) * 1000, 2)
    return page_body(items, total=total, paging=paging, is_exact=is_exact, search_time_ms=took_ms)


def _size_of(spans: list[SpanRecord]) -> dict[str, int]:
    texts = sum(len(span.input or "") + len(span.output or "") + len(span.attributes or "") for span in spans)
    return {"size_bytes": texts, "items": len(spans), "most_items": _MOST_SHOWN_HERE}


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/traces",
        handler=list_traces,
        summary="List traces, newest first",
        description="Traces appear a moment after their runs have begun. Counted in full are lists by user, component "
        "and status, by a session alone, and by component and status from a time on; others up to 1,000.",
        tags=TAGS,
        parameters=LIST_PARAMETERS,
        responses={**json_result(PAGE), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/traces/filter-schema",
        handler=get_filter_schema,
        summary="Read what traces can be searched by",
        tags=TAGS,
        parameters=COMMON,
        responses={**json_result(FILTERS), **errors(400, 401, 403, 404, 422)},
    ),
    Route(
        method="POST",
        path="/traces/search",
        handler=search_traces,
        summary="Search traces by an expression",
        description="A search counts up to 1,000 traces, and shows up to 5,000 spans of a page, of all as many. "
        "By session it looks at the 1,000 newest traces that it finds.",
        tags=TAGS,
        parameters=COMMON,
        body=json_body(SEARCH),
        responses={**json_result(FOUND), **errors(400, 401, 403, 404, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/traces/{trace_id}",
        handler=get_trace,
        summary="Read a trace, or one span of it",
        description="Up to 10,000 of its spans, the first ones, as a tree.",
        tags=TAGS,
        parameters=DETAIL_PARAMETERS,
        responses={**json_result({"anyOf": [DETAIL, SPAN]}), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/trace_session_stats",
        handler=get_session_stats,
        summary="Count the traces of each session",
        description="By user and component, as kept; within a time the sessions of the 1,000 newest traces.",
        tags=TAGS,
        parameters=STATS_PARAMETERS,
        responses={**json_result(STATS_PAGE), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
