"""Reading documents: their bytes become passages of text, in a process that is stopped at its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from serai.domain.stored_text import storable
from serai.knowledge.passages import Passage, ReadDocument, ReadLimits, UnreadableError
from serai.knowledge.readers.catalog import (
    CHUNKERS,
    READERS,
    ChunkerInfo,
    MissingInfo,
    ReaderInfo,
    missing_chunkers,
    missing_readers,
)
from serai.knowledge.readers.choice import Called, choose_reader, is_text
from serai.knowledge.readers.opening import open_document
from serai.knowledge.reading_frames import Job
from serai.knowledge.reading_pool import POOL

__all__ = [
    "ChunkerInfo",
    "MissingInfo",
    "Passage",
    "ReadDocument",
    "ReadLimits",
    "ReaderInfo",
    "Unavailable",
    "UnreadableError",
    "chunkers",
    "read_document",
    "readers",
    "readers_for_type",
    "unavailable",
]

DEFAULT_LIMITS: Final = ReadLimits()

_HARMLESS: Final = ("text", "markdown", "csv", "json")
"""Readers that do with little data what the standard library does in C: no process is needed for them."""

_LITTLE_BYTES: Final = 256 * 1024
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Unavailable:
    """What could be used if more were installed, by id."""

    readers: Mapping[str, MissingInfo]
    chunkers: Mapping[str, MissingInfo]


async def read_document(
    data: bytes,
    *,
    name: str | None = None,
    media_type: str | None = None,
    reader_id: str | None = None,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> ReadDocument:
    """Return the text of a document.

    Args:
        data: its bytes.
        name: of the file; its suffix says what it is.
        media_type: the same by another way; the one that fits the bytes counts.
        reader_id: the reader to use where it can read these bytes; others are ignored.
        limits: what it may take.

    Raises:
        UnreadableError: it is damaged, encrypted, empty, not what it is called, of a format without a reader, or
            takes more than the limits allow.
    """
    called = Called(*(text if text is None else storable(text) for text in (name, media_type, reader_id)))
    if len(data) <= _LITTLE_BYTES and is_text(data) and choose_reader(data, called) in _HARMLESS:
        return await asyncio.to_thread(_read_here, data, called, limits)
    return await POOL.do(Job(limits=limits, work=called), partial(_blocks, data))


def _read_here(data: bytes, called: Called, limits: ReadLimits) -> ReadDocument:
    document = open_document(data, called, limits)
    return ReadDocument(list(document.passages), document.chunker)


def _blocks(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[start : start + _BLOCK_BYTES] for start in range(0, len(view), _BLOCK_BYTES))


def unavailable() -> Unavailable:
    """Return the readers and chunkers that need packages which are not installed."""
    return Unavailable({info.id: info for info in missing_readers()}, {info.id: info for info in missing_chunkers()})


def readers() -> Mapping[str, ReaderInfo]:
    """Return the readers that can be used, by id."""
    missing = unavailable().readers
    return {id_: reader for id_, reader in READERS.items() if id_ not in missing}


def chunkers() -> Mapping[str, ChunkerInfo]:
    """Return the chunkers that can be used, by key."""
    missing = unavailable().chunkers
    return {key: chunker for key, chunker in CHUNKERS.items() if key not in missing}


def readers_for_type() -> Mapping[str, list[str]]:
    """Return the ids of the readers that can be used, by the suffix of the files they read."""
    return {suffix: [reader.id] for reader in readers().values() for suffix in reader.content_types}
