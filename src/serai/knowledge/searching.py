"""Searches a base by words, by vectors, or by both: what either finds is put into one order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

import asyncpg

from serai.domain.knowledge import FoundChunk, SearchQuestion, SearchType
from serai.errors import RequestError
from serai.knowledge.options import Knowledge
from serai.storage.connection import Database
from serai.storage.knowledge_chunks import Hit, read_chunks
from serai.storage.knowledge_vectors import VectorSearch
from serai.storage.knowledge_word_search import WordSearch

FUSED: Final = 50
"""So many of what words and what vectors find are put together, and so many a reranker sees, at least."""

_DAMPING: Final = 60


class SearchUnavailableError(RequestError):
    """The base cannot be searched in the way that was asked for; the message says what it would take."""

    code = "search_unavailable"


class QueryEmbedding(Protocol):
    """What makes vectors of questions."""

    async def embed_query(self, text: str) -> Sequence[float]:
        """Return the vector of a question."""


class Reranking(Protocol):
    """What puts texts into a better order."""

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """Return how well each text answers a question, 0 to 1; None when that cannot be told."""


class Searcher:
    """Searches one base.

    Args:
        database: where its chunks are.
        base: which one.
        embedding: makes vectors of questions; None where the base has no embedder.
        reranker: puts what was found into a better order; None leaves it as it was found.
    """

    def __init__(
        self,
        database: Database,
        base: Knowledge,
        embedding: QueryEmbedding | None = None,
        reranker: Reranking | None = None,
    ) -> None:
        self._database = database
        self._base = base
        self._embedding = embedding
        self._reranker = reranker
        self._words = WordSearch(database, base.language)
        self._vectors = VectorSearch(database)

    async def search(self, question: SearchQuestion) -> list[FoundChunk]:
        """Return what a question finds, best first; nothing for one without text.

        Raises:
            SearchUnavailableError: it is to be searched by vectors, and there are none.
        """
        if self._reranker is None:
            return await self._find(question)
        found = await self._find(replace(question, limit=max(question.limit, FUSED)))
        scores = await self._reranker.rerank(question.text, [chunk.text for chunk in found]) if found else []
        if scores is not None:
            scored = zip(found, scores, strict=True)
            found = [replace(chunk, reranking_score=score) for chunk, score in scored]
            found.sort(key=lambda chunk: -(chunk.reranking_score or 0.0))
        return found[: question.limit]

    async def _find(self, question: SearchQuestion) -> list[FoundChunk]:
        if question.search_type is SearchType.KEYWORD:
            return await self._words.find(question)
        embedding = self._embedding
        if embedding is None:
            raise SearchUnavailableError(
                f"The knowledge base {self._base.id!r} has no embedder, so it cannot be searched by "
                f"{question.search_type}. Ask for search_type 'keyword', or give the base one: "
                f"Knowledge(id={self._base.id!r}, embedder='openai:text-embedding-3-small')."
            )
        if not question.text.strip():
            return []
        try:
            if question.search_type is SearchType.VECTOR:
                return await self._vectors.find(question, await embedding.embed_query(question.text))
            return await self._find_by_both(question, embedding)
        except asyncpg.UndefinedTableError as error:
            raise SearchUnavailableError(
                "The PostgreSQL behind this server has no pgvector of 0.7 or later, so the knowledge base "
                f"{self._base.id!r} cannot be searched by {question.search_type}. Ask for search_type 'keyword', or "
                "install the extension 'vector' and start the server again."
            ) from error

    async def _find_by_both(self, question: SearchQuestion, embedding: QueryEmbedding) -> list[FoundChunk]:
        most = max(question.limit, FUSED)
        lists = await asyncio.gather(self._words.find_hits(question, most), self._near(question, embedding, most))
        fused = fuse(lists)[: question.limit]
        return await read_chunks(self._database, question.project_id, question.base_id, fused)

    async def _near(self, question: SearchQuestion, embedding: QueryEmbedding, most: int) -> Sequence[Hit]:
        hits = await self._vectors.find_hits(question, await embedding.embed_query(question.text), most)
        return await self._words.without_excluded(question, hits)


def fuse(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return what is in any of the lists, each best first, in one order; 1 is the score of what is first in all.

    Source: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, SIGIR 2009.
    """
    scores: defaultdict[tuple[UUID, int], float] = defaultdict(float)
    for hits in lists:
        for rank, hit in enumerate(hits, 1):
            scores[hit.content_id, hit.position] += (_DAMPING + 1) / (_DAMPING + rank) / len(lists)
    fused = [Hit(content_id, position, score) for (content_id, position), score in scores.items()]
    return sorted(fused, key=lambda hit: (-hit.score, hit.content_id, hit.position))
