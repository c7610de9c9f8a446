"""Cutting documents into chunks that search finds and models are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from serai.domain.knowledge import NewChunk
from serai.knowledge.cutting import cut_passages
from serai.knowledge.options import check_chunking
from serai.knowledge.passages import Passage, ReadDocument, ReadLimits
from serai.knowledge.reading_frames import CutSpec, Job, batches
from serai.knowledge.reading_pool import POOL

_LIMITS: Final = ReadLimits()
_LARGE_CHUNKERS: Final = ("TokenChunker", "CodeChunker")
"""They load tokens and grammars, whose memory only the end of a process gives back."""

_FEW: Final = 2000
_LITTLE_CHARACTERS: Final = 100_000
_SMALL_CHUNK: Final = 100
_CHARACTERS_OF_TOKEN: Final = 4


async def cut(
    document: ReadDocument,
    *,
    chunker: str | None,
    chunk_size: int,
    chunk_overlap: int,
) -> list[NewChunk]:
    """Return the chunks of a document in its order; each has the metadata of its passage.

    Args:
        document: as its reader left it.
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
        return await asyncio.to_thread(_cut_here, passages, spec)
    pieces = await POOL.do(Job(limits=_LIMITS, work=spec), partial(batches, passages))
    return await asyncio.to_thread(_as_chunks, pieces.passages)


def _is_quick(passages: list[Passage], spec: CutSpec) -> bool:
    """Return whether a thread may do it, which unlike a process cannot be stopped."""
    if spec.chunker in _LARGE_CHUNKERS or spec.size < _SMALL_CHUNK or spec.overlap > spec.size // 2:
        return False
    return len(passages) <= _FEW and sum(len(passage.text) for passage in passages) <= _LITTLE_CHARACTERS


def _cut_here(passages: list[Passage], spec: CutSpec) -> list[NewChunk]:
    return _as_chunks(cut_passages(passages, spec, most=_LIMITS.passages))


def _as_chunks(pieces: Iterable[Passage]) -> list[NewChunk]:
    return [
        NewChunk(
            position=position,
            text=piece.text,
            metadata=piece.metadata,
            tokens=-(-len(piece.text) // _CHARACTERS_OF_TOKEN),
        )
        for position, piece in enumerate(pieces, 1)
    ]
