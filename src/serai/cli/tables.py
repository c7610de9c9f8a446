"""Tables, values and sizes as plain text, for terminals and for programs that read lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

_LONGEST_VALUE = 80
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters by which a text could show itself, and what follows it, in another order."""


def printable(text: str) -> str:
    """Return a text without control characters, by which it could steer the terminal, and without half characters."""
    return text if text.isprintable() else "".join(c if _is_printable(c) else "\ufffd" for c in text)


def _is_printable(c: str) -> bool:
    if c in "\n\t":
        return True
    return c >= " " and not "\x7f" <= c <= "\x9f" and not "\ud800" <= c <= "\udfff" and c not in _TURNING


def on_one_line(text: str) -> str:
    """Return a text on one line, printable."""
    return " ".join(printable(text).split())


def shortened(text: str, longest: int = _LONGEST_VALUE) -> str:
    """Return a text on one line, its end cut off where it is too long."""
    text = on_one_line(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def table_text(heading: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Return lines of columns two blanks apart.

    Args:
        heading: the columns' names.
        rows: their cells; control characters are replaced.
        right: numbers of the columns that hold numbers, to be aligned at their ends.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - knows how wide a character is

    lines = [heading, *([on_one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            " " * (width - cell_len(cell)) + cell if index in right else cell + " " * (width - cell_len(cell))
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def size_text(size_bytes: int) -> str:
    """Return a size as people read it."""
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes:,} bytes"


def time_text(moment: datetime | None) -> str:
    """Return a time in UTC, to the second; nothing for none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def json_text(value: Any, longest: int = _LONGEST_VALUE) -> str:
    """Return a JSON value on one line, its end cut off where it is too long; nothing for none or an empty one."""
    return "" if value in (None, {}, []) else shortened(json.dumps(value, ensure_ascii=False), longest)


def facts_text(facts: Sequence[tuple[str, str]]) -> str:
    """Return lines of names and values; those without a value are left out."""
    told = [(f"{name}:", on_one_line(value)) for name, value in facts if value]
    width = max((len(name) for name, _ in told), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in told)


def dollars(cost: float) -> str:
    """Return US dollars as people read them: cents of a large sum, three figures of a small one."""
    return f"${cost:,.2f}" if cost >= 1 or not cost else f"${cost:.3g}" if cost >= 1e-4 else f"${cost:.6f}"
