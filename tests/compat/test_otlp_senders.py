"""Agents of published packages that send their spans by OTLP: each is a trace of one tree, with models and tools."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import PublishedClient
from tests.compat.published_clients import run_script

SENDERS = PublishedClient("otlp_senders", "senders of OTLP", "otlp_senders", ())
_ARRIVES_S = 10.0
Shown = tuple[str, str, str | None, str | None]
"""Type, name, input and output of a span; None where they are not looked at."""

CASES: dict[str, tuple[dict[str, Any], list[Shown]]] = {
    "agno": (
        {
            "name": "Far_Agent.run",
            "agent_id": "far-agent",
            "session_id": "s-1",
            "user_id": "u-1",
            "input": "4 and 5?",
            "output": "It is 9.",
            "total_tokens": 20,
        },
        [
            ("AGENT", "Far_Agent.run", None, None),
            ("LLM", "OpenAIChat.invoke", None, None),
            ("TOOL", "add", '{"a": 4, "b": 5}', "9"),
            ("LLM", "OpenAIChat.invoke", None, '[{"role": "assistant", "content": "It is 9."}]'),
        ],
    ),
    "pydantic_ai": (
        {
            "name": "invoke_agent Far Agent",
            "agent_id": "far-agent",
            "session_id": "s-1",
            "input": "4 and 5?",
            "output": "It is 9.",
            "total_tokens": 20,
        },
        [
            ("AGENT", "invoke_agent Far Agent", None, None),
            ("LLM", "chat gpt-4o-mini", "4 and 5?", None),
            ("TOOL", "execute_tool add", '{"a":4,"b":5}', "9"),
            ("LLM", "chat gpt-4o-mini", '[{"role":"tool","name":"add","content":9}]', "It is 9."),
        ],
    ),
    "langchain": (
        {"name": "RunnableSequence", "session_id": "s-1", "input": "4 and 5?", "output": "9", "total_tokens": 10},
        [
            ("WORKFLOW", "RunnableSequence", None, None),
            ("OTHER", "ChatPromptTemplate", "4 and 5?", None),
            ("LLM", "GenericFakeChatModel", None, None),
            ("WORKFLOW", "RunnableLambda", None, "9"),
            ("TOOL", "add", '{"a": 4, "b": 5}', "9"),
        ],
    ),
    "langsmith": (
        {
            "name": "RunnableSequence",
            "session_id": "s-1",
            "user_id": "u-1",
            "input": '{"q":"4 and 5?"}',
            "output": '{"output":9}',
            "total_tokens": 10,
        },
        [
            ("WORKFLOW", "RunnableSequence", None, None),
            ("OTHER", "ChatPromptTemplate", '{"q":"4 and 5?"}', None),
            ("LLM", "GenericFakeChatModel", None, None),
            ("WORKFLOW", "RunnableLambda", None, '{"output":9}'),
            ("TOOL", "add", '{"a":4,"b":5}', '{"output":9}'),
        ],
    ),
    "openllmetry": (
        {"name": "openai.chat", "input": "4 and 5?", "output": "It is 9.", "total_tokens": 10},
        [("LLM", "openai.chat", None, None)],
    ),
}


@pytest.fixture(scope="module")
def trace_ids(serai_target: Target) -> dict[str, str]:
    """The trace of each sender, by its name."""
    done = run_script(SENDERS, "otlp_senders.py", serai_target.base_url)
    assert done.returncode == 0, done.stderr[-4000:]
    sent: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return sent


def trace_of(base_url: str, trace_id: str, *, spans: int) -> dict[str, Any]:
    """Return a trace once so many of its spans are there."""
    with httpx.Client(base_url=base_url) as client:
        deadline = time.monotonic() + _ARRIVES_S
        while True:
            answer = client.get(f"/traces/{trace_id}")
            found: dict[str, Any] = answer.json()
            if (answer.status_code == 200 and found["total_spans"] >= spans) or time.monotonic() > deadline:
                assert answer.status_code == 200, answer.text
                return found


def flatten(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for node in nodes for found in (node, *flatten(node.get("spans") or []))]


@pytest.mark.parametrize("sender", CASES)
def test_what_it_sends_is_one_trace(sender: str, serai_target: Target, trace_ids: dict[str, str]) -> None:
    about, shown = CASES[sender]
    trace = trace_of(serai_target.base_url, trace_ids[sender], spans=len(shown))
    assert {name: trace.get(name) for name in about} == about
    assert (trace["status"], len(trace["tree"]), trace["error_count"]) == ("OK", 1, 0)
    spans = flatten(trace["tree"])
    assert [(span["type"], span["name"]) for span in spans] == [span[:2] for span in shown]
    for span, (_, name, given, answered) in zip(spans, shown, strict=True):
        assert given in (None, span.get("input")), name
        assert answered in (None, span.get("output")), name
    asks = [span["metadata"] for span in spans if span["type"] == "LLM"]
    assert all((ask["input_tokens"], ask["output_tokens"]) == (7, 3) for ask in asks)
