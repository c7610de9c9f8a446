"""What one run of the runs benchmark found: every sample, and what is needed to judge it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ratios import middle
from benchmarks.stored import write_stored

RESULTS = Path(__file__).parent.parent / "results" / "runs"
_FILE = "runs.json"


@dataclass(frozen=True)
class Sample:
    """One measurement of one server under one operation. Times in milliseconds a run.

    Attributes:
        concurrency: runs under way at a time.
        runs: that came to an end.
        events: chunks that the streams delivered, in all.
        wall_ms: seconds in all over runs.
        p50_ms: what half of the runs took at most, as their caller sees it.
        server_cpu_ms: of the server's processes; None where there is no ``/proc``.
        database_cpu_ms: of PostgreSQL's processes; None where there are none.
        load_busy: the share of one core that the load generator used.
    """

    operation: str
    subject: str
    concurrency: int
    runs: int
    events: int
    wall_ms: float
    p50_ms: float
    server_cpu_ms: float | None
    database_cpu_ms: float | None
    load_busy: float

    @property
    def cpu_ms(self) -> float | None:
        """CPU time of server and PostgreSQL."""
        return None if self.server_cpu_ms is None else self.server_cpu_ms + (self.database_cpu_ms or 0.0)


@dataclass(frozen=True)
class FollowSample:
    """How long committed events take to reach a follower.

    Attributes:
        where: on which node the follower is.
        events: that were looked at.
    """

    where: str
    events: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class StreamSample:
    """One trial of slow streams.

    Attributes:
        streams: at a time.
        seen: chunks whose lateness was taken, from some of the streams.
        p50_ms: how late half of them were at most.
        busy_cores: CPU time of server and PostgreSQL over the time it took.
        memory_kb: by which the server grew, for each stream; None but in the first trial of a fresh server.
    """

    subject: str
    streams: int
    seen: int
    p50_ms: float
    p95_ms: float
    busy_cores: float | None
    memory_kb: float | None


@dataclass(frozen=True)
class EngineSample:
    """What some nodes together got done of one step.

    Attributes:
        done: runs, or events.
        busy_cores: of the whole machine meanwhile.
    """

    step: str
    nodes: int
    done: int
    per_s: float
    busy_cores: float | None


@dataclass(frozen=True)
class Result:
    """One run and its circumstances, as stored.

    Attributes:
        rounds: samples of each kind.
        seconds: of load in each sample.
        commit_ms: what a commit took while the engine was under load, and without the delay.
        not_run: subjects that could not be measured, with the reason.
    """

    taken_at: str
    commit: str
    machine: dict[str, str]
    rounds: int
    seconds: float
    commit_ms: dict[str, float]
    not_run: dict[str, str]
    follows: list[FollowSample]
    streams: list[StreamSample]
    engine: list[EngineSample]
    samples: list[Sample]

    def of(self, operation: str, subject: str, concurrency: int) -> list[Sample]:
        """Return the samples of one kind."""
        wanted = (operation, subject, concurrency)
        return [one for one in self.samples if (one.operation, one.subject, one.concurrency) == wanted]

    def rate(self, step: str, nodes: int) -> float | None:
        """Return how much of an engine's step some nodes did in a second."""
        return middle(one.per_s for one in self.engine if (one.step, one.nodes) == (step, nodes))

    def most_streams(self, subject: str, *, late_ms: float) -> int | None:
        """Return the most slow streams that were on time."""
        return max(
            (one.streams for one in self.streams if one.subject == subject and one.p50_ms <= late_ms), default=None
        )


_LISTS: dict[str, Any] = {"follows": FollowSample, "streams": StreamSample, "engine": EngineSample, "samples": Sample}


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Store a result and return the file."""
    return write_stored(folder / _FILE, asdict(result), *_LISTS)


def read_result(folder: Path = RESULTS) -> Result | None:
    """Return the stored result, if there is one."""
    file = folder / _FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    for name, kind in _LISTS.items():
        stored[name] = [kind(**sample) for sample in stored[name]]
    return Result(**stored)
