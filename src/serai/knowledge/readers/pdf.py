"""PDF: the text layer, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from serai.knowledge.passages import Passage, Source, UnreadableError

_HYPHEN: Final = re.compile("[\ufffe\x02\xad]\r?\n?")
"""How PDFium gives a hyphen at which a word is broken at the end of a line."""


def read(source: Source) -> Iterator[Passage]:
    """Yield the pages that hold text, with their numbers."""
    document = _open(source)
    try:
        if len(document) > source.limits.pages:
            raise UnreadableError(
                f"The PDF has {len(document):,} pages, and at most {source.limits.pages:,} are read; "
                "upload it in parts."
            )
        for number in range(len(document)):
            yield Passage(_page_text(document, number), {"page": number + 1})
    finally:
        document.close()


def _open(source: Source) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(source.data)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
            raise UnreadableError("The PDF is encrypted; upload one without a password.") from error
        raise UnreadableError("The PDF is damaged or cut off; save it anew and upload that.") from error


def _page_text(document: pdfium.PdfDocument, number: int) -> str:
    try:
        page = document[number]
    except pdfium.PdfiumError as error:
        raise UnreadableError(f"Page {number + 1} of the PDF is damaged; save it anew and upload that.") from error
    try:
        layer = page.get_textpage()
        try:
            text: str = layer.get_text_bounded()
        finally:
            layer.close()
    finally:
        page.close()
    return _HYPHEN.sub("", text).replace("\r\n", "\n")
