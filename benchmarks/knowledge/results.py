"""What one run of the knowledge benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "knowledge"
EMPTY = "empty request"
"""What kind those samples have that tell what HTTP costs in any case."""

_FILE = "knowledge.json"


@dataclass(frozen=True)
class Sample:
    """One measurement of one kind of search. Times in milliseconds a search, one after the other.

    Attributes:
        chunks: in the base.
        p50_ms: what half of the searches took at most.
        server_cpu_ms: of the server's processes; of bare statements, of the process that sends them. None where there
            is no ``/proc``.
        database_cpu_ms: of PostgreSQL's; None of servers that have none.
        found: chunks by each search.
        alike: of the chunks that bare statements find, the share that Serai finds, too; None of servers.
    """

    kind: str
    subject: str
    chunks: int
    requests: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    found: float
    alike: float | None

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL, as far as there are such."""
        return _sum(self.server_cpu_ms, self.database_cpu_ms)


@dataclass(frozen=True)
class Upload:
    """Documents of one format that were taken in. Times in milliseconds a document.

    Attributes:
        documents: how many were uploaded, one after the other, and then waited for.
        chunks: that all of them became.
        wall_ms: from the first upload until all could be found.
        server_cpu_ms: of the server's processes, with those that read documents; None where there is no ``/proc``.
        database_cpu_ms: of PostgreSQL's; None of servers that have none.
        lag_ms: the longest time for which the event loop was blocked meanwhile.
    """

    format: str
    subject: str
    documents: int
    chunks: int
    wall_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    lag_ms: float

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL, as far as there are such."""
        return _sum(self.server_cpu_ms, self.database_cpu_ms)


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        chunks: of each base that was searched, from few to many.
        peer_chunks: of each base of the peers.
        filled_s: how long it took to fill each base, by server and chunks.
        document_chunks: about how many a document has that was taken in.
        rounds: samples of each kind.
        seconds: of searches in each sample.
        not_run: what could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    chunks: tuple[int, ...]
    peer_chunks: tuple[int, ...]
    filled_s: dict[str, float]
    document_chunks: int
    rounds: int
    seconds: float
    not_run: dict[str, str]
    uploads: list[Upload]
    samples: list[Sample]

    def of(self, kind: str, subject: str, chunks: int) -> list[Sample]:
        """Return the samples of one kind of search."""
        return [one for one in self.samples if (one.kind, one.subject, one.chunks) == (kind, subject, chunks)]

    def uploads_of(self, kind: str, subject: str) -> list[Upload]:
        """Return the samples of one format."""
        return [one for one in self.uploads if (one.format, one.subject) == (kind, subject)]


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result and return the file."""
    return write_stored(folder / _FILE, asdict(result), "uploads", "samples")


def read_result(folder: Path = RESULTS) -> Result | None:
    """Return the stored result, if there is one."""
    file = folder / _FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    uploads = [Upload(**one) for one in stored.pop("uploads")]
    samples = [Sample(**one) for one in stored.pop("samples")]
    sizes = {name: tuple(stored[name]) for name in ("chunks", "peer_chunks")}
    return Result(**{**stored, **sizes}, uploads=uploads, samples=samples)


def _sum(*values: float | None) -> float | None:
    known = [one for one in values if one is not None]
    return sum(known) if known else None
