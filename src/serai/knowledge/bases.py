"""The knowledge bases of a server: what is taken into each, and what is found in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from serai.domain.ids import new_key
from serai.domain.knowledge import (
    ContentOrigin,
    ContentRecord,
    ContentStatus,
    FoundChunk,
    NewContent,
    SearchQuestion,
    SearchType,
)
from serai.errors import NotFoundError, RequestError, RetryLaterError
from serai.knowledge.embedding import Embedding, EmbeddingError
from serai.knowledge.ingestion import content_id, job_kind
from serai.knowledge.late_vectors import embed_kind, enqueue_late
from serai.knowledge.options import Knowledge, by_id
from serai.knowledge.reranking import Reranker
from serai.knowledge.searching import Searcher
from serai.storage.connection import Connection, Database
from serai.storage.knowledge_contents import ContentChanges, ContentStore
from serai.storage.knowledge_vectors import build_index, has_vectors, prepare
from serai.storage.knowledge_words import check_language

LARGE_UPLOADS: Final = 4
"""Documents of more than a megabyte that a node holds in memory at a time until they are stored."""

_LARGE_BYTES: Final = 1024 * 1024
_NO_VECTORS: Final = "PostgreSQL has no extension 'vector' of 0.7 or later on its search_path"
_NO_BASE_RETRY_S: Final = 3600
_log = structlog.get_logger("serai.knowledge")
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A document for a base: bytes, or a URL to fetch them from.

    Attributes:
        data: the bytes; None with a URL.
        name: what people call it.
        metadata: of the content and of all its chunks; a search filters by it.
        origin: a text, a file or a URL.
        media_type: of a file.
        reader_id, chunker, chunk_size, chunk_overlap: None leaves it to the base.
        replaces: others of this name go once it is there; what a URL answered before is fetched again.
    """

    project_id: str
    user_id: str | None = None
    data: bytes | None = None
    url: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    origin: ContentOrigin = ContentOrigin.TEXT
    media_type: str | None = None
    reader_id: str | None = None
    chunker: str | None = None
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    replaces: bool = False


class KnowledgeBase:
    """One base.

    Args:
        database: where it is.
        options: how it is taken in and searched.
        announce: called with the kind of the job when there is a new content to be taken in.

    Attributes:
        options: likewise.
        contents: the statements about contents, of all bases.
        embedding: makes its vectors; None when it is searched by words only.
        has_vectors: whether it can be searched by vectors now.
    """

    def __init__(self, database: Database, options: Knowledge, announce: Callable[[str], None]) -> None:
        self.options = options
        self.contents = ContentStore(database, language=options.language)
        self.embedding = None if options.embedder is None else Embedding(options, database)
        self.has_vectors = False
        self._is_prepared = False
        self._announce = announce
        self._database = database
        reranker = None if options.reranker is None else Reranker(options.reranker)
        self._searcher = Searcher(database, options, self.embedding, reranker)

    @property
    def id(self) -> str:
        """Its id."""
        return self.options.id

    @property
    def search_types(self) -> tuple[SearchType, ...]:
        """How it can be searched."""
        return tuple(SearchType) if self.has_vectors else (SearchType.KEYWORD,)

    @property
    def search_type(self) -> SearchType:
        """How it is searched unless asked otherwise."""
        if self.options.search_type is not None:
            return SearchType(self.options.search_type)
        return SearchType.HYBRID if self.has_vectors else SearchType.KEYWORD

    def announce(self, upload: Upload) -> None:
        """Have a new content taken in at once; it has just been stored."""
        self._announce(job_kind(self.id, fetches=upload.data is None))

    async def embed_late(self) -> None:
        """Have contents embedded that were taken in while there was no embedder, or no pgvector; looks for them only.

        Until then they are searched by words.
        """
        if self.has_vectors and await enqueue_late(self._database, self.id):
            self._announce(embed_kind(self.id))

    async def prepare(self) -> None:
        """See whether PostgreSQL has vectors, and make room for those there may be; does not ask the embedder.

        Raises:
            ConfigurationError: PostgreSQL does not have its language, or its vectors are of another model or of other
                dimensions.
        """
        await check_language(self._database, self.options.language)
        if self.embedding is None:
            return
        dimensions = await self.embedding.check()
        self.has_vectors = await has_vectors(self._database)
        if self.has_vectors and dimensions is not None:
            self._is_prepared = await prepare(self._database, dimensions)
        if not self.has_vectors:
            _log.warning("knowledge_without_vectors", base=self.id, reason=_NO_VECTORS)

    async def build_index(self) -> None:
        """See that its vectors have their index, however long that takes."""
        if self.embedding is not None and self._is_prepared:
            await build_index(self._database, await self.embedding.dimensions())

    async def upload(self, upload: Upload, *, connection: Connection | None = None) -> ContentRecord:
        """Store a document to be taken in by a job, and return its content, which can be read at once.

        The same bytes, or the same URL, are one content: what is there already stays, and gets the name, the
        description and the metadata that are given now.

        Args:
            upload: the document.
            connection: within whose transaction; the caller then calls `announce` after it.

        Raises:
            RequestError: it has neither bytes nor a URL.
        """
        new = await self._content_of(upload)
        if connection is None:
            async with self._database.transaction() as own:
                record = await self._store(own, new, upload.data)
            self.announce(upload)
            return record
        return await self._store(connection, new, upload.data)

    def question(
        self,
        project_id: str,
        text: str,
        *,
        search_type: SearchType | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> SearchQuestion:
        """Return a question to this base; None is as the base has it."""
        return SearchQuestion(
            project_id=project_id,
            base_id=self.id,
            text=text,
            search_type=search_type or self.search_type,
            filters=filters or {},
            limit=limit or self.options.max_results,
        )

    async def search(self, question: SearchQuestion) -> list[FoundChunk]:
        """Return what fits a question best, best first.

        Raises:
            SearchUnavailableError: it asks for vectors, and there are none.
            RetryLaterError: the embedder cannot be asked.
        """
        try:
            if question.search_type is not SearchType.KEYWORD:
                await self._prepare_for_search()
            return await self._searcher.search(question)
        except EmbeddingError as error:
            raise RetryLaterError(f"{error.message} Searching by keyword does without it.") from error

    async def _prepare_for_search(self) -> None:
        """Make room for vectors that nobody has stored yet: a search finds none then, and is no error."""
        if self.embedding is not None and self.has_vectors and not self._is_prepared:
            self._is_prepared = await prepare(self._database, await self.embedding.dimensions())

    async def _store(self, connection: Connection, new: NewContent, data: bytes | None) -> ContentRecord:
        kind = job_kind(self.id, fetches=data is None)
        record, is_new = await self.contents.add(new, data, job_kind=kind, connection=connection)
        if is_new:
            return record
        changes = ContentChanges(
            name=_changed(new.name, record.name),
            description=_changed(new.description, record.description),
            metadata=_changed(new.metadata or None, record.metadata),
        )
        if changes != ContentChanges():
            record = (
                await self.contents.update(new.project_id, self.id, new.id, changes, connection=connection) or record
            )
        if new.replaces and record.status is ContentStatus.COMPLETED:
            await self.contents.delete_namesakes(connection, record, before=new_key())
        return record

    async def _content_of(self, upload: Upload) -> NewContent:
        source: bytes | str | None = upload.url if upload.data is None else upload.data
        if not source:
            raise RequestError("Provide a file, text_content, or URL to upload.")
        if len(source) < _LARGE_BYTES:
            new_id, digest = self._identify(source)
        else:
            new_id, digest = await asyncio.to_thread(self._identify, source)
        return NewContent(
            project_id=upload.project_id,
            base_id=self.id,
            id=new_id,
            user_id=upload.user_id,
            name=upload.name,
            description=upload.description,
            metadata=upload.metadata,
            origin=upload.origin,
            media_type=upload.media_type,
            url=upload.url,
            reader_id=upload.reader_id,
            chunker=upload.chunker,
            chunk_size=upload.chunk_size,
            chunk_overlap=upload.chunk_overlap,
            sha256=digest,
            size=len(upload.data or b""),
            replaces=upload.replaces,
        )

    def _identify(self, source: bytes | str) -> tuple[UUID, bytes | None]:
        digest = hashlib.sha256(source).digest() if isinstance(source, bytes) else None
        return content_id(self.id, source), digest


class KnowledgeBases:
    """All bases of a server.

    Args:
        database: where they are.
        bases: what they are; the same one may be there several times.
        announce: called with the kind of the job when there is a new content to be taken in.

    Attributes:
        large_uploads: held by those who hold a large document in memory.

    Raises:
        ConfigurationError: two different ones have the same id.
    """

    def __init__(
        self, database: Database, bases: Iterable[Knowledge], *, announce: Callable[[str], None] = lambda _: None
    ) -> None:
        self.large_uploads = asyncio.Semaphore(LARGE_UPLOADS)
        self._bases = {base_id: KnowledgeBase(database, options, announce) for base_id, options in by_id(bases).items()}

    def __iter__(self) -> Iterator[KnowledgeBase]:
        """Yield the bases in the order they were given in."""
        return iter(self._bases.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._bases)

    def get(self, knowledge_id: str | None = None) -> KnowledgeBase:
        """Return a base; without an id the only one.

        Raises:
            NotFoundError: none has this id.
            RequestError: there are several, and no id.
            RetryLaterError: there is none at all.
        """
        if knowledge_id is not None:
            if knowledge_id not in self._bases:
                raise NotFoundError(f"Knowledge base '{knowledge_id[:200]}' not found")
            return self._bases[knowledge_id]
        if len(self._bases) > 1:
            raise RequestError(
                "knowledge_id is required when using multiple knowledge bases. Available IDs: " + ", ".join(self._bases)
            )
        for base in self:
            return base
        raise RetryLaterError(
            "No knowledge base is available on this server: pass AgentOS(knowledge=…).",
            retry_after_s=_NO_BASE_RETRY_S,
        )

    async def embed_late(self) -> None:
        """Have contents of all bases embedded that were taken in while they could not be."""
        for base in self:
            await base.embed_late()

    async def find(self, project_id: str, base_id: str, text: str, *, filters: Mapping[str, Any]) -> list[FoundChunk]:
        """Return what a base holds about something, best first, searched as the base has it.

        Raises:
            NotFoundError: there is no such base.
            SearchUnavailableError: it is to be searched by vectors, and there are none.
        """
        base = self.get(base_id)
        return await base.search(base.question(project_id, text, filters=filters))

    async def prepare(self) -> None:
        """Make room for the vectors of all bases.

        Raises:
            ConfigurationError: as `KnowledgeBase.prepare`.
        """
        for base in self:
            await base.prepare()

    async def build_indexes(self) -> None:
        """See that the vectors of all bases have their indexes, however long that takes."""
        for base in self:
            await base.build_index()


def _changed(given: Given | None, stored: Given | None) -> Given | None:
    """Return what is given anew, None when it says nothing new."""
    return None if given == stored else given
