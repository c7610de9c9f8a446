"""The conversation of a session: what stored messages say to people, read without making messages of them.

What it shows of a message is what `wire_messages` shows: both are held together by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType
from pydantic_ai.messages import ToolCallPart

from serai.components.blob_references import StoredBytes, blobs_of
from serai.components.messages import load_messages, wire_call, wire_messages, wire_usage

_SHOWN_ROLES: Final = ("user", "assistant")
_QUOTE: Final = ord('"')


class _System(msgspec.Struct, tag_field="part_kind", tag="system-prompt"):
    pass


class _Returned(msgspec.Struct, tag_field="part_kind", tag="tool-return"):
    pass


class _Prompt(msgspec.Struct, tag_field="part_kind", tag="user-prompt"):
    content: Raw
    timestamp: datetime


class _Text(msgspec.Struct, tag_field="part_kind", tag="text"):
    content: Raw


class _Thinking(msgspec.Struct, tag_field="part_kind", tag="thinking"):
    content: Raw


class _Call(msgspec.Struct, tag_field="part_kind", tag="tool-call"):
    tool_name: str
    tool_call_id: str
    args: Any = None


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    details: dict[str, int] = {}


class _Request(msgspec.Struct, tag_field="kind", tag="request"):
    parts: list[_Prompt | _System | _Returned]


class _Response(msgspec.Struct, tag_field="kind", tag="response"):
    parts: list[_Text | _Thinking | _Call]
    timestamp: datetime
    usage: _Usage


class ChatMessage(msgspec.Struct, kw_only=True):
    """A message as the wire shows it; its texts are JSON already."""

    role: str
    content: Raw | UnsetType = UNSET
    created_at: int
    from_history: bool = False
    stop_after_tool_call: bool = False
    reasoning_content: Raw | UnsetType = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET
    metrics: dict[str, int] | UnsetType = UNSET


Shown: TypeAlias = ChatMessage | dict[str, Any]

_read_messages = msgspec.json.Decoder(list[_Request | _Response]).decode
_read_text = msgspec.json.Decoder(str).decode
_write = msgspec.json.Encoder().encode


class _OtherwiseError(Exception):
    """A message has media, which are not read here."""


def chat_history(documents: Iterable[bytes], blobs: Mapping[str, StoredBytes]) -> list[Shown]:
    """Return what people and models said in the runs of a session, in order; without instructions and tools' results.

    Args:
        documents: the messages of each run, as `dump_messages` wrote them.
        blobs: the media in them.

    Cost: some microseconds for each message.
    """
    return [message for document in documents for message in _said(document, blobs)]


def _said(document: bytes, blobs: Mapping[str, StoredBytes]) -> Sequence[Shown]:
    if not blobs_of(document):
        try:
            return [shown for message in _read_messages(document) for shown in _show(message)]
        except (msgspec.DecodeError, _OtherwiseError):
            pass  # a part that is not read here
    return [shown for shown in wire_messages(load_messages([document], blobs)) if shown["role"] in _SHOWN_ROLES]


def _show(message: _Request | _Response) -> Iterator[ChatMessage]:
    if isinstance(message, _Response):
        yield _show_response(message)
        return
    for part in message.parts:
        if isinstance(part, _Prompt):
            if memoryview(part.content)[0] != _QUOTE:
                raise _OtherwiseError
            yield ChatMessage(role="user", content=part.content, created_at=int(part.timestamp.timestamp()))


def _show_response(message: _Response) -> ChatMessage:
    parts = message.parts
    return ChatMessage(
        role="assistant",
        content=_joined([part.content for part in parts if isinstance(part, _Text)]),
        created_at=int(message.timestamp.timestamp()),
        reasoning_content=_joined([part.content for part in parts if isinstance(part, _Thinking)]),
        tool_calls=[_show_call(part) for part in parts if isinstance(part, _Call)] or UNSET,
        metrics=wire_usage(message.usage),
    )


def _joined(texts: Sequence[Raw]) -> Raw | UnsetType:
    """Return texts in JSON as one; one alone as it is stored."""
    if len(texts) == 1 and len(texts[0]) > len('""'):
        return texts[0]
    joined = "".join(_read_text(text) for text in texts)
    return Raw(_write(joined)) if joined else UNSET


def _show_call(part: _Call) -> dict[str, Any]:
    return wire_call(ToolCallPart(part.tool_name, part.args, tool_call_id=part.tool_call_id))
