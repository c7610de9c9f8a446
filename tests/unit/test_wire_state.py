"""Sessions, memories, metrics and evals as servers send them: in full, in part, with times in either form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from serai.eval_runs import EvalSchema, EvalType
from serai.knowledge_contents import ContentResponseSchema, ContentStatus, ContentStatusResponse, VectorSearchResult
from serai.memories import MemoryAudit, MemoryChange, OptimizeMemoriesResponse, UserMemorySchema, UserStatsSchema
from serai.metrics import DayAggregatedMetrics, MetricsResponse
from serai.sessions import (
    AgentSessionDetailSchema,
    RunSchema,
    SessionDetail,
    SessionPage,
    SessionRun,
    SessionRunPreviewSchema,
    SessionSchema,
    TeamRunSchema,
    TeamSessionDetailSchema,
    WorkflowRunSchema,
    WorkflowSessionDetailSchema,
)
from serai.wire.memories import MemoryChanges
from serai.wire.metrics import RefreshedMetrics
from serai.wire.pages import Page
from serai.wire.traces import TraceDetail, TraceSummary

THEN = datetime(2026, 11, 20, 23, 16, 12, tzinfo=UTC)
DETAIL: TypeAdapter[Any] = TypeAdapter(SessionDetail)
RUN: TypeAdapter[Any] = TypeAdapter(SessionRun)


@pytest.mark.parametrize("sent", ["2026-11-20T23:16:12Z", "2026-11-21T00:16:12+01:00", 1795216572, 1795216572.0])
def test_times_are_read_from_text_and_from_seconds(sent):
    assert UserMemorySchema(memory_id="m", memory="x", updated_at=sent).updated_at == THEN
    assert SessionSchema(session_id="s", created_at=sent).created_at == THEN
    assert RunSchema(run_id="r", created_at=sent).created_at == THEN


def test_a_time_without_a_zone_is_in_utc():
    assert SessionSchema.model_validate({"session_id": "s", "created_at": "2026-11-20T23:16:12"}).created_at == THEN


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"agent_id": "a"}, AgentSessionDetailSchema),
        ({"agent_id": "", "agent_session_id": "s-1"}, AgentSessionDetailSchema),
        ({"team_id": "t", "agent_session_id": "s-1"}, TeamSessionDetailSchema),
        ({"agent_id": None, "team_id": None, "workflow_id": "w"}, WorkflowSessionDetailSchema),
        ({"session_type": "team"}, TeamSessionDetailSchema),
        ({"team_data": None}, TeamSessionDetailSchema),
        ({"workflow_name": "W"}, WorkflowSessionDetailSchema),
        ({"session_type": ["odd"]}, AgentSessionDetailSchema),
        ({}, AgentSessionDetailSchema),
    ],
)
def test_a_session_is_read_as_what_it_says_it_is(members, kind):
    session = DETAIL.validate_python({"session_id": "s-1", **members})
    assert type(session) is kind
    assert (session.session_id, session.session_name) == ("s-1", "")


def test_a_session_in_full_keeps_all_that_was_sent():
    sent = {
        "user_id": "u1",
        "agent_session_id": "s-1",
        "session_id": "s-1",
        "session_name": "My Chat",
        "session_summary": {"summary": "s", "topics": ["t"]},
        "session_state": {"k": 1},
        "agent_id": "echo-agent",
        "total_tokens": 5,
        "agent_data": {"name": "Echo"},
        "metrics": {"input_tokens": 2, "details": {"model": [{"id": "echo-1"}]}},
        "metadata": {"m": "x"},
        "chat_history": [{"role": "user", "content": "hello", "created_at": 1795216572}],
        "created_at": "2026-11-20T23:16:12Z",
        "updated_at": "2026-11-20T23:16:12Z",
    }
    assert DETAIL.validate_python(sent | {"new": 1}).to_dict() == sent
    team = {key: value for key, value in sent.items() if not key.startswith("agent")}
    team |= {"team_id": "t", "team_data": {"mode": "route"}}
    assert DETAIL.validate_python(team).to_dict() == team
    workflow = {key: sent[key] for key in ("session_id", "session_name", "session_state", "metadata", "created_at")}
    workflow |= {"workflow_id": "w", "workflow_name": "W", "workflow_data": {}, "session_data": {"session_state": {}}}
    assert DETAIL.validate_python(workflow).to_dict() == workflow


def test_an_agents_session_without_its_second_id_has_it_nevertheless():
    assert AgentSessionDetailSchema(session_id="s-1").agent_session_id == "s-1"


def test_a_listed_session_is_read_in_either_form():
    flat = SessionSchema.model_validate(
        {"session_id": "s", "session_state": {"k": 1}, "metrics": {"total_tokens": 5}, "session_summary": {"a": 1}}
    )
    stored = SessionSchema.model_validate(
        {
            "session_id": "s",
            "session_name": None,
            "session_data": {"session_state": {"k": 1}, "session_metrics": {"total_tokens": 5}},
            "summary": {"a": 1},
        }
    )
    assert flat == stored
    assert stored.total_tokens == 5
    assert SessionSchema.model_validate({"session_id": "s", "team_id": "t"}).session_type == "team"
    assert SessionSchema.model_validate({"session_id": "s", "session_data": "odd"}).session_state is None
    with pytest.raises(ValidationError, match="metrics"):
        SessionSchema.model_validate({"session_id": "s", "metrics": "odd"})


def test_a_page_without_counts_is_one():
    assert SessionPage.model_validate({"data": [{"session_id": "s"}]}).meta.total_count == 0
    assert Page[SessionSchema].model_validate({"data": None, "meta": {}}).data == []
    meta = {"page": 2, "limit": 1, "total_pages": 3, "total_count": 3, "search_time_ms": 0.5}
    assert SessionPage.model_validate({"data": [], "meta": meta}).meta.to_dict() == {
        **meta,
        "total_is_lower_bound": False,
    }


def test_each_run_of_a_session_is_read_as_what_it_is():
    runs = [
        RUN.validate_python({"run_id": "r", "content": "text", **ids})
        for ids in ({"agent_id": "a", "team_id": None}, {"team_id": "t"}, {"team_id": "t", "workflow_id": "w"}, {})
    ]
    assert [type(run) for run in runs] == [RunSchema, TeamRunSchema, WorkflowRunSchema, RunSchema]
    whole = RUN.validate_python(
        {
            "run_id": "r",
            "status": "COMPLETED",
            "run_input": "hello",
            "content": {"value": 4},
            "run_response_format": "json",
            "messages": [{"role": "user", "content": "hello", "created_at": 1795216572}],
            "tools": [{"tool_name": "add", "tool_args": {"a": 1}, "result": "9"}],
            "events": [{"event": "RunStarted", "run_id": "r"}],
            "metrics": {"total_tokens": 5},
            "input_media": {"images": []},
            "created_at": "2026-11-20T23:16:12Z",
            "last_checkpoint_at_message_index": 3,
        }
    )
    assert (whole.status, whole.content, whole.created_at) == ("completed", {"value": 4}, THEN)
    assert (whole.tools[0].result, whole.metrics.total_tokens, whole.events[0].event) == ("9", 5, "RunStarted")
    assert whole.last_checkpoint_at_message_index == 3


def test_a_preview_of_a_run_needs_only_its_id():
    assert SessionRunPreviewSchema(run_id="r").content_preview is None
    preview = SessionRunPreviewSchema.model_validate({"run_id": "r", "status": "PAUSED", "created_at": 1795216572})
    assert (preview.status, preview.created_at) == ("paused", THEN)


def test_what_must_be_there_is_missed_by_name():
    for model, missing in (
        (UserMemorySchema, "memory_id"),
        (UserStatsSchema, "total_memories"),
        (OptimizeMemoriesResponse, "tokens_saved"),
        (EvalSchema, "eval_type"),
        (DayAggregatedMetrics, "date"),
        (MemoryChange, "id"),
    ):
        with pytest.raises(ValidationError, match=missing):
            model.model_validate({})


def test_the_metrics_of_days_are_read():
    day = {
        "id": "2026-11-20_daily",
        "agent_runs_count": 3,
        "users_count": 2,
        "token_metrics": {"input_tokens": 526, "total_tokens": 552},
        "model_metrics": [{"model_id": "echo-1", "model_provider": "Fake", "count": 4}],
        "date": "2026-11-20T00:00:00Z",
        "created_at": 1795216572,
    }
    found = MetricsResponse.model_validate({"metrics": [day], "updated_at": "2026-11-20T23:16:12Z"})
    assert (found.metrics[0].token_metrics["total_tokens"], found.metrics[0].created_at) == (552, THEN)
    assert MetricsResponse.model_validate({"metrics": [], "updated_at": None}).updated_at is None
    refreshed: TypeAdapter[Any] = TypeAdapter(RefreshedMetrics)
    assert refreshed.validate_python([day])[0].agent_runs_count == 3
    assert refreshed.validate_python({"status": "started", "message": "m"}).status == "started"


def test_an_eval_is_read_also_of_a_kind_that_is_not_known_yet():
    known = EvalSchema.model_validate({"id": "e", "eval_type": "accuracy", "eval_data": {"avg_score": 9}})
    assert known.eval_type is EvalType.ACCURACY
    unknown = EvalSchema.model_validate({"id": "e", "eval_type": "charm", "eval_data": None, "status": "RUNNING"})
    assert (unknown.eval_type, unknown.eval_data, unknown.status) == ("charm", {}, "RUNNING")


def test_an_audit_keeps_what_this_version_does_not_know():
    audit = MemoryAudit.model_validate({"total": 2, "exact_duplicates": [["a", "b"]], "longest": 4711})
    assert audit.to_dict() == {
        "total": 2,
        "automatic": 0,
        "without_source": 0,
        "exact_duplicates": [["a", "b"]],
        "near_duplicates": [],
        "longest": 4711,
    }


def test_a_change_of_a_memory_is_read_under_either_name_of_its_id():
    sent = {"change_id": "c", "action": "updated", "after": {"memory_id": "m", "memory": "x"}, "at": 1795216572}
    change = MemoryChange.model_validate(sent)
    assert (change.id, change.created_at, change.before) == ("c", THEN, None)
    assert change.after is not None
    assert change.after.memory == "x"
    undone: TypeAdapter[Any] = TypeAdapter(MemoryChanges)
    assert undone.validate_python({"data": [sent]}) == undone.validate_python({**sent, "id": "c"}) == [change]


def test_contents_are_read_from_servers_of_either_kind():
    content = ContentResponseSchema.model_validate(
        {"id": "c", "size": 37, "status": "partial", "metadata": {"_agno": {}}, "created_at": None, "mood": 1}
    )
    assert (content.size, content.status, content.phase) == ("37", ContentStatus.PARTIAL, None)
    status = ContentStatusResponse.model_validate({"status": "pondering", "status_message": None, "done": 3})
    assert (status.id, status.status, status.status_message, status.done) == (None, "pondering", "", 3)


def test_what_was_found_has_a_score_where_a_server_has_one_under_either_name():
    found = VectorSearchResult.model_validate({"id": None, "content": "x", "reranking_score": 0.5})
    assert (found.score, found.reranking_score) == (0.5, 0.5)
    assert VectorSearchResult.model_validate({"content": "x", "score": 0.2, "reranking_score": 0.5}).score == 0.2
    assert VectorSearchResult(content="x").score is None


@pytest.mark.parametrize(
    ("sent", "milliseconds"),
    [
        ({"duration": "27ms"}, 27),
        ({"duration": "28.002262115478516ms"}, 28.002262115478516),
        ({"duration": "1.50s"}, 1500),
        ({"duration": "27ms", "duration_ms": 27.4}, 27.4),
        ({"duration": "soon"}, 0),
        ({"duration": None}, 0),
        ({}, 0),
    ],
)
def test_a_trace_says_its_duration_in_milliseconds_whether_the_server_does_or_not(sent, milliseconds):
    trace = TraceSummary(trace_id="t", start_time=THEN, end_time=THEN, **sent)
    assert (trace.duration, trace.duration_ms) == (sent.get("duration") or "", milliseconds)


def test_a_trace_has_its_spans_as_a_tree_and_one_after_the_other():
    def node(name: str, *spans: dict[str, Any]) -> dict[str, Any]:
        return {"id": name, "start_time": THEN, "end_time": THEN, "spans": list(spans) or None}

    tree = [node("a", node("b", node("c")), node("d")), node("e")]
    trace = TraceDetail.model_validate({"trace_id": "t", "start_time": THEN, "end_time": THEN, "tree": tree})
    assert [span.id for span in trace.spans] == ["a", "b", "c", "d", "e"]
    assert [root.id for root in trace.tree] == ["a", "e"]
