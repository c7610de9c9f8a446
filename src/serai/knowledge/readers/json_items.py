"""JSON and JSON lines: an item of a list is a passage of "name: value" lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from serai.knowledge.passages import LONGEST_PASSAGE, Passage, Source, UnreadableError
from serai.knowledge.readers.text import decode

_LINES: Final = (".jsonl", ".ndjson")


def read(source: Source) -> Iterator[Passage]:
    """Yield the items of a list, or the one value that is there."""
    text = decode(source)
    if source.suffix in _LINES or _is_lines(text):
        values = ((n, _load(line, n)) for n, line in enumerate(text.split("\n"), 1) if line and not line.isspace())
        for number, value in values:
            yield from _passages(value, {"item": number})
        return
    value = _load(text)
    if not isinstance(value, list) or not any(isinstance(item, dict | list) for item in value):
        yield from _passages(value, {})
    else:
        for number, item in enumerate(value, 1):
            yield from _passages(item, {"item": number})


def _is_lines(text: str) -> bool:
    """Return whether each line seems to be a value of its own, as the first two do."""
    first, _, rest = text.strip().partition("\n")
    if not (first.startswith(("{", "[")) and rest.lstrip().startswith(first[0])):
        return False
    try:
        json.loads(first, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _load(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)  # numbers of any size, as they are written
    except RecursionError as error:
        raise UnreadableError("The JSON is nested too deep; upload it flatter, or as text.") from error
    except ValueError as error:
        place = f"line {line}: {error}" if line else str(error)
        raise UnreadableError(f"The document is not valid JSON: {place}. Correct it or upload it as text.") from error


def _passages(value: Any, metadata: dict[str, Any]) -> Iterator[Passage]:
    lines: list[str] = []
    size = 0
    for line in _flat(value):
        if size > LONGEST_PASSAGE:
            yield Passage("\n".join(lines), metadata)
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    yield Passage("\n".join(lines), metadata)


def _flat(value: Any) -> Iterator[str]:
    """Yield a line for each scalar within a value, with the names that lead to it."""
    waiting = [("", value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{name}" if path else name, inner) for name, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(path, inner) for inner in reversed(value)]
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{path}: {text}" if path else text
