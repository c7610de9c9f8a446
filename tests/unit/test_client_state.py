"""What the clients send about sessions, memories, metrics and evals, and what they make of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, date, datetime
from typing import Any, assert_type

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.eval_runs import EvalFilterType, EvalSchema, EvalType
from serai.memories import UserMemorySchema
from serai.metrics import DayAggregatedMetrics, MetricsRefreshResponse
from serai.sessions import (
    AgentSessionDetailSchema,
    SessionPage,
    SessionSchema,
    SessionType,
    TeamSessionDetailSchema,
    WorkflowSessionDetailSchema,
)
from serai.wire.arguments import ArgumentError
from serai.wire.failures import ServerStatusError
from tests.unit.both_clients import Recorder, connect, result_of

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])

SESSION = {"session_id": "s", "session_name": "n"}
MEMORY = {"memory_id": "m", "memory": "text"}
DAY = {"id": "d", "date": "2026-11-20T00:00:00Z"}
EVAL = {"id": "e", "eval_type": "accuracy", "eval_data": {}}
OPTIMIZED = {
    "memories": [MEMORY],
    "memories_before": 3,
    "memories_after": 1,
    "tokens_before": 40,
    "tokens_after": 12,
    "tokens_saved": 28,
    "reduction_percentage": 70.0,
}
PAGE: dict[str, Any] = {"data": [], "meta": {}}

CALLS: list[tuple[str, dict[str, Any], str, Any, Any]] = [
    (
        "create_session",
        {"session_type": SessionType.TEAM, "session_id": "s", "session_name": "", "session_state": {}, "db_id": "d"},
        "POST /sessions?type=team&db_id=d",
        {"session_id": "s", "session_name": "", "session_state": {}},
        SESSION,
    ),
    ("create_session", {}, "POST /sessions?type=agent", {}, SESSION),
    (
        "get_sessions",
        {"session_type": SessionType.AGENT, "component_id": "c", "user_id": "", "session_name": "é +", "table": "t"},
        (
            "GET /sessions?type=agent&component_id=c&user_id=&session_name=%C3%A9+%2B&limit=20&page=1"
            "&sort_by=created_at&sort_order=desc&table=t"
        ),
        None,
        PAGE,
    ),
    ("get_session", {"session_id": "a/b?c#d"}, "GET /sessions/a%2Fb%3Fc%23d", None, SESSION),
    (
        "get_session_runs",
        {"session_id": "s", "created_after": 1, "created_before": 2, "status": ["PAUSED", "error"], "user_id": "u"},
        "GET /sessions/s/runs?user_id=u&created_after=1&created_before=2&status=PAUSED&status=error",
        None,
        [],
    ),
    ("get_session_runs", {"session_id": "s", "status": "PAUSED"}, "GET /sessions/s/runs?status=PAUSED", None, []),
    (
        "aget_session_run_previews",
        {"session_id": "s", "session_type": "team"},
        "GET /sessions/s/run-previews?type=team",
        None,
        [{"run_id": "r"}],
    ),
    ("get_session_run", {"session_id": "s", "run_id": "r"}, "GET /sessions/s/runs/r", None, {"run_id": "r"}),
    (
        "rename_session",
        {"session_id": "s", "session_name": "", "user_id": "u"},
        "POST /sessions/s/rename?user_id=u",
        {"session_name": ""},
        SESSION,
    ),
    (
        "update_session",
        {"session_id": "s", "session_state": {}, "summary": {"summary": "x"}},
        "PATCH /sessions/s",
        {"session_state": {}, "summary": {"summary": "x"}},
        SESSION,
    ),
    ("update_session", {"session_id": "s"}, "PATCH /sessions/s", {}, SESSION),
    ("delete_session", {"session_id": "s", "user_id": "u"}, "DELETE /sessions/s?user_id=u", None, None),
    (
        "delete_sessions",
        {"session_ids": ["a", "b"], "session_types": [SessionType.AGENT, "team"]},
        "DELETE /sessions",
        {"session_ids": ["a", "b"], "session_types": ["agent", "team"]},
        None,
    ),
    (
        "create_memory",
        {"memory": "x" * 5000, "user_id": "u", "topics": ["a"], "db_id": "d", "table": "t"},
        "POST /memories?db_id=d&table=t",
        {"memory": "x" * 5000, "user_id": "u", "topics": ["a"]},
        MEMORY,
    ),
    (
        "list_memories",
        {"user_id": "u", "agent_id": "a", "team_id": "t", "topics": ["a", "b"], "search_content": "50%", "page": 2},
        (
            "GET /memories?user_id=u&agent_id=a&team_id=t&topics=a&topics=b&search_content=50%25&limit=20&page=2"
            "&sort_by=updated_at&sort_order=desc"
        ),
        None,
        PAGE,
    ),
    ("get_memory", {"memory_id": "m", "user_id": "u"}, "GET /memories/m?user_id=u", None, MEMORY),
    (
        "update_memory",
        {"memory_id": "m", "memory": "y", "user_id": "u"},
        "PATCH /memories/m",
        {"memory": "y", "user_id": "u"},
        MEMORY,
    ),
    ("delete_memory", {"memory_id": "m", "user_id": "u"}, "DELETE /memories/m?user_id=u", None, None),
    (
        "delete_memories",
        {"memory_ids": ("a", "b"), "user_id": "u"},
        "DELETE /memories",
        {"memory_ids": ["a", "b"], "user_id": "u"},
        None,
    ),
    ("get_memory_topics", {"user_id": "u"}, "GET /memory_topics?user_id=u", None, ["a", "b"]),
    ("get_user_memory_stats", {"limit": 3}, "GET /user_memory_stats?limit=3&page=1", None, PAGE),
    (
        "optimize_memories",
        {"user_id": "u", "apply": False},
        "POST /optimize-memories",
        {"user_id": "u", "apply": False},
        OPTIMIZED,
    ),
    (
        "list_memory_changes",
        {"memory_id": "m", "run_id": "r"},
        "GET /memories/changes?memory_id=m&run_id=r&limit=20&page=1",
        None,
        {"data": [{"id": "c", "action": "created", "after": MEMORY}], "meta": {}},
    ),
    ("undo_memory_change", {"change_id": "c"}, "POST /memories/changes/c/undo", None, {"data": [{"change_id": "c"}]}),
    (
        "undo_memory_change",
        {"change_id": "c", "together": True, "user_id": "u"},
        "POST /memories/changes/c/undo?together=true&user_id=u",
        None,
        {"data": []},
    ),
    ("audit_memories", {"user_id": "u"}, "GET /memories/audit?user_id=u", None, {"total": 0}),
    (
        "get_metrics",
        {"starting_date": date(987, 1, 2), "ending_date": datetime(2026, 11, 20, 23, tzinfo=UTC)},
        "GET /metrics?starting_date=0987-01-02&ending_date=2026-11-20",
        None,
        {"metrics": [DAY], "updated_at": None},
    ),
    ("refresh_metrics", {}, "POST /metrics/refresh", None, [DAY]),
    ("refresh_metrics", {"background": True}, "POST /metrics/refresh?background=true", None, {"status": "started"}),
    ("get_metrics_refresh_status", {}, "GET /metrics/refresh/status", None, {"status": "idle"}),
    (
        "list_eval_runs",
        {"filter_type": EvalFilterType.TEAM, "eval_types": [EvalType.ACCURACY, "performance"], "model_id": "m"},
        (
            "GET /eval-runs?model_id=m&type=team&eval_types=accuracy%2Cperformance&limit=20&page=1"
            "&sort_by=created_at&sort_order=desc"
        ),
        None,
        PAGE,
    ),
    ("get_eval_run", {"eval_run_id": "e"}, "GET /eval-runs/e", None, EVAL),
    ("update_eval_run", {"eval_run_id": "e", "name": "n"}, "PATCH /eval-runs/e", {"name": "n"}, EVAL),
    ("delete_eval_runs", {"eval_run_ids": ["e"]}, "DELETE /eval-runs", {"eval_run_ids": ["e"]}, None),
    ("cancel_eval_run", {"eval_run_id": "e"}, "POST /eval-runs/e/cancel", None, EVAL),
    (
        "run_eval",
        {"eval_type": EvalType.RELIABILITY, "input_text": "i", "agent_id": "a", "expected_tool_calls": ["add"]},
        "POST /eval-runs",
        {
            "eval_type": "reliability",
            "input": "i",
            "agent_id": "a",
            "expected_tool_calls": ["add"],
            "allow_additional_tool_calls": False,
            "num_iterations": 1,
        },
        EVAL,
    ),
    (
        "run_eval",
        {
            "eval_type": "agent_as_judge",
            "input_text": "i",
            "team_id": "t",
            "criteria": "c",
            "threshold": 5,
            "background": True,
        },
        "POST /eval-runs?background=true",
        {
            "eval_type": "agent_as_judge",
            "input": "i",
            "team_id": "t",
            "criteria": "c",
            "threshold": 5,
            "allow_additional_tool_calls": False,
            "num_iterations": 1,
        },
        EVAL,
    ),
    (
        "migrate_database",
        {"db_id": "d", "target_version": "2.0.0"},
        "POST /databases/d/migrate",
        {"target_version": "2.0.0"},
        {"message": "done"},
    ),
    ("get_server_status", {"limit": 5}, "GET /-/status?limit=5", None, {"node": "n", "queue": {"runs": None}}),
    ("get_retention", {}, "GET /retention", None, {"rules": {"events": 30, "sessions": None}}),
    ("apply_retention", {}, "POST /retention/apply?dry_run=true", None, {"dry_run": True, "removed": {"events": 1}}),
    ("erase_user", {"user_id": "u/1"}, "DELETE /users/u%2F1?dry_run=false", None, {"user_id": "u/1", "removed": {}}),
]


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "request_line", "body", "answer"), CALLS, ids=lambda value: str(value)[:40]
)
async def test_requests_are_the_published_ones(kind, name, arguments, request_line, body, answer):
    server = Recorder(httpx.Response(204) if answer is None else httpx.Response(200, json=answer))
    client = connect(kind, server)
    result = await result_of(getattr(client, name)(**arguments, headers={"x-own": "1"}))
    [request] = server.requests
    assert f"{request.method} {request.url.raw_path.decode()}" == request_line
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["x-own"] == "1"
    assert ("idempotency-key" in request.headers) == (request.method != "GET")
    assert (result is None) == (answer is None or name == "migrate_database")


@BOTH
async def test_a_session_is_read_as_the_kind_that_was_asked_for_else_as_what_it_is(kind):
    client = connect(kind, Recorder(httpx.Response(200, json={**SESSION, "team_id": "t"})))
    asked: Any = [
        (client.get_session("s"), TeamSessionDetailSchema),
        (client.rename_session("s", "n"), TeamSessionDetailSchema),
        (client.update_session("s", metadata={}), TeamSessionDetailSchema),
        (client.get_session("s", SessionType.AGENT), AgentSessionDetailSchema),
        (client.update_session("s", "workflow", "n"), WorkflowSessionDetailSchema),
        (client.create_session(), AgentSessionDetailSchema),
        (client.create_session(SessionType.TEAM), TeamSessionDetailSchema),
    ]
    for call, wanted in asked:
        assert type(await result_of(call)) is wanted


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("create_memory", ("x" * 5001, "u"), "memory must have at most 5,000 characters, and has 5,001"),
        ("create_memory", ("", "u"), "memory must not be empty"),
        ("update_memory", ("m", "x" * 5001, "u"), "memory must have at most"),
        ("delete_memories", ([],), "memory_ids must not be empty"),
        ("delete_memories", ("m-1",), "memory_ids must be a list, not the text 'm-1'"),
        ("delete_eval_runs", ("e-1",), "eval_run_ids must be a list"),
        ("delete_sessions", ("s-1", ["agent"]), "session_ids must be a list"),
        ("delete_sessions", ([], []), "session_ids must not be empty"),
        ("delete_sessions", (["s"], []), "session_types must not be empty"),
        ("delete_sessions", (["s"], ["robot"]), "session_types must be one of agent, team, workflow, not 'robot'"),
        ("get_sessions", ("robot",), "session_type must be one of agent"),
        ("get_session", ("",), "session_id must not be ''"),
        ("create_session", ("robot",), "session_type must be one of agent"),
        ("delete_eval_runs", ([],), "eval_run_ids must not be empty"),
        ("update_eval_run", ("e", "x" * 256), "name must have at most 255 characters"),
        ("run_eval", ("charm", "i"), "eval_type must be one of accuracy"),
        ("run_eval", ("accuracy", ""), "input_text must not be empty"),
        ("run_eval", ("accuracy", "i", "a", None, None, None, "o", None, False, None, 101), "num_iterations must be"),
        ("list_eval_runs", (None, None, None, None, "robot"), "filter_type must be one of agent"),
        ("list_memories", ("a\ud800",), "user_id is no valid Unicode text"),
        ("list_memories", (None, None, None, ["\ud800"]), "topics is no valid Unicode text"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name_and_not_sent(kind, name, arguments, message):
    server = Recorder(httpx.Response(500))
    with pytest.raises(ArgumentError, match=message):
        await result_of(getattr(connect(kind, server), name)(*arguments))
    assert server.requests == []


@BOTH
async def test_a_write_is_sent_again_with_its_key_when_its_answer_was_lost(kind):
    server = Recorder(httpx.ReadError("boom"), httpx.Response(503), httpx.Response(200, json=MEMORY))
    assert (await result_of(connect(kind, server).create_memory("x", "u"))).memory_id == "m"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(server.requests) == 3


@BOTH
async def test_an_unknown_id_is_the_servers_404(kind):
    server = Recorder(httpx.Response(404, json={"detail": "Memory with ID m not found"}))
    with pytest.raises(ServerStatusError, match="Memory with ID m not found"):
        await result_of(connect(kind, server).get_memory("m"))


@BOTH
@pytest.mark.parametrize("content", ["", "null"])
async def test_an_eval_that_the_server_tells_nothing_about_is_none(kind, content):
    client = connect(kind, Recorder(httpx.Response(200, text=content)))
    assert await result_of(client.run_eval(EvalType.ACCURACY, "i", "a", expected_output="o")) is None
    with pytest.raises(ValueError, match="EvalSchema"):
        await result_of(client.get_eval_run("e"))


@BOTH
async def test_a_refresh_is_a_list_of_days_or_how_it_began(kind):
    client = connect(kind, Recorder(httpx.Response(200, json=[DAY]), httpx.Response(202, json={"status": "started"})))
    [day] = await result_of(client.refresh_metrics())
    assert isinstance(day, DayAggregatedMetrics)
    assert isinstance(await result_of(client.refresh_metrics(background=True)), MetricsRefreshResponse)


@BOTH
async def test_half_a_character_in_an_answer_is_read(kind):
    content = b'{"data": [{"memory_id": "m", "memory": "a\\ud800"}], "meta": {}}'
    client = connect(kind, Recorder(httpx.Response(200, content=content)))
    assert (await result_of(client.list_memories())).data[0].memory == "a\ud800"


async def test_the_asynchronous_client_reads_previews_synchronously_too():
    client = AgentOSClient("http://os.test")
    await client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.get_session_run_previews("s")


async def check_types(client: AgentOSClient, blocking: SyncAgentOSClient) -> None:
    """Say what a type checker makes of the methods; nothing calls this."""
    assert_type(await client.get_sessions(), SessionPage)
    assert_type(blocking.get_memory("m"), UserMemorySchema)
    assert_type(await client.run_eval(EvalType.ACCURACY, "i"), EvalSchema | None)
    assert_type(
        await client.get_session("s"),
        AgentSessionDetailSchema | TeamSessionDetailSchema | WorkflowSessionDetailSchema,
    )
    assert_type(blocking.get_memory_topics(), list[str])
    assert_type(client.iter_sessions(), AsyncGenerator[SessionSchema, None])
    assert_type(blocking.iter_memories(page_size=2), Generator[UserMemorySchema, None, None])
    client.iter_sessions(limit=3)  # type: ignore[call-arg]
