"""Cutting documents into chunks that search finds and models are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from serai.domain.knowledge import NewChunk
from serai.knowledge.cutting import cut_passages
from serai.knowledge.passages import Passage, ReadDocument, ReadLimits
from serai.knowledge.readers.catalog import CHUNKERS
from serai.knowledge.reading_frames import CutSpec, Job, batches
from serai.knowledge.reading_pool import POOL

LARGEST_CHUNK: Final = 50_000

_LIMITS: Final = ReadLimits()
_LARGE_CHUNKERS: Final = ("TokenChunker", "CodeChunker")
_FEW: Final = 2000
_LITTLE_CHARACTERS: Final = 100_000
_SMALL_CHUNK: Final = 100
_CHARACTERS_OF_TOKEN: Final = 4


def check_chunking(chunker: str | None, size: int | None, overlap: int | None) -> None:
    """Refuse a way of cutting that does not exist or cannot work; None leaves it to the base.

    Raises:
        ValueError: the message names the argument and what it may be.
    """
    if chunker is not None and chunker not in CHUNKERS:
        raise ValueError(f"chunker: {chunker[:100]!r} is not known; use one of {', '.join(CHUNKERS)}")
    if size is not None and not 1 <= size <= LARGEST_CHUNK:
        raise ValueError(f"chunk_size: {size} is out of bounds; it must be 1 to {LARGEST_CHUNK:,}")
    if overlap is not None and overlap < 0:
        raise ValueError(f"chunk_overlap: {overlap} is out of bounds; it must be 0 or more")
    if size is not None and overlap is not None and overlap >= size:
        raise ValueError(f"chunk_overlap: {overlap} must be less than chunk_size, which is {size}")


async def cut(
    document: ReadDocument,
    *,
    metadata: Mapping[str, Any],
    chunker: str | None,
    chunk_size: int,
    chunk_overlap: int,
) -> list[NewChunk]:
    """Return the chunks of a document in its order.

    Args:
        document: as its reader left it.
        metadata: the content's; each chunk has it, and what its passage says of the place.
        chunker: its key; None leaves it to the document's reader.
        chunk_size: the most characters of a chunk, or tokens where the chunker counts those.
        chunk_overlap: how many of these the next chunk may begin with again; less than the size.

    Raises:
        UnreadableError: it would become too many chunks, or takes too long; larger chunks help.
        ValueError: as `check_chunking`.
    """
    check_chunking(chunker, chunk_size, chunk_overlap)
    passages = document.passages
    spec = CutSpec(chunker or document.chunker, chunk_size, chunk_overlap)
    if _is_quick(passages, spec):
        return await asyncio.to_thread(_cut_here, passages, spec, metadata)
    pieces = await POOL.do(Job(limits=_LIMITS, work=spec), partial(batches, passages))
    return await asyncio.to_thread(_as_chunks, pieces.passages, metadata)


def _is_quick(passages: list[Passage], spec: CutSpec) -> bool:
    """Return whether a thread may do it; a process can be stopped, and gives back the memory of tokens and grammars."""
    if spec.chunker in _LARGE_CHUNKERS or spec.size < _SMALL_CHUNK or spec.overlap > spec.size // 2:
        return False
    return len(passages) <= _FEW and sum(len(passage.text) for passage in passages) <= _LITTLE_CHARACTERS


def _cut_here(passages: list[Passage], spec: CutSpec, metadata: Mapping[str, Any]) -> list[NewChunk]:
    return _as_chunks(cut_passages(passages, spec, most=_LIMITS.passages), metadata)


def _as_chunks(pieces: Iterable[Passage], metadata: Mapping[str, Any]) -> list[NewChunk]:
    return [
        NewChunk(
            position=position,
            text=piece.text,
            metadata={**piece.metadata, **metadata},
            tokens=-(-len(piece.text) // _CHARACTERS_OF_TOKEN),
        )
        for position, piece in enumerate(pieces, 1)
    ]
