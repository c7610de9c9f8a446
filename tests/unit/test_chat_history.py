"""The conversation of a session is what the messages of its runs show of people and models."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    FilePart,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from serai.components.chat_history import chat_history
from serai.components.messages import dump_messages, load_messages, wire_messages

_TEXTS = st.text(max_size=12)
_ARGS = st.none() | _TEXTS | st.sampled_from(['{"a": 1.0}', "[1]", "{"]) | st.dictionaries(_TEXTS, st.integers())
_REQUESTS: st.SearchStrategy[Any] = st.lists(
    st.one_of(
        st.builds(SystemPromptPart, _TEXTS),
        st.builds(UserPromptPart, _TEXTS),
        st.builds(UserPromptPart, st.just(["see", BinaryContent(b"x", media_type="image/png")])),
        st.builds(ToolReturnPart, _TEXTS, _TEXTS | st.just({"content": 1}), tool_call_id=_TEXTS),
    ),
    max_size=3,
)
_RESPONSES: st.SearchStrategy[Any] = st.lists(
    st.one_of(
        st.builds(TextPart, _TEXTS),
        st.builds(ThinkingPart, _TEXTS),
        st.builds(ToolCallPart, _TEXTS, _ARGS, tool_call_id=_TEXTS),
        st.builds(FilePart, st.just(BinaryContent(b"x", media_type="image/png"))),
    ),
    max_size=4,
)
_USAGE = st.builds(
    RequestUsage,
    input_tokens=st.integers(0, 9),
    output_tokens=st.integers(0, 9),
    cache_read_tokens=st.integers(0, 2),
    output_audio_tokens=st.integers(0, 2),
    details=st.sampled_from([{}, {"reasoning_tokens": 3}]),
)
_MESSAGES: st.SearchStrategy[Any] = st.lists(
    st.builds(ModelRequest, _REQUESTS) | st.builds(ModelResponse, _RESPONSES, usage=_USAGE), max_size=4
)


def shown(document: bytes) -> Any:
    return msgspec.json.decode(msgspec.json.encode(chat_history([document], {})))


@given(_MESSAGES)
def test_the_conversation_is_what_messages_show_of_people_and_models(messages: list[ModelMessage]):
    document = dump_messages(messages)
    wired = wire_messages(load_messages([document]))
    assert shown(document) == [message for message in wired if message["role"] in ("user", "assistant")]


def test_runs_follow_one_another():
    documents = [dump_messages([ModelRequest([UserPromptPart(text)])]) for text in ("a", "b\u2028\U0001f600")]
    said = msgspec.json.decode(msgspec.json.encode(chat_history(documents, {})))
    assert [(message["role"], message["content"]) for message in said] == [("user", "a"), ("user", "b\u2028\U0001f600")]
