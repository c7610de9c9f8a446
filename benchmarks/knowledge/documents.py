"""Documents of each format that hold the same kind of text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from benchmarks.knowledge.dataset import Dataset
from tests.document_files import Section, docx_of, html_of, pdf_of, pptx_of, xlsx_of

_WORDS, _SENTENCE = 120, 12


def make_document(kind: str, data: Dataset, chunks: int) -> bytes:
    """Return a document of a format, of about so many chunks.

    Args:
        kind: suffix of its file's name.
        data: its words.
        chunks: about how many.
    """
    sections = [Section(f"Section {number}", [_paragraph(data)]) for number in range(1, chunks + 1)]
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


def _paragraph(data: Dataset) -> str:
    return " ".join(f"{data.text(_SENTENCE)}." for _ in range(_WORDS // _SENTENCE))


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
