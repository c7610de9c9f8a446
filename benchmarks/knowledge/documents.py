"""Documents of each format, all different, that hold the same kind of text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from benchmarks.knowledge.dataset import text_of
from tests.document_files import Section, docx_of, html_of, pdf_of, pptx_of, xlsx_of

CHUNK_SIZE = 1500
_PARTS_OF_CHUNK, _SENTENCE = 4, 12


def make_document(kind: str, first: int, chunks: int) -> bytes:
    """Return a document of a format.

    Args:
        kind: suffix of its file's name.
        first: number of the first of the texts it is made of; there are four a chunk.
        chunks: about how many it becomes.
    """
    sections = [Section(f"Section {number}", [_paragraph(first, number)]) for number in range(chunks)]
    rows = [[section.heading, *section.paragraphs] for section in sections]
    match kind:
        case "txt":
            return "\n\n".join(paragraph for _, paragraph in rows).encode()
        case "md":
            return "\n\n".join(f"# {heading}\n\n{paragraph}" for heading, paragraph in rows).encode()
        case "html":
            return html_of("Document", sections)
        case "csv":
            return _csv([["heading", "text"], *rows])
        case "json":
            return json.dumps([{"heading": heading, "text": paragraph} for heading, paragraph in rows]).encode()
        case "pdf":
            return pdf_of(sections)
        case "docx":
            return docx_of("Document", sections)
        case "xlsx":
            return xlsx_of({"Sheet": [["heading", "text"], *rows]})
        case _:
            return pptx_of(sections)


def _paragraph(first: int, number: int) -> str:
    """Return sentences of nearly as many characters as a chunk may have."""
    numbers = range(first + number * _PARTS_OF_CHUNK, first + (number + 1) * _PARTS_OF_CHUNK)
    words = " ".join(text_of(each) for each in numbers).split()
    sentences = (words[start : start + _SENTENCE] for start in range(0, len(words), _SENTENCE))
    return " ".join(f"{' '.join(sentence)}." for sentence in sentences)[: CHUNK_SIZE - 100]


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
