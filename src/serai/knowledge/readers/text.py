"""Plain text, Markdown and source code as text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final

from serai.knowledge.passages import Passage, Source, pieces
from serai.knowledge.readers.catalog import CODE_SUFFIXES

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FALLBACK: Final = "windows-1252"


def read(source: Source) -> Iterator[Passage]:
    """Yield the text; of source code each passage names the language."""
    language = CODE_SUFFIXES.get(source.suffix)
    metadata = {"language": language} if language else {}
    yield from (Passage(piece, metadata) for piece in pieces(decode(source)))


def decode(source: Source) -> str:
    """Return bytes as text: by their mark, else what their type says, else UTF-8, else Windows-1252."""
    data = source.data
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return _unify(data[len(mark) :].decode(charset, "replace"))
    for charset in (source.charset or "utf-8", "utf-8"):
        try:
            return _unify(data.decode(charset))
        except (LookupError, ValueError):
            continue
    return _unify(data.decode(_FALLBACK, "replace"))


def has_mark(data: bytes) -> bool:
    """Return whether bytes begin as Unicode text marks itself."""
    return data.startswith(tuple(mark for mark, _ in _MARKS))


def _unify(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
