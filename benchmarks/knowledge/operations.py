"""What is searched and taken in, on how many chunks, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serai.domain.knowledge import SearchType

DIMENSIONS: Final = 384
GROUPS: Final = 1000
"""A selective filter lets one of so many chunks through."""

RESULTS_WANTED: Final = 10
FORMATS: Final = ("txt", "md", "html", "csv", "json", "pdf", "docx", "xlsx", "pptx")
SERAI_SEARCH, BARE_SEARCH = "Serai", "bare statement"


def search_name(search_type: SearchType, *, is_filtered: bool) -> str:
    """Return what a search is called in the tables."""
    return f"{search_type}, {'one chunk of 1,000 may be meant' if is_filtered else 'all chunks'}"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        chunks: in the databases that are searched, one after the other.
        searches: of each kind, each for something else.
        documents: of each format that are taken in.
        document_chunks: about how many each of them has.
    """

    chunks: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    searches: int = 200
    documents: int = 10
    document_chunks: int = 20


QUICK = Sizes(chunks=(200,), searches=2, documents=1, document_chunks=2)
