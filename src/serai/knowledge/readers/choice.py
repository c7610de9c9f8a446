"""Which reader takes a document: its bytes decide what can be, its name and type what it is called."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import Final

import msgspec

from serai.knowledge.passages import UnreadableError
from serai.knowledge.readers.catalog import READERS
from serai.knowledge.readers.packed import ENCRYPTED, open_archive
from serai.knowledge.readers.text import has_mark

TEXTS: Final = ("text", "markdown", "html", "csv", "json")
"""Readers of bytes that are text."""

_BINARIES: Final = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"{\\rtf", "an RTF document"),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_FOLDERS: Final = (("word/", "docx"), ("xl/", "excel"), ("ppt/", "pptx"))
_HEAD: Final = 8192
_CONTROLS: Final = bytes(n for n in range(32) if n not in b"\t\n\v\f\r\x1b")
_TITLES: Final = {"pdf": "a PDF", "docx": "a Word document", "excel": "an Excel workbook", "pptx": "a presentation"}

_BY_SUFFIX: Final = {suffix: reader.id for reader in READERS.values() for suffix in reader.content_types}
_BY_TYPE: Final = {kind: reader.id for reader in READERS.values() for kind in reader.media_types}


class Called(msgspec.Struct, frozen=True, tag=True):
    """What a document is called, and which reader is wanted."""

    name: str | None = None
    media_type: str | None = None
    reader_id: str | None = None


def suffix_of(name: str | None) -> str:
    """Return the suffix of a file's name in lower case, such as ``.pdf``; the name is never used as a path."""
    return PurePosixPath((name or "")[-300:].replace("\\", "/").replace("\0", "")).suffix.lower()


def is_text(data: bytes) -> bool:
    """Return whether bytes may be text; looks at their beginning only."""
    if _is_pdf(data) or data.startswith((*_ZIP, _OLE, *(mark for mark, _ in _BINARIES))):
        return False
    head = data[:_HEAD]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return has_mark(data) or controls <= len(head) // (10 if _is_utf8(head) else 100)


def choose_reader(data: bytes, called: Called) -> str:
    """Return the id of the reader to use.

    Raises:
        UnreadableError: the bytes are not what the document is called, or of a format that nothing here reads.
    """
    possible = TEXTS if is_text(data) else (_kind_of(data),)
    if called.reader_id in possible:
        return str(called.reader_id)
    suffix, kind = suffix_of(called.name), (called.media_type or "").partition(";")[0].strip().lower()
    if kind == "text/plain" and (suffix in _BY_SUFFIX or possible is not TEXTS):
        kind = ""  # senders call anything so
    named = [reader for reader in (_BY_SUFFIX.get(suffix), _BY_TYPE.get(kind)) if reader is not None]
    if fitting := next((reader for reader in named if reader in possible), None):
        return fitting
    if named:
        raise UnreadableError(
            f"The document is called {suffix if suffix in _BY_SUFFIX else kind} and is "
            f"{_TITLES.get(possible[0], 'text')}; give it the name and type of what it is."
        )
    if possible is TEXTS:
        return "html" if data[:_HEAD].lstrip().lower().startswith((b"<!doctype html", b"<html")) else "text"
    return possible[0]


def _is_utf8(head: bytes) -> bool:
    """Return whether bytes are UTF-8, cut off anywhere."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _is_pdf(data: bytes) -> bool:
    return data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-")


def _kind_of(data: bytes) -> str:
    """Return the reader of bytes that are not text."""
    if _is_pdf(data):
        return "pdf"
    if data.startswith(_OLE):
        raise UnreadableError(f"{ENCRYPTED} If it is an old one (.doc, .xls, .ppt), save it as .docx, .xlsx or .pptx.")
    if data.startswith(_ZIP):
        return _office_kind(data)
    found = next((title for mark, title in _BINARIES if data.startswith(mark)), "binary data")
    raise UnreadableError(
        f"The document is {found}, which has no reader; upload text, HTML, PDF or an Office document."
    )


def _office_kind(data: bytes) -> str:
    with open_archive(data) as archive:
        names = archive.namelist()
    for folder, reader in _FOLDERS:
        if any(name.startswith(folder) for name in names):
            return reader
    raise UnreadableError(
        "The document is a ZIP archive and no Word, Excel or PowerPoint document; upload the files in it one by one."
    )
