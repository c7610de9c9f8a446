"""What is searched for, in how many chunks, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from benchmarks.knowledge.dataset import question_of, tag_of

LIMIT = 10


class Kind(StrEnum):
    """A kind of search; its text is its name in the tables."""

    KEYWORD = "keyword"
    VECTOR = "vector"
    HYBRID = "hybrid"
    FILTERED = "vector, of one tag in a hundred"


class Timing(NamedTuple):
    """How long some searches took, one after the other: all in seconds, half of them at most in milliseconds."""

    requests: int
    wall_s: float
    p50_ms: float


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        chunks: of each base.
        peer_chunks: the most of them for the peers, which take long to fill.
        rounds: samples of each kind.
        seconds: of searches in each sample.
    """

    chunks: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    peer_chunks: int = 100_000
    rounds: int = 3
    seconds: float = 1.0


QUICK = Sizes(chunks=(200,), peer_chunks=200, rounds=1, seconds=0.01)


def body_of(kind: Kind, index: int, chunks: int, base: str | None) -> dict[str, Any]:
    """Return the body of a search request; the same goes to every server."""
    search_type = "vector" if kind is Kind.FILTERED else kind.value
    body: dict[str, Any] = {"query": question_of(index, chunks), "search_type": search_type, "max_results": LIMIT}
    if kind is Kind.FILTERED:
        body["filters"] = {"tag": tag_of(index)}
    return body if base is None else {**body, "knowledge_id": base}
