"""Knowledge as values: contents of a base, the chunks they are cut into, and what is found in them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

LONGEST_NAME: Final = 500
LONGEST_QUERY: Final = 2000
MOST_RESULTS: Final = 1000


class ContentOrigin(StrEnum):
    """How a content came into its base."""

    TEXT = "text"
    URL = "url"
    FILE = "file"


class ContentStatus(StrEnum):
    """Where a content stands."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class ContentPhase(StrEnum):
    """What is being done to a content that is processed."""

    QUEUED = "queued"
    FETCHING = "fetching"
    READING = "reading"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    STORING = "storing"


class SearchType(StrEnum):
    """How a base is searched."""

    VECTOR = "vector"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContent:
    """A content to be stored and taken in.

    Attributes:
        base_id: the knowledge base it belongs to.
        id: follows from the base and the bytes, of a URL from the base and the URL.
        metadata: the caller's; every chunk has it.
        media_type: of a file or of what a URL answered.
        reader_id, chunker, chunk_size, chunk_overlap: what the caller asked for; None leaves it to the base.
        sha256: of the bytes; None of a URL that was not fetched yet.
        size: of the bytes.
        replaces: contents of the same name go when this one is there.
    """

    project_id: str
    base_id: str
    id: UUID
    user_id: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    origin: ContentOrigin = ContentOrigin.TEXT
    media_type: str | None = None
    url: str | None = None
    reader_id: str | None = None
    chunker: str | None = None
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    sha256: bytes | None = None
    size: int = 0
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRecord(NewContent):
    """A content as stored.

    Attributes:
        status_message: why it failed, or what is to be said of it.
        phase: None once it is no more processed.
        done, total: how many chunks are through the phase, of how many; 0 of 0 before there are chunks.
        chunks: how many it has.
        job_id: takes it in.
    """

    status: ContentStatus
    status_message: str
    phase: ContentPhase | None
    done: int
    total: int
    chunks: int
    job_id: UUID | None
    created_at: datetime
    updated_at: datetime


class NewChunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of a content; there may be many, and the garbage collector passes them over.

    Attributes:
        position: from 1.
        metadata: where the piece stands in the content: page, heading, sheet, row.
        tokens: about how many; four characters are one.
    """

    position: int
    text: str
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tokens: int = 0

    @property
    def heading(self) -> str:
        """What stands above it in its document: the title, the sheet, the headings; empty where nothing does."""
        above = (self.metadata.get(key) for key in ("title", "sheet", "heading"))
        return "\n".join(dict.fromkeys(text for text in above if isinstance(text, str) and text))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuestion:
    """What is looked for in a base.

    Attributes:
        filters: every member must equal that of a chunk's metadata.
        limit: how many chunks are wanted.
    """

    project_id: str
    base_id: str
    text: str
    search_type: SearchType
    filters: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChunk:
    """A chunk that was found, best first in its list.

    Attributes:
        name: of its content.
        score: 0 to 1; comparable within one answer only.
        reranking_score: the reranker's, 0 to 1; None without one.
    """

    content_id: UUID
    position: int
    name: str | None
    text: str
    metadata: Mapping[str, Any]
    tokens: int
    score: float
    reranking_score: float | None = None

    @property
    def id(self) -> str:
        """The chunk's id."""
        return f"{self.content_id}:{self.position}"
