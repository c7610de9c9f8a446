"""Messages: what is stored is what was said, and the wire shows one message of each role."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    FilePart,
    ImageUrl,
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
    VideoUrl,
)
from pydantic_ai.usage import RequestUsage

from serai.components.blob_references import StoredBytes, blobs_of
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


def test_media_are_shown_with_the_message_they_came_in():
    picture, film = BinaryContent(b"\x89PNG", media_type="image/png"), VideoUrl("https://example.org/a.mp4")
    note = BinaryContent(b"hello", media_type="text/plain")
    prompt, result, made = wire_messages(
        [
            ModelRequest(parts=[UserPromptPart(["look", picture, film, note], timestamp=AT)]),
            ModelRequest(parts=[ToolReturnPart("draw", ["done", picture], tool_call_id="c", timestamp=AT)]),
            said(TextPart("see"), FilePart(picture)),
        ]
    )
    shown = {"id": picture.identifier, "content": "iVBORw==", "mime_type": "image/png"}
    assert prompt["images"] == result["images"] == made["images"] == [shown]
    assert prompt["videos"] == [{"id": film.identifier, "url": "https://example.org/a.mp4"}]
    assert prompt["files"] == [{"id": note.identifier, "content": "hello", "mime_type": "text/plain"}]
    assert (result["content"], made["content"]) == ("done", "see")


def test_bytes_in_blobs_are_stored_as_references_and_come_back_with_their_blobs():
    stored = StoredBytes.of("ab" * 32, b"\x89PNG")
    picture = BinaryContent(stored, media_type="image/png", identifier="cat")
    odd = {"kind": "binary", "media_type": "x", "sha256": ["no hash"]}
    address = ImageUrl("https://example.org/a.png")
    conversation: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart(["look", picture, "half \ud83d"], timestamp=AT)]),
        said(FilePart(picture), ToolCallPart("t", {"kind": "binary", "media_type": "x", "data": "YQ=="}, "c")),
        ModelRequest(
            parts=[ToolReturnPart("t", {"a": [picture, address], "odd": odd}, tool_call_id="c", timestamp=AT)]
        ),
    ]
    document = dump_messages(conversation, has_media=True)
    assert blobs_of(document) == ["ab" * 32]
    assert b"iVBORw" not in document
    blobs = {"ab" * 32: stored}
    loaded = load_messages([document], blobs)
    assert load_messages([dump_messages(loaded, has_media=True)], blobs) == loaded
    request, response, result = loaded
    (_, shown, _) = cast("Any", request.parts[0]).content
    assert (shown.data, shown.identifier, cast("Any", response.parts[0]).content.data) == (stored, "cat", stored)
    assert cast("ToolCallPart", response.parts[1]).args == {"kind": "binary", "media_type": "x", "data": "YQ=="}
    content = cast("Any", result.parts[0]).content
    assert (content["a"][0].data, content["a"][1], content["odd"]) == (stored, address, odd)


def test_a_history_read_without_its_blobs_still_refers_to_them():
    picture = BinaryContent(StoredBytes.of("ab" * 32, b"\x89PNG"), media_type="image/png")
    document = dump_messages([ModelRequest(parts=[UserPromptPart([picture], timestamp=AT)])], has_media=True)
    loaded = load_messages([document])
    assert dump_messages(loaded, has_media=True) == document
    assert "images" not in wire_messages(loaded)[0]


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
