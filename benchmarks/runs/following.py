"""How long committed events take to reach followers, on the node that runs and on another one.

The time of a commit is PostgreSQL's own (``track_commit_timestamp``), which it takes before it writes the commit out:
what it waits for the disk counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.database import Server, run
from benchmarks.processes import run_apart
from benchmarks.runs.followers import Followed, Job
from benchmarks.runs.operations import CHUNKS_PER_S, Sizes
from benchmarks.runs.results import FollowSample
from benchmarks.subjects import SubjectError, serai_server

SAME_NODE = "the node that runs"
OTHER_NODE = "another node"

_COMMITS = """
select runs.id, seq, extract(epoch from pg_xact_commit_timestamp(run_events.xmin))::float8 as committed_at
from run_events join runs on runs.key = run_events.run_key
where runs.id = any($1::text[])"""


def measure_following(server: Server, sizes: Sizes, folder: Path, report: Callable[[str], None]) -> list[FollowSample]:
    """Return samples of both kinds of followers. The server must note when transactions commit."""
    dsn = server.create("followed")
    nodes = [serai_server(folder, [], {"database_url": dsn}, name=f"node-{number}") for number in range(2)]
    try:
        for node in nodes:
            node.start()
        samples = []
        for _ in range(sizes.rounds):
            chunks = max(5, round(sizes.stream_s * CHUNKS_PER_S / 2))
            job = Job(nodes[0].port, nodes[1].port, sizes.followed, chunks)
            seen = [Followed(*one) for one in run_apart("benchmarks.runs.followers", job)["runs"]]
            samples += _compare(dsn, seen)
        for sample in samples[-2:]:
            report(f"follow on {sample.where}: median {sample.p50_ms:.1f} ms after the commit")
        return samples
    finally:
        for node in nodes:
            node.stop()


def _compare(dsn: str, seen: list[Followed]) -> list[FollowSample]:
    rows = run(dsn, lambda connection: connection.fetch(_COMMITS, [one.run_id for one in seen]))
    commits = {(row["id"], row["seq"]): row["committed_at"] for row in rows}
    late_ms: dict[str, list[float]] = {SAME_NODE: [], OTHER_NODE: []}
    for one in seen:
        # JSON has made texts of the numbers.
        opened_at = float(one.other["-1"])  # type: ignore[index]
        for where, arrivals in ((SAME_NODE, one.same), (OTHER_NODE, one.other)):
            for seq, seen_at in _numbered(arrivals):
                committed_at = commits[one.run_id, seq]
                if committed_at > opened_at:
                    late_ms[where].append((seen_at - committed_at) * 1000)
    if not all(late_ms.values()):
        raise SubjectError("no event was committed while both nodes followed")
    return [_sample(where, values) for where, values in late_ms.items()]


def _numbered(arrivals: dict[Any, float]) -> list[tuple[int, float]]:
    return [(int(seq), seen_at) for seq, seen_at in arrivals.items() if int(seq) >= 0]


def _sample(where: str, late_ms: list[float]) -> FollowSample:
    p95_ms = quantiles(late_ms, n=20)[-1] if len(late_ms) > 1 else late_ms[0]
    return FollowSample(where, len(late_ms), median(late_ms), p95_ms)
