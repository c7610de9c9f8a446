"""What reading a document yields, within which limits, and the error for documents that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from serai.domain.stored_text import storable
from serai.errors import RequestError

LONGEST_PASSAGE: Final = 50_000
"""Characters; what is longer becomes several, so that no step takes long."""

_BREAKS: Final = ("\n\n", "\n", " ")


class UnreadableError(RequestError):
    """A document cannot be read; the message says what is wrong with it and what to do."""

    code = "unreadable_document"


class Passage(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a document that belongs together: a page, a slide, a row, an item.

    There may be many: the garbage collector passes them over, for it would hold up the event loop.

    Attributes:
        metadata: where it stands: ``page``, ``slide``, ``sheet``, ``row``, ``item``, ``title``.
    """

    text: str
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document as text.

    Attributes:
        chunker: the one its reader thinks best.
    """

    passages: list[Passage]
    chunker: str


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading one document may take.

    Attributes:
        seconds: of time, and of processor time.
        memory_mib: of the process that reads.
        pages: of a PDF, slides of a presentation, sheets of a workbook.
        expanded_mib: of a packed document once unpacked.
        characters: of text in all.
        passages: in all, such as the rows of a table.
    """

    seconds: float = 60.0
    memory_mib: int = 512
    pages: int = 5000
    expanded_mib: int = 200
    characters: int = 50_000_000
    passages: int = 200_000


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a document, for a reader.

    Attributes:
        suffix: of its name, such as ``.csv``; empty without one.
        charset: what its type says of its characters.
    """

    data: bytes
    suffix: str = ""
    charset: str | None = None
    limits: ReadLimits = field(default_factory=ReadLimits)


def within_limits(passages: Iterable[Passage], limits: ReadLimits) -> Iterator[Passage]:
    """Pass on what can be stored, long passages in pieces, empty ones not at all.

    Raises:
        UnreadableError: there is more than the limits allow, or nothing.
    """
    characters = count = 0
    for passage in passages:
        for text in pieces(storable(passage.text).strip()):
            characters += len(text)
            count += 1
            if characters > limits.characters:
                raise UnreadableError(
                    f"The document has more than {limits.characters:,} characters; upload it in parts."
                )
            if count > limits.passages:
                raise UnreadableError(
                    f"The document has more than {limits.passages:,} rows or passages; upload it in parts."
                )
            yield Passage(text, _storable_values(passage.metadata))
    if not count:
        raise UnreadableError("The document holds no text; a scan needs a text layer (OCR) before it is uploaded.")


def pieces(text: str) -> Iterator[str]:
    """Cut a text where paragraphs, lines or words end, into pieces of at most `LONGEST_PASSAGE` characters."""
    start = 0
    while len(text) - start > LONGEST_PASSAGE:
        end = start + LONGEST_PASSAGE
        cuts = (text.rfind(mark, start + LONGEST_PASSAGE // 2, end) for mark in _BREAKS)
        end = next((cut for cut in cuts if cut > 0), end)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _storable_values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in metadata.items()}
