"""What one run of the state benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "state"
_FILE = "state.json"


@dataclass(frozen=True)
class Sample:
    """One measurement of one operation of one server. Times in milliseconds a request.

    Attributes:
        place: which of the server's databases.
        rows: sessions, and memories, that this was loaded with.
        concurrency: requests under way at a time.
        p50_ms: what half of the requests waited at most.
        server_cpu_ms: of the server's processes; None where there is no ``/proc``.
        database_cpu_ms: of PostgreSQL's.
        answer_bytes: of an answer with its head.
        grown_mb: by which the server's memory grew meanwhile.
        load_busy: the share of one core that the load generator used.
    """

    operation: str
    subject: str
    place: str
    rows: int
    concurrency: int
    requests: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    answer_bytes: int
    grown_mb: float | None
    load_busy: float

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL."""
        if self.server_cpu_ms is None or self.database_cpu_ms is None:
            return None
        return self.server_cpu_ms + self.database_cpu_ms


@dataclass(frozen=True)
class Kept:
    """What is there of runs at the same time in one session, each with a key of its own for the state.

    Attributes:
        runs: that were asked for.
        keys: of the session's state.
        tokens: of the session.
        used_tokens: of the runs, as their answers say.
    """

    subject: str
    runs: int
    keys: int
    tokens: int
    used_tokens: int


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        rows, peer_rows: of the large database of each side.
        rounds: samples of each kind.
        seconds: of load in each sample.
        not_run: what could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    rows: int
    peer_rows: int
    medium_rows: int
    small_rows: int
    rounds: int
    seconds: float
    not_run: dict[str, str]
    kept: list[Kept]
    samples: list[Sample]

    def of(self, operation: str, subject: str, place: str, concurrency: int = 1) -> list[Sample]:
        """Return the samples of one kind."""
        wanted = (operation, subject, place, concurrency)
        return [one for one in self.samples if (one.operation, one.subject, one.place, one.concurrency) == wanted]


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result and return the file."""
    return write_stored(folder / _FILE, asdict(result), "kept", "samples")


def read_result(folder: Path = RESULTS) -> Result | None:
    """Return the stored result, if there is one."""
    file = folder / _FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    kept = [Kept(**one) for one in stored.pop("kept")]
    samples = [Sample(**one) for one in stored.pop("samples")]
    return Result(kept=kept, samples=samples, **stored)
