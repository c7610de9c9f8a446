"""Rows of tables as passages of "column: value" lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from serai.knowledge.passages import Passage


def rows_as_passages(
    rows: Iterable[tuple[int, Sequence[str]]], metadata: Mapping[str, Any] | None = None
) -> Iterator[Passage]:
    """Yield a passage for each row that is not empty.

    Args:
        rows: their numbers as people count them, and their cells. The first names the columns when it holds words only.
        metadata: of all passages; the number of the row is added as ``row``.
    """
    columns: Sequence[str] | None = None
    for number, row in rows:
        if not any(cell and not cell.isspace() for cell in row):
            continue
        if columns is None:
            if all(map(_is_name, row)) and len(row) > 1:
                columns = [cell.strip() for cell in row]
                yield Passage(" | ".join(filter(None, columns)), {**(metadata or {}), "row": number})
                continue
            columns = ()
        yield Passage(_lines(columns, row), {**(metadata or {}), "row": number})


def _lines(columns: Sequence[str], row: Sequence[str]) -> str:
    lines = []
    for place, cell in enumerate(row):
        if cell and not cell.isspace():
            column = columns[place] if place < len(columns) else ""
            lines.append(f"{column}: {cell.strip()}" if column else cell.strip())
    return "\n".join(lines)


def _is_name(cell: str) -> bool:
    """Return whether a cell may name a column: it is empty, or short and no number."""
    return len(cell) <= 200 and not cell.strip().replace(".", "").replace(",", "").lstrip("+-").isdigit()
