"""What went into a span, what came out, and why it failed. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serai.domain.traces import COMPONENT_KINDS, SpanKind
from serai.telemetry.otlp_in.conversation import answer_in, prompt_in, question_in
from serai.telemetry.otlp_in.names import NUMBERED_PREFIXES
from serai.telemetry.otlp_in.received import ReceivedSpan
from serai.telemetry.otlp_in.told import Told

_PROMPT, _COMPLETION = NUMBERED_PREFIXES


def contents_of(kind: SpanKind, told: Told) -> tuple[Any, Any]:
    """Return what went in and what came out: of lists of messages the last ones."""
    facts = told.facts
    given, answered = facts.get("input"), facts.get("output")
    if given is None:
        messages = facts.get("asked", facts.get("conversation"))
        if messages is not None:
            given = prompt_in(messages) if kind in COMPONENT_KINDS else question_in(messages)
        else:
            given = facts.get("event_input") or _last_of(told.numbered, _PROMPT)
    if answered is None:
        messages = facts.get("answered", facts.get("conversation"))
        if messages is not None:
            answered = answer_in(messages)
        else:
            answered = facts.get("event_output") or _last_of(told.numbered, _COMPLETION)
    return given, answered


def error_of(span: ReceivedSpan, facts: Mapping[str, Any]) -> str:
    """Return why a span failed: what its status says, else its last exception."""
    if span.message:
        return span.message
    for name, attributes in reversed(span.events):
        if name == "exception":
            kind, message = attributes.get("exception.type"), attributes.get("exception.message")
            if kind or message:
                return ": ".join(str(part) for part in (kind, message) if part)
    return str(facts.get("error") or "error")


def _last_of(numbered: Mapping[str, Any], prefix: str) -> Any:
    """Return the content of the last of messages that are told as ``gen_ai.prompt.0.content`` and so on."""
    last, content = -1, None
    for name, value in numbered.items():
        number, _, member = name.removeprefix(prefix).partition(".")
        if member == "content" and name.startswith(prefix) and number.isdecimal() and len(number) < 6:
            last, content = max((last, content), (int(number), value), key=lambda one: one[0])
    return content
