"""``serai.Knowledge``: a base of documents that agents search, and how it takes them in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_ai.embeddings import Embedder, EmbeddingModel

from serai.domain.knowledge import MOST_RESULTS, SearchType
from serai.errors import ConfigurationError
from serai.knowledge.readers.catalog import CHUNKERS

DEFAULT_CHUNK_SIZE: Final = 1500
DEFAULT_CHUNK_OVERLAP: Final = 150
DEFAULT_RESULTS: Final = 10
LARGEST_CHUNK: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """A base of documents: ``AgentOS(knowledge=[base])``, and ``AgentComponent(agent, knowledge=base)`` to search it.

    Args:
        id: its id in requests, and of its rows: another id is another base.
        name: what people see; the id by default.
        description: what is in it; agents that may search it are told.
        embedder: makes vectors of texts: a pydantic-ai embedder, its model, or a string such as
            ``openai:text-embedding-3-small``. Without one the base is searched by words.
        dimensions: of the vectors, where the model lets one choose; fixed once there are vectors.
        reranker: puts what was found into a better order: the URL of a ``/rerank`` endpoint as Cohere, Jina and vLLM
            have it, a `serai.knowledge.reranking.RerankEndpoint` with a model and a key, or a function of the query
            and the texts that returns how well each answers.
        language: of PostgreSQL's text search, such as ``english``, ``german`` or ``simple``.
        search_type: how it is searched unless asked otherwise; by default by words and vectors where there are both.
        max_results: how many chunks a search finds unless asked otherwise, 1 to 1,000.
        chunker: how documents are cut unless asked otherwise; by default as their reader says.
        chunk_size: the most characters of a chunk, 1 to 50,000.
        chunk_overlap: how many of these the next chunk begins with again.
        documents: files and folders that are taken in when a server starts, and again when they have changed.
        allow_private_urls: whether URLs of this machine and of private networks may be fetched. Link-local and
            metadata addresses of clouds never are.

    Raises:
        ConfigurationError: a number is out of its bounds, a chunker or search type is unknown, documents are not there,
            or vectors are asked for without an embedder.
    """

    id: str = "knowledge"
    name: str | None = None
    description: str | None = None
    embedder: Embedder | EmbeddingModel | str | None = None
    dimensions: int | None = None
    reranker: Any = None
    language: str = "english"
    search_type: SearchType | str | None = None
    max_results: int = DEFAULT_RESULTS
    chunker: str | None = None
    chunk_size: int = DEFAULT_CHUNK_SIZE
    chunk_overlap: int = DEFAULT_CHUNK_OVERLAP
    documents: str | Path | Sequence[str | Path] = ()
    allow_private_urls: bool = False

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise ConfigurationError("A Knowledge needs an id that is not empty.")
        if not 1 <= self.max_results <= MOST_RESULTS:
            raise ConfigurationError(
                f"max_results of Knowledge {self.id!r} is {self.max_results}; it must be 1 to {MOST_RESULTS}."
            )
        if self.dimensions is not None and self.dimensions < 1:
            raise ConfigurationError(f"dimensions of Knowledge {self.id!r} is {self.dimensions}; it must be 1 or more.")
        try:
            check_chunking(self.chunker, self.chunk_size, self.chunk_overlap)
        except ValueError as error:
            raise ConfigurationError(f"Knowledge {self.id!r}: {error}.") from error
        if missing := [path for path in self.document_paths if not path.exists()]:
            raise ConfigurationError(
                f"Knowledge {self.id!r} has documents in {missing[0]}, and there is nothing there."
            )
        if self.search_type not in (None, *SearchType):
            raise ConfigurationError(
                f"search_type of Knowledge {self.id!r} is {self.search_type!r}; use one of {', '.join(SearchType)}."
            )
        if self.search_type in (SearchType.VECTOR, SearchType.HYBRID) and self.embedder is None:
            raise ConfigurationError(
                f"Knowledge {self.id!r} is to be searched by {self.search_type}: pass embedder=…, such as "
                "'openai:text-embedding-3-small', or leave search_type out."
            )

    @property
    def title(self) -> str:
        """What people see."""
        return self.name or self.id

    @property
    def document_paths(self) -> tuple[Path, ...]:
        """Where its documents are."""
        given = (self.documents,) if isinstance(self.documents, str | Path) else self.documents
        return tuple(Path(each) for each in given)


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


def knowledge_of(given: Knowledge | Sequence[Knowledge] | bool | None) -> tuple[Knowledge, ...]:
    """Return what ``knowledge=…`` means: True is a `Knowledge` with its defaults, False and None are none."""
    if given is True:
        return (Knowledge(),)
    return (given,) if isinstance(given, Knowledge) else tuple(given or ())


def by_id(bases: Iterable[Knowledge]) -> dict[str, Knowledge]:
    """Return bases by their ids, each once.

    Raises:
        ConfigurationError: two different ones have the same id.
    """
    found: dict[str, Knowledge] = {}
    for base in bases:
        if found.setdefault(base.id, base) != base:
            raise ConfigurationError(
                f"Two knowledge bases have the id {base.id!r}: give one of them another, as in Knowledge(id='manuals')."
            )
    return found
