"""Knowledge bases: their contents and what a search finds in them, as the clients return them."""

from serai.wire.knowledge import (
    ChunkerSchema,
    ConfigResponseSchema,
    ContentPage,
    ContentResponseSchema,
    ContentStatus,
    ContentStatusResponse,
    ReaderSchema,
    SearchPage,
    UnavailableChunkerSchema,
    UnavailableReaderSchema,
    VectorDbSchema,
    VectorSearchResult,
)

__all__ = [
    "ChunkerSchema",
    "ConfigResponseSchema",
    "ContentPage",
    "ContentResponseSchema",
    "ContentStatus",
    "ContentStatusResponse",
    "ReaderSchema",
    "SearchPage",
    "UnavailableChunkerSchema",
    "UnavailableReaderSchema",
    "VectorDbSchema",
    "VectorSearchResult",
]
