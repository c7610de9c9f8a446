"""Documents made in code, for tests of what reads them: PDF, Word, Excel, PowerPoint and HTML."""

from __future__ import annotations

import html
import io
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import docx
import openpyxl
import pptx

LINES_OF_PAGE = 50
LETTERS_OF_LINE = 90


@dataclass(frozen=True)
class Section:
    """A heading and the paragraphs below it."""

    heading: str
    paragraphs: Sequence[str]


def sections_of(text: str) -> list[Section]:
    """Read ``# heading`` lines and the paragraphs below them, which blank lines part."""
    sections = []
    for part in textwrap.dedent(text).strip().split("# ")[1:]:
        heading, _, rest = part.partition("\n")
        paragraphs = [" ".join(paragraph.split()) for paragraph in rest.split("\n\n") if paragraph.strip()]
        sections.append(Section(heading.strip(), paragraphs))
    return sections


def make_pdf(pages: Sequence[Sequence[str]], *, trailer: bytes = b"") -> bytes:
    """Return a PDF whose pages hold these lines, as Western letters in Helvetica."""
    first = 4
    kids = " ".join(f"{first + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] /MediaBox [0 0 595 842] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        content = _page_content(lines)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {first + 2 * number + 1} 0 R >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _assemble(objects, trailer)


def make_encrypted_pdf() -> bytes:
    """Return a PDF that asks for a password."""
    keys = b"/O <%s> /U <%s>" % (b"a1" * 32, b"b2" * 32)
    encryption = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 %s >> /ID [<00> <00>]" % keys
    return make_pdf([["secret"]], trailer=encryption)


def pdf_of(sections: Sequence[Section]) -> bytes:
    """Return a PDF of sections, each on pages of its own."""
    pages = []
    for section in sections:
        lines = [section.heading, ""]
        for paragraph in section.paragraphs:
            lines += [*textwrap.wrap(paragraph, LETTERS_OF_LINE), ""]
        pages += [lines[start : start + LINES_OF_PAGE] for start in range(0, len(lines), LINES_OF_PAGE)]
    return make_pdf(pages)


def docx_of(title: str, sections: Sequence[Section], table: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a Word document of sections, with a table at its end."""
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading(title, 0)
    for section in sections:
        document.add_heading(section.heading, 1)
        for paragraph in section.paragraphs:
            document.add_paragraph(paragraph)
    if table:
        grid = document.add_table(len(table), len(table[0]))
        for row, cells in zip(grid.rows, table, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
    return _saved(document)


def xlsx_of(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """Return a workbook with these rows on its sheets."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return _saved(workbook)


def pptx_of(sections: Sequence[Section]) -> bytes:
    """Return a presentation with a slide a section; a paragraph that begins with ``Notes:`` is the speaker's."""
    presentation = pptx.Presentation()
    for section in sections:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = section.heading
        spoken = [text.removeprefix("Notes:").strip() for text in section.paragraphs if text.startswith("Notes:")]
        shown = [text for text in section.paragraphs if not text.startswith("Notes:")]
        slide.placeholders[1].text = "\n".join(shown)
        if spoken:
            slide.notes_slide.notes_text_frame.text = "\n".join(spoken)
    return _saved(presentation)


def html_of(title: str, sections: Sequence[Section], *, language: str = "en") -> bytes:
    """Return a page of sections, among scripts and navigation as pages have."""
    body = "".join(
        f"<h2>{html.escape(section.heading)}</h2>"
        + "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs)
        for section in sections
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<script>var tracking = 'never read';</script><style>p { color: red }</style></head><body>"
        "<nav><ul><li><a href='/'>Home</a></li><li><a href='/shop'>Shop</a></li></ul></nav>"
        f"<main><h1>{html.escape(title)}</h1>{body}</main><footer>All rights reserved</footer></body></html>"
    ).encode()


def repacked(data: bytes, changes: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive with some parts replaced or added."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", compression) as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, content in changes.items():
            new.writestr(name, content)
    return packed.getvalue()


def _page_content(lines: Sequence[str]) -> bytes:
    if not lines:
        return b""
    shown = [
        line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") for line in lines
    ]
    return b"BT /F1 10 Tf 14 TL 50 800 Td\n" + b"\n".join(b"(%s) Tj T*" % line for line in shown) + b"\nET"


def _assemble(objects: Sequence[bytes], trailer: bytes) -> bytes:
    data = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    data += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(data)


def _saved(document: object) -> bytes:
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]
    return file.getvalue()
