"""Word documents as Markdown: headings, paragraphs, lists and tables in their order."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

import docx
from docx.document import Document
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from serai.knowledge.passages import LONGEST_PASSAGE, Passage, Source
from serai.knowledge.readers.packed import check_archive

_HEADING: Final = re.compile(r"heading ([1-9])", re.IGNORECASE)
_DEEPEST: Final = 20


def read(source: Source) -> Iterator[Passage]:
    """Yield the document in stretches of some pages; where one begins with a heading it is a line with #."""
    check_archive(source.data, source.limits)
    document = docx.Document(io.BytesIO(source.data))
    title = (document.core_properties.title or "").strip()[:500]
    metadata = {"title": title} if title else {}
    blocks: list[str] = []
    size = 0
    for block in _blocks(document, 0):
        if size + len(block) > LONGEST_PASSAGE and blocks:
            yield Passage("\n\n".join(blocks), metadata)
            blocks, size = [], 0
        blocks.append(block)
        size += len(block) + 2
    yield Passage("\n\n".join(blocks), metadata)


def _blocks(holder: Document | _Cell, depth: int) -> Iterator[str]:
    for item in holder.iter_inner_content():
        if isinstance(item, Table):
            yield _table(item, depth + 1)
        elif text := item.text.strip():
            yield _paragraph(item, text)


def _paragraph(paragraph: Paragraph, text: str) -> str:
    style = (paragraph.style.name if paragraph.style is not None else None) or ""
    if heading := _HEADING.fullmatch(style):
        return f"{'#' * min(int(heading[1]), 6)} {_one_line(text)}"
    if style == "Title":
        return f"# {_one_line(text)}"
    return f"- {text}" if style.startswith("List") else text


def _table(table: Table, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    lines = []
    for row in table.rows:
        cells: list[str] = []
        previous = None
        for cell in row.cells:
            if cell._tc is not previous:  # noqa: SLF001 - merged cells are one element under several cells
                cells.append(_one_line(" ".join(_blocks(cell, depth))))
            previous = cell._tc  # noqa: SLF001
        lines.append(f"| {' | '.join(cells)} |")
        if len(lines) == 1:
            lines.append(f"|{' --- |' * len(cells)}")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
