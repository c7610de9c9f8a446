"""What is searched for and taken in, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.knowledge.dataset import number_asked, question_of, tag_of
from serai.domain.knowledge import SearchType

LIMIT = 10
FORMATS = ("txt", "md", "html", "csv", "json", "pdf", "docx", "xlsx", "pptx")
LARGE = "one large txt"
_OF_TAG = "of one tag in a hundred"


class Kind(StrEnum):
    """A kind of search; its text is its name in the tables, and begins with the search type."""

    KEYWORD = "keyword"
    LOOSE = "keyword, six words that are nowhere together"
    VECTOR = "vector"
    HYBRID = "hybrid"
    KEYWORD_OF_TAG = f"keyword, {_OF_TAG}"
    VECTOR_OF_TAG = f"vector, {_OF_TAG}"
    HYBRID_OF_TAG = f"hybrid, {_OF_TAG}"

    @property
    def search_type(self) -> SearchType:
        """By words, by vectors, or by both."""
        return SearchType(self.value.partition(",")[0])

    @property
    def is_of_tag(self) -> bool:
        """Whether a filter lets only chunks of one tag through."""
        return self.value.endswith(_OF_TAG)

    def question(self, index: int, chunks: int) -> str:
        """Return the words of a question."""
        return question_of(index, chunks, is_loose=self is Kind.LOOSE)

    def filters(self, index: int, chunks: int) -> dict[str, str]:
        """Return what the chunks must have: the tag of the one that the question is made of."""
        return {"tag": tag_of(number_asked(index, chunks))} if self.is_of_tag else {}

    def body(self, index: int, chunks: int, base: str | None) -> dict[str, Any]:
        """Return the body of a search request; the same goes to every server.

        Args:
            index: of the question.
            chunks: that are searched.
            base: None of a server that has but one.
        """
        body: dict[str, Any] = {
            "query": self.question(index, chunks),
            "search_type": self.search_type.value,
            "max_results": LIMIT,
        }
        if self.is_of_tag:
            body["filters"] = self.filters(index, chunks)
        return body if base is None else {**body, "knowledge_id": base}


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        chunks: of each base that is searched.
        peer_chunks: the most of them for the peers, which take long to fill.
        documents: of each format that are taken in, in each round.
        document_chunks: about how many each of them has.
        large_chunks: of the one large text.
        peer_documents: of each format for the peers, once.
        warm_ups: rounds of uploads before those that count.
        upload_s: after so many seconds a server's uploads are given up.
        rounds: samples of each kind.
        seconds: of searches in each sample.
    """

    chunks: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    peer_chunks: int = 100_000
    documents: int = 10
    document_chunks: int = 20
    large_chunks: int = 2_000
    peer_documents: int = 2
    warm_ups: int = 1
    upload_s: float = 420.0
    rounds: int = 3
    seconds: float = 1.0

    @property
    def all_peer_chunks(self) -> tuple[int, ...]:
        """The sizes of the peers' bases."""
        return tuple(dict.fromkeys(min(chunks, self.peer_chunks) for chunks in self.chunks))


QUICK = Sizes(
    chunks=(200,),
    peer_chunks=200,
    documents=1,
    document_chunks=2,
    large_chunks=20,
    peer_documents=1,
    warm_ups=0,
    rounds=1,
    seconds=0.01,
)
