"""A span as it was sent, whichever way it was encoded. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

MOST_ATTRIBUTES: Final = 200
"""Of one span; exporters send at most 128 unless they are told otherwise."""
MOST_EVENTS: Final = 200
"""Of one span; the last ones count."""
_HEX: Final = re.compile("[0-9a-f]+", re.IGNORECASE)


@dataclass(slots=True)
class ReceivedSpan:
    """One span as a program sent it.

    Attributes:
        trace_id, span_id, parent_id: bytes, of any length.
        flags: of W3C Trace Context, and whether the parent is in another process.
        kind: as OTLP counts them.
        started_ns, ended_ns: nanoseconds of the Unix epoch; 0 where it was not said.
        status: 0 unset, 1 OK, 2 error.
        message: of an error.
        attributes: texts, numbers, booleans, lists and dictionaries; without what nobody reads.
        events: name and attributes of each.
        scope: the library that told of it.
        service: the program that did.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    flags: int
    name: str
    kind: int
    started_ns: int
    ended_ns: int
    status: int
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    scope: str
    service: str | None


def bytes_of_hex(text: str) -> bytes:
    """Return an id that JSON has in hexadecimal; no bytes for a text that is none."""
    return bytes.fromhex(text) if len(text) % 2 == 0 and _HEX.fullmatch(text) else b""
