"""What the figures should be, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from benchmarks.measures import cpu_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.runs.operations import CONCURRENCIES, LATE_MS, Operation, Step, position_name
from benchmarks.runs.results import Result, Sample
from benchmarks.subjects import PEER_ON_POSTGRES, PEER_ON_QUEUE, PEER_ON_SQLITE, SERAI

PEERS = (PEER_ON_SQLITE, PEER_ON_POSTGRES)
FIRST, THOUSANDTH = position_name(1), position_name(1000)
_LIMITS = {
    Operation.PLAIN: 0.6,
    Operation.TOOL: 0.6,
    Operation.STREAM: 0.35,
    Operation.TEAM: 0.6,
    Operation.WORKFLOW: 0.6,
    Operation.PARALLEL: 0.6,
}
_SUBMITTED_AT_ONCE = 16
_NOISE = 1.05

Measure = Callable[[Sample], float | None]


def ratios(result: Result) -> list[Ratio]:
    """Return all figures that have an aim, and those that explain them."""
    return [*_cpu(result), *_background(result), *_sessions(result), *_streams(result), *_engine(result)]


def _cpu(result: Result) -> Iterator[Ratio]:
    for operation, aim in _LIMITS.items():
        measure = event_cpu_us if operation is Operation.STREAM else cpu_ms
        unit, of = ("µs", "CPU per event") if operation is Operation.STREAM else ("ms", "CPU")
        for concurrency in CONCURRENCIES:
            ours = _middle(result, operation, SERAI, concurrency, measure)
            for peer in PEERS:
                theirs = _middle(result, operation, peer, concurrency, measure)
                yield Ratio(f"{operation}, {concurrency} at a time: {of} over {peer}", ours, theirs, unit, aim)


def _background(result: Result) -> Iterator[Ratio]:
    ours, theirs = (
        _middle(result, Operation.BACKGROUND, name, _SUBMITTED_AT_ONCE, cpu_ms) for name in (SERAI, PEER_ON_QUEUE)
    )
    yield Ratio(f"{Operation.BACKGROUND}: CPU over {PEER_ON_QUEUE}", ours, theirs, "ms", 0.1)


def _sessions(result: Result) -> Iterator[Ratio]:
    for name, aim in ((SERAI, 1.1), *((peer, None) for peer in PEERS)):
        last, first = (_middle(result, place, name, 1, cpu_ms) for place in (THOUSANDTH, FIRST))
        yield Ratio(f"{name}: CPU of the {THOUSANDTH} over the 1st", last, first, "ms", aim)


def _streams(result: Result) -> Iterator[Ratio]:
    ours = result.most_streams(SERAI, late_ms=LATE_MS)
    for peer in PEERS:
        theirs = result.most_streams(peer, late_ms=LATE_MS)
        yield Ratio(f"slow streams at a time, over {peer} (more is better)", ours, theirs, "", None)


def _engine(result: Result) -> Iterator[Ratio]:
    counts = sorted({one.nodes for one in result.engine})
    for step in Step:
        for fewer, more in pairwise(counts):
            rates = result.rate(step, fewer), result.rate(step, more)
            what = f"{step}: per second with {fewer} node{'s' if fewer > 1 else ''}, over {more}"
            yield Ratio(what, rates[0], rates[1], "/s", _NOISE)


def _middle(result: Result, operation: str, subject: str, concurrency: int, measure: Measure) -> float | None:
    return middle(map(measure, result.of(operation, subject, concurrency)))


def event_cpu_us(sample: Sample) -> float | None:
    """Return the CPU time of server and PostgreSQL for each chunk, in microseconds."""
    return sample.cpu_ms * 1000 * sample.runs / sample.events if sample.cpu_ms is not None and sample.events else None
