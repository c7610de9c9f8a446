"""What a list of messages asks and answers, in the forms in which spans have them. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_LONGEST_READ: Final = 1_000_000
_FURTHEST: Final = 50
_CHOICE: Final = "gen_ai.choice"
_messages: Final = msgspec.json.Decoder(list[msgspec.Raw])
_message: Final = msgspec.json.Decoder(dict[str, Any])


def question_in(messages: Any) -> Any:
    """Return what is asked at the end of a list of messages: of the last one that no model wrote."""
    for message in _from_the_end(messages):
        if not _is_answer(message):
            return _shown(message)
    return messages


def prompt_in(messages: Any) -> Any:
    """Return what a person asked in a list of messages, at last."""
    for message in _from_the_end(messages):
        if message.get("role") == "user" and not _is_result(message) and (said := _shown(message)):
            return said
    return question_in(messages)


def answer_in(messages: Any) -> Any:
    """Return what is answered at the end of a list of messages."""
    for message in _from_the_end(messages):
        if _is_answer(message):
            return _shown(message)
        break
    return messages


def _is_answer(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("assistant", "model", "ai") or message.get("event.name") == _CHOICE


def _is_result(message: Mapping[str, Any]) -> bool:
    """Return whether a message holds what a tool returned, whoever is said to have written it."""
    parts = message.get("parts")
    return isinstance(parts, list) and any(
        isinstance(part, dict) and part.get("type") == "tool_call_response" for part in parts
    )


def _from_the_end(messages: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the last messages, the last one first; none where they have no form that is known."""
    if isinstance(messages, list):
        yield from (message for message in messages[: -_FURTHEST - 1 : -1] if isinstance(message, dict))
    elif isinstance(messages, str) and len(messages) <= _LONGEST_READ:
        try:
            # A long history is split, and only its end is read.
            for message in _messages.decode(messages)[: -_FURTHEST - 1 : -1]:
                yield _message.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return


def _shown(message: Mapping[str, Any]) -> Any:
    inner = message.get("message")
    if isinstance(inner, dict):
        message = inner
    parts = message.get("parts") or message.get("content")
    calls = message.get("tool_calls")
    if isinstance(parts, str) and not calls:
        return parts
    shown = [_shown_part(part) for part in parts] if isinstance(parts, list) else [parts] if parts else []
    shown += calls if isinstance(calls, list) else []
    if shown and all(isinstance(part, str) for part in shown):
        return "\n".join(shown)
    return shown or message


def _shown_part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    match part.get("type"):
        case "text":
            text = part.get("content", part.get("text"))
            return text if isinstance(text, str) else part
        case "tool_call":
            return {"tool": part.get("name"), "arguments": part.get("arguments")}
        case "tool_call_response":
            return {"role": "tool", "name": part.get("name"), "content": part.get("result", part.get("response"))}
        case _:
            return part
