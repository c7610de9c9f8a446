"""What the clients send about traces, and what they make of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime
from typing import Any, assert_type

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.traces import (
    TraceDetail,
    TraceNode,
    TracePage,
    TraceResult,
    TraceSearchGroupBy,
    TraceSessionStats,
    TraceSummary,
)
from serai.wire.arguments import ArgumentError
from tests.unit.both_clients import Recorder, connect, events_of, result_of

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
TIMES = {"start_time": "2026-11-20T23:16:20.839394Z", "end_time": "2026-11-20T23:16:20.866852Z"}
TRACE = {"trace_id": "bc01", "name": "Echo", "status": "OK", "duration": "27ms", "total_spans": 2, **TIMES}
NODE = {"id": "ef0a", "name": "Echo", "type": "AGENT", "status": "OK", "duration": "27ms", **TIMES}
TREE = [{**NODE, "spans": [{**NODE, "id": "fbcf", "type": "TOOL", "input": "{}"}]}]
STATS = {"session_id": "s", "total_traces": 2}
FAILED = {"op": "EQ", "key": "status", "value": "ERROR"}
PAGE: dict[str, Any] = {"data": [], "meta": {}}

CALLS: list[tuple[str, dict[str, Any], str, Any, Any]] = [
    ("get_traces", {}, "GET /traces?page=1&limit=20", None, PAGE),
    (
        "get_traces",
        {
            "run_id": "r",
            "session_id": "s",
            "user_id": "",
            "agent_id": "a",
            "team_id": "t",
            "workflow_id": "w",
            "status": "OK",
            "start_time": datetime(2026, 11, 20, tzinfo=UTC),
            "end_time": "2026-11-21",
            "page": 3,
            "db_id": "d",
        },
        (
            "GET /traces?page=3&limit=20&run_id=r&session_id=s&user_id=&agent_id=a&team_id=t&workflow_id=w&status=OK"
            "&start_time=2026-11-20T00%3A00%3A00%2B00%3A00&end_time=2026-11-21&db_id=d"
        ),
        None,
        PAGE,
    ),
    ("get_trace", {"trace_id": "bc01", "run_id": "r"}, "GET /traces/bc01?run_id=r", None, TRACE),
    ("get_trace", {"trace_id": "a/b", "span_id": "fbcf"}, "GET /traces/a%2Fb?span_id=fbcf", None, NODE),
    (
        "get_trace_session_stats",
        {"user_id": "u", "start_time": "2026-11-20", "limit": 5},
        "GET /trace_session_stats?page=1&limit=5&user_id=u&start_time=2026-11-20",
        None,
        PAGE,
    ),
    (
        "search_traces",
        {"db_id": "d"},
        "POST /traces/search?db_id=d",
        {"filter": None, "group_by": "run", "page": 1, "limit": 20},
        PAGE,
    ),
    (
        "search_traces",
        {"filter_expr": FAILED, "group_by": TraceSearchGroupBy.SESSION, "page": 2, "limit": 100},
        "POST /traces/search",
        {"filter": FAILED, "group_by": "session", "page": 2, "limit": 100},
        PAGE,
    ),
    ("get_trace_filter_schema", {}, "GET /traces/filter-schema", None, {"fields": [], "logical_operators": ["AND"]}),
]


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "request_line", "body", "answer"), CALLS, ids=lambda value: str(value)[:40]
)
async def test_requests_are_the_published_ones(kind, name, arguments, request_line, body, answer):
    server = Recorder(httpx.Response(200, json=answer))
    await result_of(getattr(connect(kind, server), name)(**arguments, headers={"x-own": "1"}))
    [request] = server.requests
    assert f"{request.method} {request.url.raw_path.decode()}" == request_line
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["x-own"] == "1"


@BOTH
async def test_a_trace_has_its_tree_its_spans_and_its_duration_as_a_number(kind):
    trace = await result_of(
        connect(kind, Recorder(httpx.Response(200, json={**TRACE, "tree": TREE}))).get_trace("bc01")
    )
    assert isinstance(trace, TraceDetail)
    assert trace.duration_ms == 27
    assert [span.id for span in trace.spans] == ["ef0a", "fbcf"]
    assert [node.id for node in trace.tree] == ["ef0a"]


@BOTH
async def test_one_span_of_a_trace_is_read_as_what_it_is(kind):
    client = connect(kind, Recorder(httpx.Response(200, json={**NODE, "output": "9"})))
    span = await result_of(client.get_trace("bc01", "ef0a"))
    assert isinstance(span, TraceNode)
    assert (span.output, span.spans) == ("9", None)


@BOTH
async def test_a_search_finds_traces_in_full_or_sessions(kind):
    for group_by, item, wanted in (
        (TraceSearchGroupBy.RUN, {**TRACE, "tree": TREE}, TraceDetail),
        ("session", STATS, TraceSessionStats),
    ):
        client = connect(kind, Recorder(httpx.Response(200, json={"data": [item], "meta": {"total_count": 1}})))
        page = await result_of(client.search_traces(FAILED, group_by))
        assert [type(one) for one in page.data] == [wanted]
        assert page.meta.total_count == 1


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("search_traces", (None, "week"), "group_by must be one of run, session, not 'week'"),
        ("get_trace", ("",), "trace_id must not be ''"),
        ("iter_found_traces", (None, 0), "page_size must be at least 1"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name_and_not_sent(kind, name, arguments, message):
    server = Recorder(httpx.Response(500))
    with pytest.raises(ArgumentError, match=message):
        await result_of(getattr(connect(kind, server), name)(*arguments))
    assert server.requests == []


@BOTH
async def test_an_iterator_over_what_was_found_asks_for_page_after_page(kind):
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        number = bodies[-1]["page"]
        rows = [{**TRACE, "trace_id": f"{number}-{each}"} for each in range(2 if number < 3 else 1)]
        return httpx.Response(200, json={"data": rows, "meta": {"limit": 2, "total_pages": 3, "total_count": 5}})

    found = await events_of(connect(kind, answer).iter_found_traces(FAILED, page_size=2))
    assert [type(trace) for trace in found] == [TraceDetail] * 5
    assert [(body["page"], body["limit"], body["filter"]) for body in bodies] == [(n, 2, FAILED) for n in (1, 2, 3)]


@BOTH
async def test_traces_and_their_sessions_have_iterators(kind):
    for name, item in (("iter_traces", TRACE), ("iter_trace_session_stats", STATS)):
        client = connect(kind, Recorder(httpx.Response(200, json={"data": [item, item]})))
        assert len(await events_of(getattr(client, name)(agent_id="a"))) == 1


def check_types(ours: AgentOSClient, blocking: SyncAgentOSClient) -> None:
    """Say what a type checker makes of the methods; nothing calls this."""
    assert_type(blocking.get_traces(), TracePage)
    assert_type(blocking.get_trace("t"), TraceResult)
    assert_type(blocking.iter_traces(), Generator[TraceSummary, None, None])
    assert_type(ours.iter_found_traces(), AsyncGenerator[TraceDetail, None])
