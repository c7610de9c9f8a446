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
    header: Passage | None = None
    columns: Sequence[str] | None = None
    for number, row in rows:
        if not any(cell and not cell.isspace() for cell in row):
            continue
        place = {**(metadata or {}), "row": number}
        if columns is None and len(row) > 1 and all(map(_is_name, row)):
            columns = [cell.strip() for cell in row]
            header = Passage(" | ".join(filter(None, columns)), place)
            continue
        columns, header = columns or (), None
        yield Passage(_lines(columns, row), place)
    if header is not None:  # a table of one row
        yield header


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
