"""What one run of the knowledge benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "knowledge"
_FILE = "knowledge.json"


@dataclass(frozen=True)
class Search:
    """Searches of one kind. Times in milliseconds.

    Attributes:
        subject: Serai, or the bare statement.
        found: chunks by all of them together.
    """

    name: str
    subject: str
    chunks: int
    searches: int
    p50_ms: float
    p95_ms: float
    found: int


@dataclass(frozen=True)
class Ingestion:
    """Documents of one format that were taken in, one after the other.

    Attributes:
        cpu_ms: of the server's process; reading goes on in others.
        lag_ms: the longest that the event loop did nothing else meanwhile.
    """

    format: str
    documents: int
    chunks: int
    document_ms: float
    cpu_ms: float
    lag_ms: float


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        not_run: what could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    not_run: dict[str, str]
    searches: list[Search]
    ingestions: list[Ingestion]


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result and return the file."""
    return write_stored(folder / _FILE, asdict(result), "searches", "ingestions")


def read_result(folder: Path = RESULTS) -> Result | None:
    """Return the stored result, if there is one."""
    file = folder / _FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    searches = [Search(**one) for one in stored.pop("searches")]
    ingestions = [Ingestion(**one) for one in stored.pop("ingestions")]
    return Result(searches=searches, ingestions=ingestions, **stored)
