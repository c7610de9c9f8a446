"""What a span's attributes and events tell, whatever they are called. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serai.telemetry.otlp_in.names import USES, Use
from serai.telemetry.otlp_in.received import ReceivedSpan

_WORST: Final = 1000
_FACT: Final = Use.FACT.value
_REST: Final = Use.REST.value
_SAID: Final = ("gen_ai.event.content", "content", "message")
_DETAILS: Final = ("gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.client.inference.operation.details")


@dataclass(slots=True)
class Told:
    """What a span tells.

    Attributes:
        facts: by what they mean.
        rest: what means nothing here, by its name.
        numbered: messages whose parts are attributes of their own.
    """

    facts: dict[str, Any]
    rest: dict[str, Any]
    numbered: dict[str, Any]


def read_told(span: ReceivedSpan) -> Told:
    """Return what a span tells."""
    told = Told({}, {}, {})
    ranks: dict[str, int] = {}
    _take(span.attributes, told, ranks)
    for name, attributes in span.events:
        if name.startswith("gen_ai."):
            _take_event(name, attributes, told, ranks)
    return told


def _take(attributes: Mapping[str, Any], told: Told, ranks: dict[str, int]) -> None:
    facts, rest = told.facts, told.rest
    for name, value in attributes.items():
        use, known, rank = USES[name]
        if value is None or value == "":
            continue
        if use == _FACT:
            if rank < ranks.get(known, _WORST):
                facts[known] = value
                ranks[known] = rank
        elif use == _REST:
            rest[known] = value
        else:
            told.numbered[known] = value


def _take_event(name: str, attributes: Mapping[str, Any], told: Told, ranks: dict[str, int]) -> None:
    """Take what older conventions, and some libraries, tell in events."""
    said = next((attributes[key] for key in _SAID if key in attributes), None)
    if name in ("gen_ai.user.message", "gen_ai.tool.message"):
        told.facts["event_input"] = said
    elif name == "gen_ai.choice":
        told.facts["event_output"] = said
    elif name in _DETAILS:
        _take({key: value for key, value in attributes.items() if USES[key][0] == _FACT}, told, ranks)
