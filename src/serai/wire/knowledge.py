"""Knowledge on the wire: contents of bases, where they stand, what a search finds, and what a server can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from serai.wire.choices import ContentStatus
from serai.wire.model import Moment, TextOrNull, WireModel
from serai.wire.pages import Page

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

_STATUSES: Final = frozenset(ContentStatus)


def _read_status(value: Any) -> Any:
    return ContentStatus(value) if value in _STATUSES else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


_Status = Annotated[ContentStatus | str, BeforeValidator(_read_status)]


class _Progress(WireModel):
    """How far a Serai server is with a content.

    Attributes:
        phase: ``queued``, ``fetching``, ``reading``, ``chunking``, ``embedding`` or ``storing``; None when it is done.
        done: how many pages, chunks or bytes of the phase are done.
        total: of how many; 0 where that is not known.
        chunks: how many pieces the content has been cut into.
    """

    phase: str | None = None
    done: int | None = None
    total: int | None = None
    chunks: int | None = None


class ContentStatusResponse(_Progress):
    """Where a content stands; ``status_message`` says why it failed."""

    id: str | None = None
    status: _Status
    status_message: TextOrNull = ""


class ContentResponseSchema(_Progress):
    """A content of a knowledge base.

    Attributes:
        type: its media type; ``manual`` of a text, ``url`` of a URL that was not fetched yet.
        size: in bytes, as text.
        knowledge_id: of the base, from a Serai server; ``url`` and what follows it likewise.
        reader_id: what it is to be read with, as far as somebody said so.
    """

    id: str
    name: str | None = None
    description: str | None = None
    type: str | None = None
    size: Annotated[str | None, BeforeValidator(_as_text)] = None
    linked_to: str | None = None
    metadata: dict[str, Any] | None = None
    access_count: int | None = None
    status: _Status | None = None
    status_message: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    knowledge_id: str | None = None
    url: str | None = None
    reader_id: str | None = None
    chunker: str | None = None
    chunk_size: int | None = None
    chunk_overlap: int | None = None


class VectorSearchResult(WireModel):
    """A piece of a content that a search found.

    Attributes:
        meta_data: the content's metadata, and where the piece stands in it.
        usage: ``tokens``: about how many it has.
        score: how well it fits, 0 to 1, comparable within one answer; servers of others have ``reranking_score`` only.
        content_id: of the content it is a piece of.
        size: in bytes.
    """

    id: str | None = None
    content: str
    name: str | None = None
    meta_data: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    score: float | None = None
    reranking_score: float | None = None
    content_id: str | None = None
    content_origin: str | None = None
    size: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _score(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("score") is None:
            return {**value, "score": value.get("reranking_score")}
        return value


class ReaderSchema(WireModel):
    """Something that reads documents of some types; ``chunkers`` are those that suit it."""

    id: str
    name: str | None = None
    description: str | None = None
    chunkers: list[str] | None = None
    content_types: list[str] | None = None
    unavailable_content_types: dict[str, list[str]] | None = None


class ChunkerSchema(WireModel):
    """A way of cutting documents; ``metadata`` has the sizes it takes by default."""

    key: str
    name: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None


class UnavailableReaderSchema(WireModel):
    """A reader that needs packages which the server does not have."""

    id: str
    name: str | None = None
    description: str | None = None
    missing_packages: list[str] = Field(default_factory=list)
    reason: str | None = None


class UnavailableChunkerSchema(UnavailableReaderSchema):
    """A chunker that needs packages which the server does not have."""


class VectorDbSchema(WireModel):
    """Where a base is searched, and how: ``vector``, ``keyword``, ``hybrid``."""

    id: str
    name: str | None = None
    description: str | None = None
    search_types: list[str] | None = None


class ConfigResponseSchema(WireModel):
    """What a server reads, how it cuts that, and by what contents can be filtered."""

    readers: dict[str, ReaderSchema] | None = None
    readersForType: dict[str, list[str]] | None = None  # noqa: N815 - the published name
    chunkers: dict[str, ChunkerSchema] | None = None
    filters: list[str] | None = None
    vector_dbs: list[VectorDbSchema] | None = None
    remote_content_sources: list[dict[str, Any]] | None = None
    unavailable_readers: dict[str, UnavailableReaderSchema] | None = None
    unavailable_chunkers: dict[str, UnavailableChunkerSchema] | None = None


ContentPage = Page[ContentResponseSchema]
"""A page of contents."""

SearchPage = Page[VectorSearchResult]
"""A page of what a search found, best first."""
