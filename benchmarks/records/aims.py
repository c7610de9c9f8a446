"""What the figures should be, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.measures import cpu_ms, p50_ms, server_ms, wall_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.records.operations import Operation
from benchmarks.records.results import Result, Sample
from benchmarks.records.stores import SERAI
from benchmarks.records.subjects import BARE, BARE_BATCHED, BOUND, SMALL

Measure = Callable[[Sample], float | None]


def ratios(result: Result) -> list[Ratio]:
    """Return all figures that have an aim, and those that explain them."""
    return [*_cpu(result), *_wall(result), *_growth(result), *_peers(result)]


def _cpu(result: Result) -> Iterator[Ratio]:
    for bare, aim in ((BARE, 1.5), (BARE_BATCHED, None)):
        for operation in (Operation.GET, Operation.CREATE, Operation.NEWEST):
            if bare == BARE_BATCHED and operation is Operation.NEWEST:
                continue
            what = f"{operation}: server's CPU, 64 at a time, over {bare}"
            yield _ratio(result, what, server_ms, (operation, SERAI, 64), (operation, bare, 64), aim=aim)


def _wall(result: Result) -> Iterator[Ratio]:
    for operation in (Operation.PAGE, Operation.TOTAL, Operation.AGGREGATE):
        what = f"{operation}: waiting time over {BOUND}"
        yield _ratio(result, what, p50_ms, (operation, SERAI, 1), (operation, BOUND, 1), aim=1.3)


def _growth(result: Result) -> Iterator[Ratio]:
    operation = Operation.PAGE
    what = f"{operation}: waiting time at {result.rows:,} records over {result.small_rows:,}"
    yield _ratio(result, what, p50_ms, (operation, SERAI, 1), (operation, SMALL, 1), aim=1.5)


def _peers(result: Result) -> Iterator[Ratio]:
    known = (SERAI, BOUND, BARE, BARE_BATCHED, SMALL)
    for peer in (name for name in result.subjects() if name not in known):
        for what, measure, concurrency in (
            ("waiting time, 1 at a time", p50_ms, 1),
            ("time per request, 64 at a time", wall_ms, 64),
            ("CPU with PostgreSQL's, 64 at a time", cpu_ms, 64),
        ):
            pairs = [
                _ratio(
                    result,
                    f"{operation}",
                    measure,
                    (operation, SERAI, concurrency),
                    (operation, peer, concurrency),
                    aim=1,
                )
                for operation in Operation
                if result.of(operation, peer, concurrency)
            ]
            known_pairs = [pair for pair in pairs if pair.value is not None]
            if known_pairs:
                worst = max(known_pairs, key=lambda pair: pair.value or 0)
                ahead = sum(pair.verdict == "met" for pair in known_pairs)
                name = f"{what}, over {peer}: ahead in {ahead} of {len(known_pairs)} rows, the worst is {worst.what}"
                yield Ratio(name, worst.ours, worst.theirs, "ms", worst.aim)


def _ratio(
    result: Result,
    what: str,
    measure: Measure,
    ours: tuple[str, str, int],
    theirs: tuple[str, str, int],
    *,
    aim: float | None,
) -> Ratio:
    figures = [middle(map(measure, result.of(*wanted))) for wanted in (ours, theirs)]
    return Ratio(what, figures[0], figures[1], "ms", aim)
