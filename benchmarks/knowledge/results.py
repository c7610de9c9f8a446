"""What one run of the knowledge benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "knowledge"
_FILE = "knowledge.json"


@dataclass(frozen=True)
class Sample:
    """One measurement of one kind of search. Times in milliseconds a search, one after the other.

    Attributes:
        chunks: in the base.
        p50_ms: what half of the searches took at most.
        server_cpu_ms: of the server's processes; None of bare statements, and where there is no ``/proc``.
        database_cpu_ms: of PostgreSQL's; None of servers that have none.
    """

    kind: str
    subject: str
    chunks: int
    requests: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL, as far as there are such."""
        known = [one for one in (self.server_cpu_ms, self.database_cpu_ms) if one is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        chunks: of each base, from few to many.
        peer_chunks: the most of them that the peers had.
        rounds: samples of each kind.
        seconds: of searches in each sample.
        not_run: what could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    chunks: tuple[int, ...]
    peer_chunks: int
    rounds: int
    seconds: float
    not_run: dict[str, str]
    samples: list[Sample]

    def of(self, kind: str, subject: str, chunks: int) -> list[Sample]:
        """Return the samples of one kind."""
        return [one for one in self.samples if (one.kind, one.subject, one.chunks) == (kind, subject, chunks)]


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result and return the file."""
    return write_stored(folder / _FILE, asdict(result), "samples")


def read_result(folder: Path = RESULTS) -> Result | None:
    """Return the stored result, if there is one."""
    file = folder / _FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    samples = [Sample(**one) for one in stored.pop("samples")]
    return Result(**{**stored, "chunks": tuple(stored["chunks"])}, samples=samples)
