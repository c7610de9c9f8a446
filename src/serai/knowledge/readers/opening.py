"""From bytes to passages: a reader is chosen, and what it yields is kept within limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from serai.knowledge.passages import Passage, ReadLimits, Source, UnreadableError, within_limits
from serai.knowledge.readers.catalog import CODE_SUFFIXES, READERS, is_installed
from serai.knowledge.readers.choice import Called, choose_reader, suffix_of

_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document whose passages are read as they are taken."""

    passages: Iterator[Passage]
    chunker: str


def open_document(data: bytes, called: Called, limits: ReadLimits) -> OpenedDocument:
    """Return the passages of a document and the chunker that suits it.

    Raises:
        UnreadableError: now or while passages are taken; see `serai.knowledge.reading.read_document`.
    """
    reader = READERS[choose_reader(data, called)]
    if reader.package is not None and not is_installed(reader.package):
        raise UnreadableError(
            f"Reading {reader.content_types[0]} needs the package {reader.package[1]} on the server: "
            "pip install 'serai[documents]'."
        )
    charset = _CHARSET.search(called.media_type or "")
    suffix = suffix_of(called.name)
    source = Source(data, suffix, charset[1] if charset else None, limits)
    module = import_module(f"serai.knowledge.readers.{reader.module}")
    is_code = reader.id == "text" and suffix in CODE_SUFFIXES
    return OpenedDocument(within_limits(module.read(source), limits), "CodeChunker" if is_code else reader.chunkers[0])
