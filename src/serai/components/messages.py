"""Messages between the two worlds: pydantic-ai's, which are stored, and the wire's, which are shown."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol, cast

import pydantic
from pydantic_ai.messages import (
    FilePart,
    ModelMessage,
    ModelMessagesTypeAdapter,
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

from serai.components.blob_references import StoredBytes, blobs_of, refer, resolve
from serai.components.media import wire_media
from serai.domain.json_text import dump_json, load_json

CUT_OFF: Final = "The run was cancelled before this call ended."


class Tokens(Protocol):
    """What a model's answer used, under the names by which pydantic-ai stores it."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    details: dict[str, int]


def dump_messages(messages: Sequence[ModelMessage], *, has_media: bool = False) -> bytes:
    """Return messages as JSON in UTF-8; halves of a character are joined, and a lone one becomes U+FFFD.

    Args:
        messages: of one run.
        has_media: there may be bytes among them; those that lie in blobs are referred to.
    """
    if not has_media:
        with contextlib.suppress(ValueError):
            return ModelMessagesTypeAdapter.dump_json(list(messages))
    document = ModelMessagesTypeAdapter.dump_python(list(messages), mode="python")
    blobs = refer(document)
    stored = load_json(dump_json({"blobs": blobs, "messages": document} if blobs else document))
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def load_messages(documents: Iterable[bytes], blobs: Mapping[str, StoredBytes] | None = None) -> list[ModelMessage]:
    """Return the messages of several runs as one history.

    Args:
        documents: as `dump_messages` wrote them.
        blobs: what they refer to; of those that are missing the bytes are empty, and still refer.
    """
    return [message for document in documents for message in _load(document, blobs or {})]


def _load(document: bytes, blobs: Mapping[str, StoredBytes]) -> list[ModelMessage]:
    if not (hashes := blobs_of(document)):
        try:
            return ModelMessagesTypeAdapter.validate_json(document)
        except pydantic.ValidationError:  # pydantic writes what is nested 255 levels, and reads 200
            return ModelMessagesTypeAdapter.validate_python(load_json(document))
    messages = load_json(document)["messages"]
    resolve(messages, hashes, blobs)
    return ModelMessagesTypeAdapter.validate_python(messages)


def close_calls(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Return a history that stopped in the middle with all its calls answered, for the next run goes on from it."""
    closed = list(messages)
    answers: list[ModelRequest] = []
    while closed and isinstance(closed[-1], ModelRequest):
        answers.insert(0, cast("ModelRequest", closed.pop()))
    if not closed:
        return list(messages)
    answered = {
        part.tool_call_id
        for request in answers
        for part in request.parts
        if isinstance(part, ToolReturnPart | RetryPromptPart)
    }
    calls = cast("ModelResponse", closed[-1]).tool_calls
    returns = [
        ToolReturnPart(call.tool_name, CUT_OFF, tool_call_id=call.tool_call_id, outcome="interrupted")
        for call in calls
        if call.tool_call_id not in answered
    ]
    whole = [replace(request, state="complete") for request in answers]
    return [*closed, *whole, *([ModelRequest(parts=returns)] if returns else [])]


def text_of(messages: Iterable[ModelMessage]) -> str:
    """Return all text that the model said, in order: the concatenation of its content events."""
    return "".join(
        part.content
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, TextPart)
    )


def thinking_of(messages: Iterable[ModelMessage]) -> str:
    """Return the model's reasoning, in order."""
    return "".join(
        part.content
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ThinkingPart)
    )


def wire_messages(messages: Iterable[ModelMessage]) -> list[dict[str, Any]]:
    """Return messages as run objects carry them: one of each role, tool calls in the assistant's."""
    return [wired for message in messages for wired in _wire(message)]


def wire_usage(usage: Tokens) -> dict[str, int]:
    """Return a request's tokens under their names on the wire; zeros are left out but for the three totals."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    others = {
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_input_tokens": usage.input_audio_tokens,
        "audio_output_tokens": usage.output_audio_tokens,
        "reasoning_tokens": usage.details.get("reasoning_tokens", 0),
    }
    return {**counts, **{name: count for name, count in others.items() if count}}


def wire_call(call: ToolCallPart) -> dict[str, Any]:
    """Return a model's call of a tool as messages carry it."""
    return {
        "id": call.tool_call_id,
        "type": "function",
        "function": {"name": call.tool_name, "arguments": call.args_as_json_str()},
    }


def _wire(message: ModelMessage) -> Iterator[dict[str, Any]]:
    if isinstance(message, ModelResponse):
        yield _wire_response(message)
    elif isinstance(message, ModelRequest):
        for part in message.parts:
            match part:
                case SystemPromptPart():
                    yield _base("system", part.content, part.timestamp)
                case UserPromptPart():
                    yield _wire_prompt(part)
                case ToolReturnPart():
                    yield _wire_tool_return(
                        part.tool_name, part.tool_call_id, part.model_response_str(wrap_if_error=False), part.timestamp
                    ) | {"tool_call_error": part.outcome != "success", **wire_media(part.files)}
                case RetryPromptPart() if part.tool_name is not None:
                    yield _wire_tool_return(
                        part.tool_name, part.tool_call_id, part.model_response(), part.timestamp
                    ) | {"tool_call_error": True}
                case RetryPromptPart():
                    yield _base("user", part.model_response(), part.timestamp)
                case _:
                    continue


def _wire_response(message: ModelResponse) -> dict[str, Any]:
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    wired = _base("assistant", text_of([message]) or None, message.timestamp)
    if thinking := thinking_of([message]):
        wired["reasoning_content"] = thinking
    if calls:
        wired["tool_calls"] = [wire_call(call) for call in calls]
    wired["metrics"] = wire_usage(message.usage)
    return wired | wire_media(part.content for part in message.parts if isinstance(part, FilePart))


def _wire_tool_return(name: str, call_id: str, content: str, at: datetime) -> dict[str, Any]:
    return {**_base("tool", content, at), "tool_call_id": call_id, "tool_name": name}


def _base(role: str, content: str | None, at: datetime) -> dict[str, Any]:
    members = {"role": role, "content": content, "created_at": int(at.timestamp())}
    return {name: value for name, value in members.items() if value is not None} | {
        "from_history": False,
        "stop_after_tool_call": False,
    }


def _wire_prompt(part: UserPromptPart) -> dict[str, Any]:
    if isinstance(part.content, str):
        return _base("user", part.content, part.timestamp)
    text = " ".join(piece for piece in part.content if isinstance(piece, str))
    return _base("user", text, part.timestamp) | wire_media(part.content)
