"""What one run of the traces benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "traces"
_FILE = "traces.json"


@dataclass(frozen=True)
class Sample:
    """One measurement of one operation of one server. Times in milliseconds for each request, run or span.

    Attributes:
        operation: a question about traces, or what else is done.
        subject: who did it.
        traces: that its database holds; 0 where that does not matter.
        concurrency: requests under way at a time.
        count: of requests, runs or spans.
        p50_ms: what half of the requests waited at most.
        server_cpu_ms: of the server's processes; None where there is no ``/proc``.
        database_cpu_ms: of PostgreSQL's.
        load_busy: the share of one core that the load generator used.
    """

    operation: str
    subject: str
    traces: int
    concurrency: int
    count: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    load_busy: float

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL."""
        if self.server_cpu_ms is None or self.database_cpu_ms is None:
            return None
        return self.server_cpu_ms + self.database_cpu_ms


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        traces, peer_traces: of the databases of each side.
        rounds: samples of each kind.
        seconds: of load in each sample.
        batch_spans: that another program sends at a time.
        not_run: what could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    traces: tuple[int, ...]
    peer_traces: tuple[int, ...]
    rounds: int
    seconds: float
    batch_spans: int
    not_run: dict[str, str]
    samples: list[Sample]

    def of(self, operation: str, subject: str, traces: int = 0, concurrency: int = 1) -> list[Sample]:
        """Return the samples of one kind."""
        wanted = (operation, subject, traces, concurrency)
        return [one for one in self.samples if (one.operation, one.subject, one.traces, one.concurrency) == wanted]


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
    traces, peer_traces = (tuple(stored.pop(name)) for name in ("traces", "peer_traces"))
    return Result(samples=samples, traces=traces, peer_traces=peer_traces, **stored)
