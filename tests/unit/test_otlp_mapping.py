"""What spans of other programs become here, by the conventions that these follow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serai.domain.traces import Entry, Span, SpanKind, SpanStatus
from serai.telemetry.otlp_in.batch import read_batch
from serai.telemetry.otlp_in.mapping import SpanMapper
from serai.telemetry.otlp_in.protobuf import read_protobuf
from tests.otlp_values import SERVER, request_of, sent

AGNO = "openinference.instrumentation.agno"


class Keeper:
    """Keeps contents as they are; nothing of them when it is off."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on

    def text(self, value: Any) -> str | None:
        if not self.is_on:
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        return text.replace("1234567890", "***") if text.startswith(("password", "authorization")) else text


def mapped(*spans: Any, scope: str = "tests", service: str | None = None, is_on: bool = True) -> list[Span]:
    body = request_of(*spans, scope=scope, service=service).SerializeToString()
    return list(read_batch(read_protobuf(body), SpanMapper(Keeper(is_on=is_on), project_id="p")).spans)


def only(attributes: dict[str, Any], name: str = "span", **members: Any) -> Span:
    (span,) = mapped(sent(1, name, attributes=attributes, **members))
    return span


def messages(*said: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in said])


def test_a_model_request_by_the_conventions_for_genai_has_its_model_tokens_and_price():
    span = only(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.usage.input_tokens": 1_000_000,
            "gen_ai.usage.output_tokens": 0,
            "gen_ai.conversation.id": "s",
            "gen_ai.input.messages": messages(("system", "Be brief."), ("user", "Why?")),
            "gen_ai.output.messages": messages(("assistant", "Because.")),
            "gen_ai.response.finish_reasons": ["stop"],
        },
        "chat gpt-4o-mini",
    )
    assert (span.kind, span.name, span.model, span.provider) == (
        SpanKind.LLM,
        "chat gpt-4o-mini",
        "gpt-4o-mini",
        "openai",
    )
    assert (span.input_tokens, span.output_tokens) == (1_000_000, 0)
    assert span.cost == pytest.approx(0.15)
    assert (span.input, span.output, span.session_id) == ("Why?", "Because.", "s")
    assert span.attributes == {"finish_reason": ["stop"], "library": "tests"}


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        (
            {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.usage.prompt_tokens": 3.0},
            (SpanKind.LLM, "anthropic", 3),
        ),
        ({"openinference.span.kind": "LLM", "llm.token_count.prompt": 5}, (SpanKind.LLM, None, 5)),
        ({"llm.request.type": "chat", "gen_ai.system": "openai"}, (SpanKind.LLM, "openai", None)),
        ({"langsmith.span.kind": "llm", "gen_ai.operation.name": "chat"}, (SpanKind.LLM, None, None)),
        ({"langsmith.span.kind": "prompt", "gen_ai.operation.name": "chat"}, (SpanKind.OTHER, None, None)),
        ({"gen_ai.operation.name": "embeddings"}, (SpanKind.EMBEDDING, None, None)),
        ({"openinference.span.kind": "RETRIEVER"}, (SpanKind.RETRIEVER, None, None)),
        ({"openinference.span.kind": "GUARDRAIL"}, (SpanKind.OTHER, None, None)),
        ({"traceloop.span.kind": "workflow"}, (SpanKind.WORKFLOW, None, None)),
        ({"traceloop.span.kind": "task"}, (SpanKind.OTHER, None, None)),
        ({"http.route": "/ask", "gen_ai.usage.input_tokens": -1}, (SpanKind.OTHER, None, None)),
        ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1e300}, (SpanKind.LLM, None, None)),
    ],
)
def test_each_convention_says_what_a_span_is_about(attributes: dict[str, Any], told: tuple[Any, ...]):
    span = only(attributes)
    assert (span.kind, span.provider, span.input_tokens) == told


def test_what_agno_tells_has_the_ids_that_its_own_traces_have():
    root, tool = mapped(
        sent(
            1,
            "The_Team.run",
            attributes={
                "openinference.span.kind": "AGENT",
                "agno.team.id": "the-team",
                "agent.name": "The Team",
                "agno.run.id": "r-1",
                "session.id": "s-1",
                "user.id": "u-1",
                "input.value": "hello",
                "output.value": "done",
                "graph.node.id": "0",
            },
            status={"code": 1},
        ),
        sent(
            2,
            "add",
            parent=1,
            attributes={
                "openinference.span.kind": "TOOL",
                "tool.name": "add",
                "tool.parameters": '{"a": 4}',
                "input.value": '{"a": 4}',
                "output.value": "4",
            },
            status={"code": 2, "message": "too small"},
        ),
        scope=AGNO,
    )
    assert (root.kind, root.entry, root.team_id, root.agent_id) == (SpanKind.TEAM, Entry.ROOT, "the-team", None)
    assert (root.run_id, root.session_id, root.user_id) == ("r-1", "s-1", "u-1")
    assert (root.input, root.output, root.status, root.duration_ns) == ("hello", "done", SpanStatus.OK, 1_000_000)
    assert (tool.kind, tool.status, tool.error) == (SpanKind.TOOL, SpanStatus.ERROR, "too small")
    assert tool.attributes == {"tool_name": "add", "library": AGNO}


def test_a_workflow_of_agno_and_its_steps_are_told_apart():
    flow, step, agent = mapped(
        sent(
            1,
            "Flow.run",
            attributes={
                "openinference.span.kind": "CHAIN",
                "agno.workflow.id": "flow",
                "agno.workflow.description": "Does it.",
                "agno.workflow.steps": ["first"],
                "agno.workflow.steps_count": 1,
                "agno.workflow.step_types": ["Step"],
            },
        ),
        sent(2, "first.execute", parent=1, attributes={"openinference.span.kind": "CHAIN", "agno.step.type": "agent"}),
        sent(3, "Agent.run", parent=2, attributes={"openinference.span.kind": "AGENT", "agno.agent.id": "a"}),
        scope=AGNO,
    )
    assert (flow.workflow_id, flow.entry) == ("flow", Entry.ROOT)
    assert flow.attributes == {
        "description": "Does it.",
        "steps": ["first"],
        "steps_count": 1,
        "step_types": ["Step"],
        "library": AGNO,
    }
    assert (step.kind, step.attributes["step_type"], step.entry) == (SpanKind.WORKFLOW, "Step", Entry.NONE)
    assert (agent.kind, agent.agent_id, agent.entry) == (SpanKind.AGENT, "a", Entry.NONE)


def test_an_agent_of_pydantic_ai_has_what_was_asked_last_and_the_id_that_it_would_have_here():
    said = json.loads(messages(("user", "old"), ("assistant", "a"), ("user", "new"), ("assistant", "b")))
    returned = {"type": "tool_call_response", "id": "1", "name": "add", "result": 9}
    agent = only(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "My Agent",
            "gen_ai.agent.call.id": "r",
            "gen_ai.conversation.id": "c",
            "pydantic_ai.all_messages": json.dumps([*said, {"role": "user", "parts": [returned]}]),
            "final_result": "b",
            "logfire.json_schema": "{}",
        },
        "invoke_agent My Agent",
    )
    assert (agent.agent_id, agent.run_id, agent.session_id) == ("my-agent", "r", "c")
    assert (agent.input, agent.output, agent.attributes) == ("new", "b", {"library": "tests"})


def test_a_call_of_a_tool_has_its_arguments_and_result_and_why_it_failed():
    tool = only(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.tool.call.id": "call-1",
            "gen_ai.tool.call.arguments": '{"q": "x"}',
        },
        status={"code": 2},
        events=[("exception", {"exception.type": "ValueError", "exception.message": "boom"})],
    )
    assert (tool.input, tool.output, tool.error) == ('{"q": "x"}', None, "ValueError: boom")
    assert tool.attributes == {"tool_name": "search", "tool_call_id": "call-1", "library": "tests"}


def test_messages_told_in_events_are_read():
    span = only(
        {"gen_ai.operation.name": "chat"},
        events=[
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"content": "Why?"}),
            ("gen_ai.choice", {"message": "Because."}),
        ],
    )
    assert (span.input, span.output) == ("Why?", "Because.")
    span = only(
        {"gen_ai.operation.name": "chat"},
        events=[
            (
                "gen_ai.client.inference.operation.details",
                {"gen_ai.input.messages": messages(("user", "Why?")), "gen_ai.output.messages": "as it is"},
            )
        ],
    )
    assert (span.input, span.output) == ("Why?", "as it is")


def test_messages_whose_parts_are_attributes_of_their_own_are_read():
    span = only(
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.10.content": "Why?",
            "gen_ai.prompt.x.content": "odd",
            "gen_ai.completion.0.content": "Because.",
        }
    )
    assert (span.input, span.output) == ("Why?", "Because.")


def test_what_the_ai_sdk_of_vercel_tells_is_read():
    asks, calls = mapped(
        sent(
            1,
            "ai.generateText.doGenerate",
            attributes={
                "ai.model.id": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 7,
                "gen_ai.usage.output_tokens": 3,
                "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"Why?"}]}]',
                "ai.response.text": "Because.",
            },
        ),
        sent(2, "ai.toolCall", parent=1, attributes={"ai.toolCall.name": "add", "ai.toolCall.args": "{}"}),
    )
    assert (asks.kind, asks.input, asks.output, asks.input_tokens) == (SpanKind.LLM, "Why?", "Because.", 7)
    assert (calls.kind, calls.input, calls.attributes["tool_name"]) == (SpanKind.TOOL, "{}", "add")


def test_messages_that_are_no_text_but_lists_are_read_too():
    asked = [{"role": "user", "parts": [{"type": "tool_call_response", "name": "add", "result": 3}]}]
    answered = [
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "add", "arguments": {"a": 1}, "id": "1"}]}
    ]
    span = only({"gen_ai.operation.name": "chat", "gen_ai.input.messages": asked, "gen_ai.output.messages": answered})
    assert json.loads(span.input or "") == [{"role": "tool", "name": "add", "content": 3}]
    assert json.loads(span.output or "") == [{"tool": "add", "arguments": {"a": 1}}]


def test_a_request_to_a_web_server_does_not_hide_the_agent_in_it():
    request, agent, inner = mapped(
        sent(1, "POST /ask", kind=SERVER, attributes={"http.route": "/ask"}),
        sent(2, "invoke_agent a", parent=1, attributes={"gen_ai.operation.name": "invoke_agent"}),
        sent(3, "invoke_agent b", parent=2, attributes={"gen_ai.operation.name": "invoke_agent"}),
    )
    assert (request.kind, request.entry) == (SpanKind.OTHER, Entry.PLAIN)
    assert (agent.entry, inner.entry) == (Entry.LOCAL, Entry.NONE)


@pytest.mark.parametrize(
    ("members", "entry"),
    [
        ({}, Entry.NONE),
        ({"kind": SERVER}, Entry.PLAIN),
        ({"flags": 0x300}, Entry.PLAIN),
        ({"flags": 0x100}, Entry.NONE),
        ({"attributes": {"gen_ai.operation.name": "chat"}}, Entry.NONE),
        ({"attributes": {"gen_ai.operation.name": "invoke_agent"}}, Entry.LOCAL),
    ],
)
def test_a_span_whose_parent_is_elsewhere_begins_a_trace_only_where_one_is_entered(members: Any, entry: Entry):
    (span,) = mapped(sent(2, parent=9, **members))
    assert span.entry is entry


def test_spans_that_lie_in_one_another_are_read_all_the_same():
    agent = {"gen_ai.operation.name": "invoke_agent"}
    first, second = mapped(sent(1, parent=2, attributes=agent), sent(2, parent=1, attributes=agent))
    assert (first.parent_id, second.parent_id) == (2, 1)


def test_a_span_that_has_no_end_goes_on_and_one_that_ends_before_its_start_took_no_time():
    going, odd = sent(1), sent(2)
    going.end_time_unix_nano = 0
    odd.end_time_unix_nano -= 5_000_000
    spans = mapped(going, odd)
    assert [(span.status, span.duration_ns) for span in spans] == [(SpanStatus.UNSET, None), (SpanStatus.OK, 0)]


def test_further_attributes_are_kept_where_they_are_no_secrets():
    span = only(
        {
            "http.route": "/ask",
            "db.password": "hunter2",
            "http.request.header.authorization": ["Bearer x"],
            "size": 3,
            "ratio": float("nan"),
            "body": b"123",
            "nothing": None,
        }
    )
    assert span.attributes == {
        "http.route": "/ask",
        "db.password": "***",
        "http.request.header.authorization": "***",
        "size": 3,
        "body": "(3 bytes)",
        "library": "tests",
    }


def test_without_contents_only_what_is_none_is_kept():
    attributes = {"input.value": "x", "output.value": "y", "http.route": "/ask", "note": "secret", "size": 3}
    attributes |= {"gen_ai.response.finish_reasons": ["stop"]}
    (span,) = mapped(sent(1, attributes=attributes, status={"code": 2, "message": "z"}), is_on=False, service="shop")
    assert (span.input, span.output, span.error) == (None, None, None)
    assert span.attributes == {
        "http.route": "/ask",
        "size": 3,
        "finish_reason": ["stop"],
        "service": "shop",
        "library": "tests",
    }


def test_ids_and_names_are_cut_at_what_an_index_takes():
    span = only({"session.id": "x" * 5000, "user.id": 42, "gen_ai.agent.name": "?"}, "n" * 5000)
    assert (len(span.session_id or ""), span.user_id, len(span.name)) == (200, "42", 200)
