"""Paths of fields: their grammar, and what they find in a payload."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.oracle.refusal import RefusedError

MISSING: Final = object()

_SEGMENT = re.compile(r'"((?:[^"]|"")+)"(?=\.|$)|([^".][^.]*)', re.DOTALL)


@dataclass(frozen=True)
class Path:
    """The names on the way to a member of the payload.

    Attributes:
        names: without the prefix ``data.``.
        has_prefix: whether ``data.`` was written, which makes the payload's own member ``data`` a second place to look.
    """

    names: tuple[str, ...]
    has_prefix: bool

    def find(self, payload: dict[str, Any]) -> Any:
        """Return the value in a payload; ``None`` for null and for missing."""
        found = _descend(payload, self.names)
        if found is MISSING and self.has_prefix and self.names[0] != "data":
            found = _descend(payload, ("data", *self.names))
        return None if found is MISSING else found


def read_path(text: str) -> Path:
    """Return the path that a text spells.

    Raises:
        RefusedError: a segment is empty, or a quote is not closed.
    """
    names = _read_names(text)
    has_prefix = text.startswith("data.")
    return Path(names[1:] if has_prefix else names, has_prefix)


def _read_names(text: str) -> tuple[str, ...]:
    names = []
    at = 0
    while True:
        match = _SEGMENT.match(text, at)
        if match is None:
            raise RefusedError(text)
        quoted, bare = match.groups()
        names.append(bare if quoted is None else quoted.replace('""', '"'))
        if match.end() == len(text):
            return tuple(names)
        at = match.end() + 1  # a segment ends at a dot or at the end


def _descend(payload: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        if not isinstance(payload, dict) or name not in payload:
            return MISSING
        payload = payload[name]
    return payload
