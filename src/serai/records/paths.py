"""The grammar of field paths in filters, orders and groups. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BARE = re.compile(r'[^".,\s]+')

TIMESTAMPS = ("created_at", "updated_at")
MOST_SEGMENTS = 1000


class PathError(ValueError):
    """A path breaks the grammar; the message says how."""


@dataclass(frozen=True)
class Path:
    """A member of a payload.

    Attributes:
        segments: member names, from the payload's root.
        or_below_data: when the segments lead nowhere, those below the payload's own member `data` are tried.
    """

    segments: tuple[str, ...]
    or_below_data: bool = False


def parse_path(text: str) -> Path:
    """Return the path that a text names.

    Args:
        text: bare or quoted segments joined by dots; an unquoted `data.` in front is optional.

    Raises:
        PathError: a segment is empty, a quote is not closed, something stands behind a closing quote, or there are too
            many segments.
    """
    if "\x00" in text:
        raise PathError("no member's name holds U+0000")
    segments = _split(text)
    if len(segments) > 1 and segments[0] == "data" and not text.startswith('"'):
        rest = tuple(segments[1:])
        return Path(rest, or_below_data=rest[0] != "data")
    return Path(tuple(segments))


def format_path(path: Path) -> str:
    """Return the shortest text that names a path, in filters and in orders alike."""
    first, *rest = path.segments
    alone = not rest and not path.or_below_data
    must_quote = (first in TIMESTAMPS) if alone else (first == "data")
    text = ".".join([_quote(first, must=must_quote), *map(_quote, rest)])
    return f"data.{text}" if path.or_below_data else text


def _quote(segment: str, *, must: bool = False) -> str:
    if not must and _BARE.fullmatch(segment):
        return segment
    return '"{}"'.format(segment.replace('"', '""'))


def _split(text: str) -> list[str]:
    segments: list[str] = []
    position = 0
    while True:
        segment, position = (_take_quoted if text.startswith('"', position) else _take_bare)(text, position)
        segments.append(segment)
        if len(segments) > MOST_SEGMENTS:
            raise PathError(f"a path of more than {MOST_SEGMENTS} names leads deeper than any payload")
        if position == len(text):
            return segments
        if text[position] != ".":
            raise PathError(f"a dot must follow the closing quote in {text!r}")
        position += 1


def _take_bare(text: str, start: int) -> tuple[str, int]:
    end = text.find(".", start)
    end = len(text) if end == -1 else end
    if end == start:
        raise PathError("a path segment is empty")
    return text[start:end], end


def _take_quoted(text: str, start: int) -> tuple[str, int]:
    end = start + 1
    while (end := text.find('"', end)) != -1:
        if text[end : end + 2] != '""':
            segment = text[start + 1 : end].replace('""', '"')
            if not segment:
                raise PathError("a path segment is empty")
            return segment, end + 1
        end += 2
    raise PathError(f"a quote is not closed in {text!r}")
