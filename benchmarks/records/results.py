"""What one run of the records benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "records"


@dataclass(frozen=True)
class Sample:
    """One measurement: one subject, one operation, for some seconds. Times in milliseconds a request.

    Attributes:
        concurrency: requests under way at a time.
        failures: requests that were refused or lost.
        wall_ms: seconds in all over requests.
        p50_ms: what half of the requests waited at most.
        server_cpu_ms: of the server's processes; None where there is no server, or no ``/proc``.
        database_cpu_ms: of PostgreSQL's processes.
        load_busy: the share of one core that the load generator used.
        failure: an example of a failure; empty when there is none.
    """

    operation: str
    subject: str
    concurrency: int
    requests: int
    failures: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    load_busy: float
    failure: str = ""

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
        rows: records in all; half of them in the collection that is asked.
        small_rows: records of the small store, for comparison.
        seconds: of load in each sample.
        rounds: samples of each kind.
        built_s: what Serai needed to build its indexes after the first queries.
        indexes: those that it has built by itself.
        not_run: peers that could not be measured, with the reason.
        notes: operations that a peer does not have or not whole: peer, operation, reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    rows: int
    small_rows: int
    seconds: float
    rounds: int
    built_s: float
    indexes: list[str]
    not_run: dict[str, str]
    notes: list[tuple[str, str, str]]
    samples: list[Sample]

    def of(self, operation: str, subject: str, concurrency: int) -> list[Sample]:
        """Return the samples of one kind."""
        wanted = (operation, subject, concurrency)
        return [one for one in self.samples if (one.operation, one.subject, one.concurrency) == wanted]

    def subjects(self) -> list[str]:
        """Return who was measured."""
        return list(dict.fromkeys(one.subject for one in self.samples))


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result as ``<rows>.json`` and return the file."""
    return write_stored(folder / f"{result.rows}.json", asdict(result), "samples")


def read_results(folder: Path = RESULTS) -> list[Result]:
    """Return all stored results, the smallest first."""
    return sorted((_parse(json.loads(file.read_text())) for file in folder.glob("*.json")), key=lambda one: one.rows)


def _parse(stored: dict[str, Any]) -> Result:
    samples = [Sample(**sample) for sample in stored.pop("samples")]
    notes = [(peer, operation, reason) for peer, operation, reason in stored.pop("notes")]
    return Result(samples=samples, notes=notes, **stored)
