"""Messages: what is stored is what was said, and the wire shows one message of each role."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from serai.components.messages import (
    dump_messages,
    load_messages,
    text_of,
    thinking_of,
    wire_messages,
    wire_usage,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT_S = int(AT.timestamp())
FLAGS = {"from_history": False, "stop_after_tool_call": False}


def said(*parts: Any, usage: RequestUsage | None = None) -> ModelResponse:
    return ModelResponse(parts=list(parts), timestamp=AT, usage=usage or RequestUsage())


def test_a_conversation_is_shown_by_role():
    conversation: list[ModelMessage] = [
        ModelRequest(parts=[SystemPromptPart("be kind", timestamp=AT), UserPromptPart("2+2?", timestamp=AT)]),
        said(ThinkingPart("easy"), ToolCallPart("add", {"a": 2, "b": 2}, tool_call_id="c1")),
        ModelRequest(parts=[ToolReturnPart("add", {"sum": 4}, tool_call_id="c1", timestamp=AT)]),
        said(TextPart("It is "), TextPart("4."), usage=RequestUsage(input_tokens=7, output_tokens=2)),
    ]
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert wire_messages(conversation) == [
        {"role": "system", "content": "be kind", "created_at": AT_S, **FLAGS},
        {"role": "user", "content": "2+2?", "created_at": AT_S, **FLAGS},
        {
            "role": "assistant",
            "created_at": AT_S,
            **FLAGS,
            "reasoning_content": "easy",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":2,"b":2}'}}],
            "metrics": usage,
        },
        {
            "role": "tool",
            "content": '{"sum":4}',
            "created_at": AT_S,
            **FLAGS,
            "tool_call_id": "c1",
            "tool_name": "add",
            "tool_call_error": False,
        },
        {
            "role": "assistant",
            "content": "It is 4.",
            "created_at": AT_S,
            **FLAGS,
            "metrics": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
        },
    ]


def test_a_failed_tool_call_is_marked():
    (message,) = wire_messages(
        [ModelRequest(parts=[ToolReturnPart("t", "kaboom", tool_call_id="c", timestamp=AT, outcome="failed")])]
    )
    assert (message["role"], message["tool_call_error"]) == ("tool", True)
    assert "kaboom" in message["content"]


def test_a_retry_of_a_tool_is_a_failed_tool_message_and_one_of_the_answer_is_the_users():
    with pytest.warns(match="RetryPromptPart"):  # histories of older agents still hold such parts
        parts = [
            RetryPromptPart("no such thing", tool_name="t", tool_call_id="c", timestamp=AT),
            RetryPromptPart("say it as JSON", timestamp=AT),
        ]
    of_tool, of_answer = wire_messages([ModelRequest(parts=parts)])
    assert (of_tool["role"], of_tool["tool_call_id"], of_tool["tool_call_error"]) == ("tool", "c", True)
    assert of_answer["role"] == "user"
    assert "say it as JSON" in of_answer["content"]


def test_of_a_message_with_media_the_text_is_shown():
    picture = BinaryContent(b"\x89PNG", media_type="image/png")
    (message,) = wire_messages([ModelRequest(parts=[UserPromptPart(["look", picture, "here"], timestamp=AT)])])
    assert message["content"] == "look here"


def test_text_and_reasoning_are_those_of_the_model_in_order():
    conversation: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("not this")]),
        said(TextPart("a"), ThinkingPart("1"), TextPart("b")),
        said(ThinkingPart("2"), TextPart("c")),
    ]
    assert text_of(conversation) == "abc"
    assert thinking_of(conversation) == "12"


def test_tokens_have_their_names_on_the_wire_and_zeros_are_left_out():
    usage = RequestUsage(
        input_tokens=10,
        output_tokens=5,
        cache_read_tokens=3,
        output_audio_tokens=2,
        details={"reasoning_tokens": 4},
    )
    assert wire_usage(usage) == {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "cache_read_tokens": 3,
        "audio_output_tokens": 2,
        "reasoning_tokens": 4,
    }
    assert wire_usage(RequestUsage()) == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def test_histories_of_several_runs_are_one():
    first: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("one", timestamp=AT)]), said(TextPart("1"))]
    second: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("two", timestamp=AT)]), said(TextPart("2"))]
    assert load_messages([dump_messages(first), dump_messages(second)]) == [*first, *second]


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=20))
def test_what_is_stored_comes_back(text: str, data: bytes):
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart([text, BinaryContent(data, media_type="image/png")], timestamp=AT)]),
        said(TextPart(text), ToolCallPart("t", {"x": text}, tool_call_id="c")),
    ]
    loaded = load_messages([dump_messages(messages)])
    assert dump_messages(loaded) == dump_messages(messages)
    assert text_of(loaded) == text


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters()), st.binary(max_size=20))
def test_half_characters_never_make_a_history_unreadable(text: str, data: bytes):
    stored = dump_messages(
        [
            ModelRequest(parts=[UserPromptPart(["look", BinaryContent(data, media_type="image/png")], timestamp=AT)]),
            said(TextPart("\ud83d" + text), ToolCallPart("t", {"x": text}, tool_call_id="c\udc00")),
        ]
    )
    stored.decode("utf-8")
    request, response = load_messages([stored])
    assert json.loads(stored)[1]["parts"][0]["content"] == text_of([response])
    assert isinstance(request, ModelRequest)
    assert isinstance(request.parts[0], UserPromptPart)
    assert isinstance(request.parts[0].content[1], BinaryContent)
    assert request.parts[0].content[1].data == data


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("rocket \ud83d\ude80", "rocket \N{ROCKET}"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("half \ud83d and nul \x00", "half \N{REPLACEMENT CHARACTER} and nul \x00"),
    ],
)
def test_halves_of_a_character_are_joined_and_a_lone_one_is_replaced(text: str, stored: str):
    assert text_of(load_messages([dump_messages([said(TextPart(text))])])) == stored
