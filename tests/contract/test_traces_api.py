"""Traces over HTTP: lists, trees, single spans, sessions and searches, and what can be wrong with a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from msgspec import structs
from pydantic import SecretStr

from serai import AgentOS
from serai.domain.traces import Span, SpanKind, SpanStatus
from serai.settings import Settings
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from tests.hosting import http_client, serving
from tests.span_values import BEGAN_NS, span

BEGAN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGAN_NS // 1000)
SECOND_NS = 1_000_000_000
LISTS: list[tuple[dict[str, str], list[int]]] = [
    ({"session_id": "s1"}, [1, 3]),
    ({"user_id": "ada"}, [1, 2]),
    ({"user_id": ""}, []),
    ({"agent_id": "a"}, [1, 4]),
    ({"team_id": "t"}, [2]),
    ({"workflow_id": "w"}, [3]),
    ({"run_id": "r4"}, [4]),
    ({"status": "OK"}, [1, 3]),
    ({"status": "ok"}, []),
    ({"status": "UNSET"}, [4]),
    ({"user_id": "ada", "status": "ERROR"}, [2]),
    ({"agent_id": "a", "status": "OK", "user_id": "ada"}, [1]),
    ({"agent_id": "a", "team_id": "t"}, []),
    ({"session_id": "s1", "user_id": "ada"}, [1]),
    ({"start_time": (BEGAN + timedelta(seconds=2)).isoformat()}, [2, 3, 4]),
    ({"start_time": (BEGAN + timedelta(seconds=2, microseconds=1)).isoformat()}, [3, 4]),
    ({"start_time": "2026-09-21T16:13:22+02:00", "agent_id": "a"}, [4]),
    ({"end_time": (BEGAN + timedelta(seconds=2, milliseconds=1)).isoformat()}, [1, 2]),
    ({"end_time": "2999-01-01"}, [1, 2, 3, 4]),
    ({"start_time": "2026-09-21T14:13:22", "end_time": "2026-09-21 14:13:24", "status": "OK"}, [3]),
]
"""What lists are asked for, and which of four traces they hold."""


@pytest.fixture
async def client(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(settings=Settings(database_url=SecretStr(shared_url)))
    async with serving(os.app) as url, http_client(url, timeout=20) as connected:
        yield connected


@pytest.fixture
async def spans(shared_url: str) -> AsyncIterator[SpanStore]:
    database = Database(shared_url)
    await database.open()
    yield SpanStore(database)
    await database.close()


async def write(store: SpanStore, *written: Span) -> str:
    """Write spans into a project of their own, and return its name."""
    project = f"p-{uuid4().hex}"
    await store.write([structs.replace(one, project_id=project) for one in written])
    return project


async def get(client: httpx.AsyncClient, path: str, project: str, **query: Any) -> Any:
    response = await client.get(path, params={"project_id": project, **query})
    assert response.status_code == 200, response.text
    return response.json()


def a_trace(number: int, **members: Any) -> Span:
    """Return a trace that began `number` seconds after the first."""
    return span(number, 1, started_ns=BEGAN_NS + number * SECOND_NS, **members)


async def test_traces_are_listed_newest_first_with_what_is_known_of_them(client: httpx.AsyncClient, spans: SpanStore):
    about = {"run_id": "r", "session_id": "s", "user_id": "u", "agent_id": "a", "input": "add 4 and 5"}
    project = await write(
        spans,
        a_trace(1, name="Tool Agent", duration_ns=27_457_416, **about),
        span(
            1,
            2,
            parent=1,
            kind=SpanKind.LLM,
            started_ns=BEGAN_NS + SECOND_NS,
            input_tokens=7,
            output_tokens=2,
            cost=0.5,
        ),
        a_trace(2, duration_ns=1_504_000_000, status=SpanStatus.ERROR),
    )
    page = await get(client, "/traces", project)
    meta = page["meta"]
    assert meta.pop("search_time_ms") > 0
    assert meta == {"page": 1, "limit": 20, "total_pages": 1, "total_count": 2}
    late, early = page["data"]
    assert (late["duration"], late["duration_ms"], late["status"], late["error_count"]) == ("1.50s", 1504, "ERROR", 1)
    assert late.keys().isdisjoint(("input", "run_id", "cost", "is_running"))
    assert datetime.fromisoformat(early.pop("created_at")).tzinfo is not None
    assert early == {
        "trace_id": f"{1:032x}",
        "name": "Tool Agent",
        "status": "OK",
        "duration": "27ms",
        "duration_ms": 27.457416,
        "start_time": "2026-09-21T14:13:21.000000Z",
        "end_time": "2026-09-21T14:13:21.027457Z",
        "total_spans": 2,
        "error_count": 0,
        **about,
        "total_tokens": 9,
        "cost": 0.5,
    }


def of_four() -> list[Span]:
    """Return four traces: of two users, two sessions, an agent, a team and a workflow."""
    return [
        a_trace(1, session_id="s1", user_id="ada", agent_id="a", run_id="r1"),
        a_trace(2, session_id="s2", user_id="ada", team_id="t", run_id="r2", status=SpanStatus.ERROR),
        a_trace(3, session_id="s1", user_id="bob", workflow_id="w", run_id="r3"),
        a_trace(4, agent_id="a", run_id="r4", status=SpanStatus.UNSET, duration_ns=3 * SECOND_NS),
    ]


async def test_lists_hold_what_is_asked_for(client: httpx.AsyncClient, spans: SpanStore):
    project = await write(spans, *of_four())
    for query, found in LISTS:
        page = await get(client, "/traces", project, **query)
        assert [int(trace["trace_id"], 16) for trace in page["data"]] == found[::-1], query
        assert page["meta"]["total_count"] == len(found), query
        pages = [await get(client, "/traces", project, limit=1, page=number, **query) for number in (1, 2, 3, 4, 9)]
        assert [int(one["data"][0]["trace_id"], 16) for one in pages if one["data"]] == found[::-1], query
        assert {one["meta"]["total_pages"] for one in pages} == {len(found)}, query


async def test_a_trace_is_a_tree_of_its_spans(client: httpx.AsyncClient, spans: SpanStore):
    at: dict[str, Any] = {"session_id": "s", "user_id": "u"}
    llm: dict[str, Any] = {"kind": SpanKind.LLM, "model": "m", "provider": "p", "input_tokens": 5, "output_tokens": 2}
    project = await write(
        spans,
        span(1, 1, kind=SpanKind.TEAM, name="crew", input="q" * 2000, output="done", team_id="crew", run_id="r", **at),
        span(1, 3, parent=1, name="add", input='{"a": 4}', output="9", attributes={"call": "c-1"}),
        span(1, 2, parent=1, kind=SpanKind.AGENT, name="helper", input="in", output="out", run_id="r2", **at),
        span(1, 4, parent=2, name="ask", cost=0.25, **llm),
        span(1, 5, parent=2, kind=SpanKind.WORKFLOW, name="step", attributes={"step_type": "Step"}),
        span(1, 6, parent=99, name="lost", input="from elsewhere"),
        span(1, 7, parent=8, name="ring"),
        span(1, 8, parent=7, name="ring too"),
    )
    listed = (await get(client, "/traces", project))["data"][0]
    assert len(listed["input"]) == 1000
    trace = await get(client, f"/traces/{1:032x}", project)
    assert (trace["input"], trace["output"], trace["total_spans"]) == ("q" * 2000, "done", 8)
    assert "error" not in trace
    root, lost, ring = trace["tree"]
    assert (lost["name"], lost["input"], ring["spans"][0]["name"]) == ("lost", "from elsewhere", "ring too")
    assert root.keys().isdisjoint(("input", "output", "error"))
    assert root["metadata"] == {"total_input_tokens": 5, "total_output_tokens": 2, "cost": 0.25}
    helper, add = root["spans"]
    assert (helper["type"], helper["metadata"]) == ("AGENT", {"run_id": "r2", **at})
    assert (add["metadata"], add["extra_data"]) == ({"tool_name": "add", "parameters": '{"a": 4}'}, {"call": "c-1"})
    asked, step = helper["spans"]
    told = {"model": "m", "provider": "p", "input_tokens": 5, "output_tokens": 2, "cost": 0.25}
    assert asked["metadata"] == told
    assert (step["type"], step["step_type"]) == ("WORKFLOW", "Step")
    alone = await get(client, f"/traces/{1:032x}", project, span_id=f"{2:016x}", run_id="another")
    assert (alone["input"], alone["output"]) == ("in", "out")
    assert "spans" not in alone
    assert alone["id"] == helper["id"] == f"{2:016x}"


async def test_the_root_of_a_workflow_says_which_steps_there_were(client: httpx.AsyncClient, spans: SpanStore):
    step: dict[str, Any] = {"parent": 1, "kind": SpanKind.WORKFLOW}
    project = await write(
        spans,
        span(1, 1, kind=SpanKind.WORKFLOW, workflow_id="flow", attributes={"description": "Writes."}),
        span(1, 2, parent=1, kind=SpanKind.QUEUE),
        span(1, 3, name="ask", attributes={"step_type": "Step"}, **step),
        span(1, 4, name="both", attributes={"step_type": "Parallel"}, **step),
    )
    (root,) = (await get(client, f"/traces/{1:032x}", project))["tree"]
    steps = {"steps_count": 2, "steps": ["ask", "both"], "step_types": ["Step", "Parallel"]}
    assert root["metadata"] == {"description": "Writes.", **steps}


async def test_a_trace_that_failed_says_why_and_has_no_output(client: httpx.AsyncClient, spans: SpanStore):
    failed: dict[str, Any] = {"status": SpanStatus.ERROR, "output": "half", "error": "no such city"}
    project = await write(spans, span(1, 1, **failed), span(1, 2, parent=1, **failed))
    trace = await get(client, f"/traces/{1:032x}", project)
    inner = trace["tree"][0]["spans"][0]
    for one in (trace, inner):
        assert (one["status"], one["error"]) == ("ERROR", "no such city")
        assert "output" not in one


async def test_a_trace_that_goes_on_takes_until_now(client: httpx.AsyncClient, spans: SpanStore):
    began = datetime.now(UTC) - timedelta(minutes=5)
    open_now: dict[str, Any] = {"duration_ns": None, "status": SpanStatus.UNSET}
    open_now["started_ns"] = int(began.timestamp()) * SECOND_NS
    project = await write(spans, span(1, 1, **open_now), span(1, 2, parent=1, **open_now))
    trace = await get(client, f"/traces/{1:032x}", project)
    for one in (trace, trace["tree"][0], trace["tree"][0]["spans"][0]):
        assert (one["is_running"], one["status"]) == (True, "UNSET")
        assert 300_000 <= one["duration_ms"] < 400_000
    await spans.write([span(1, 1, **{**open_now, "duration_ns": SECOND_NS}, project_id=project)])
    trace = await get(client, f"/traces/{1:032x}", project)
    unended = trace["tree"][0]["spans"][0]
    assert "is_running" not in trace
    assert (trace["duration"], unended["duration"]) == ("1.00s", "1.00s")


async def test_a_deep_trace_is_cut_into_levels_that_can_be_read(client: httpx.AsyncClient, spans: SpanStore):
    project = await write(spans, span(1, 1), *(span(1, number, parent=number - 1) for number in range(2, 200)))
    trace = await get(client, f"/traces/{1:032x}", project)
    level, found = trace["tree"], []
    while level:
        found += [one["id"] for one in level]
        level = [inner for one in level for inner in one.get("spans", ())]
    assert found == [f"{number:016x}" for number in range(1, 200)]


async def test_sessions_are_counted_by_their_traces(client: httpx.AsyncClient, spans: SpanStore):
    project = await write(spans, *of_four(), a_trace(5, session_id="s2", user_id="bob", agent_id="b"))
    page = await get(client, "/trace_session_stats", project)
    found = {one["session_id"]: one for one in page["data"]}
    assert page["meta"]["total_count"] == 2
    assert {name: one["total_traces"] for name, one in found.items()} == {"s1": 2, "s2": 2}
    assert found["s1"] | {"user_id": "bob", "agent_id": "a", "workflow_id": "w"} == found["s1"]
    assert found["s1"]["first_trace_at"] <= found["s1"]["last_trace_at"]
    for query in ({"user_id": "ada"}, {"agent_id": "a"}, {"session_id": "s2"}):
        (one, *more) = (await get(client, "/trace_session_stats", project, **query))["data"]
        assert one["total_traces"] == (2 if "session_id" in query else 1), query
        assert len(more) == ("user_id" in query), query
    page = await get(client, "/trace_session_stats", project, start_time="2020-01-01", end_time="2999-01-01", limit=1)
    assert (page["meta"]["total_count"], len(page["data"])) == (2, 1)
    assert (await get(client, "/trace_session_stats", project, start_time="2999-01-01"))["data"] == []


async def test_searches_find_traces_and_sessions(client: httpx.AsyncClient, spans: SpanStore):
    project = await write(spans, *of_four())
    failed_or_bobs = {
        "op": "OR",
        "conditions": [
            {"op": "NEQ", "key": "status", "value": "OK"},
            {"op": "AND", "conditions": [{"op": "CONTAINS", "key": "user_id", "value": "BO"}]},
        ],
    }

    async def search(asked: dict[str, Any]) -> Any:
        return (await client.post("/traces/search", params={"project_id": project}, json=asked)).json()

    page = await search({"filter": failed_or_bobs, "limit": 2})
    assert page["meta"]["total_count"] == 3
    assert [int(trace["trace_id"], 16) for trace in page["data"]] == [4, 3]
    assert page["data"][0]["tree"][0]["id"] == f"{1:016x}"
    everything = await search({"filter": None})
    assert everything["meta"]["total_count"] == 4
    asked = {"filter": failed_or_bobs, "group_by": "session", "page": 1, "limit": 20}
    page = await search(asked)
    assert {one["session_id"]: one["total_traces"] for one in page["data"]} == {"s1": 1, "s2": 1}


WRONG: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/traces?start_time=yesterday", None, 400, "start_time: 'yesterday' is no ISO 8601 time"),
    ("GET", "/traces?end_time=0001-01-01T00:00:00%2B14:00", None, 400, "end_time"),
    ("GET", "/traces?page=0", None, 422, "whole number"),
    ("GET", "/traces?limit=x", None, 422, "whole number"),
    ("GET", "/traces?db_id=other", None, 404, "No database found with id 'other'"),
    ("GET", "/traces?table=agno_traces", None, 400, "db_id"),
    ("GET", "/traces?db_id=serai&table=agno_sessions", None, 404, "has table"),
    ("GET", "/traces/nothing", None, 404, "Trace not found"),
    ("GET", f"/traces/{99:032x}", None, 404, "Trace not found"),
    ("GET", f"/traces/{99:032x}?span_id={1:016x}", None, 404, "Trace not found"),
    ("GET", f"/traces/{1:032x}?span_id={9:016x}", None, 404, "Span not found"),
    ("GET", f"/traces/{1:032x}?span_id=none", None, 404, "Span not found"),
    ("GET", f"/traces/{1:032x}?user_id=ada", None, 404, "Trace not found"),
    ("GET", "/trace_session_stats?start_time=soon", None, 400, "start_time"),
    ("POST", "/traces/search", {"filter": {"op": "XOR"}}, 400, "Invalid filter expression: filter.op must be one of"),
    ("POST", "/traces/search", {"filter": {"op": "EQ", "key": "colour", "value": "x"}}, 400, "filter.key must be"),
    ("POST", "/traces/search", {"filter": "status"}, 400, "Invalid filter expression: filter must be an object"),
    ("POST", "/traces/search", {"limit": 101}, 422, "limit"),
    ("POST", "/traces/search", {"page": 0}, 422, "page"),
    ("POST", "/traces/search", {"group_by": "day"}, 422, "group_by"),
    ("POST", "/traces/search", None, 422, "JSON"),
]


async def test_what_is_wrong_with_a_request_is_said(client: httpx.AsyncClient, spans: SpanStore):
    project = await write(spans, span(1, 1, user_id="bob"))
    for method, path, body, status, words in WRONG:
        response = await client.request(method, path, json=body, headers={"Project-Id": project})
        assert (response.status_code, words in response.text) == (status, True), (path, body, response.text)


async def test_the_keys_of_filters_are_said(client: httpx.AsyncClient):
    schema = (await client.get("/traces/filter-schema")).json()
    fields = {field["key"]: field for field in schema["fields"]}
    assert len(fields) == 13
    assert fields["status"]["values"] == ["OK", "ERROR", "UNSET"]
    assert fields["name"] | {"label": "Trace Name", "type": "string"} == fields["name"]
    assert fields["start_time"]["operators"] == ["GT", "GTE", "LT", "LTE"]
