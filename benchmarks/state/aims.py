"""What the figures should be, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.measures import cpu_ms, p50_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.state.operations import CONCURRENCIES, ONE_BY_ONE, Operation, Place
from benchmarks.state.results import Result, Sample
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI

Measure = Callable[[Sample], float | None]
ONE_BY_ONE_AIM, FLAT_AIM, AT_ONCE_MS = 0.15, 1.5, 5.0
_FAR = {
    Operation.MIDDLE: Operation.NEWEST,
    Operation.LAST: Operation.NEWEST,
    Operation.MEMORY_MIDDLE: Operation.MEMORY_NEWEST,
}
_AT_ONCE = (Operation.TOPICS, Operation.STATISTICS, Operation.STATISTICS_MIDDLE)


def ratios(result: Result) -> list[Ratio]:
    """Return all figures that have an aim."""
    return [*_one_by_one(result), *_flat(result), *_at_once(result), *_kept(result)]


def _one_by_one(result: Result) -> Iterator[Ratio]:
    for operation in ONE_BY_ONE:
        for concurrency in CONCURRENCIES:
            ours, theirs = (
                figure_of(result, operation, name, Place.MEDIUM, cpu_ms, concurrency)
                for name in (SERAI, PEER_ON_POSTGRES)
            )
            what = f"{operation}, {concurrency} at a time: CPU over {PEER_ON_POSTGRES}"
            yield Ratio(what, ours, theirs, "ms", ONE_BY_ONE_AIM)


def _flat(result: Result) -> Iterator[Ratio]:
    for measure, name in ((p50_ms, "waiting time"), (cpu_ms, "CPU")):
        for operation in (Operation.NEWEST, Operation.MEMORY_NEWEST):
            few = figure_of(result, operation, SERAI, Place.SMALL, measure)
            for place, rows in ((Place.MEDIUM, result.medium_rows), (Place.LARGE, result.rows)):
                many = figure_of(result, operation, SERAI, place, measure)
                yield Ratio(f"{operation}: {name} at {rows:,} over {result.small_rows}", many, few, "ms", FLAT_AIM)
        for operation, first in _FAR.items():
            far = figure_of(result, operation, SERAI, Place.LARGE, measure)
            few = figure_of(result, first, SERAI, Place.SMALL, measure)
            yield Ratio(
                f"{operation}: {name} at {result.rows:,} over {first} of {result.small_rows}", far, few, "ms", FLAT_AIM
            )
        heavy, light = (
            figure_of(result, operation, SERAI, Place.MEDIUM, measure)
            for operation in (Operation.HEAVY, Operation.LIGHT)
        )
        yield Ratio(f"{Operation.HEAVY}: {name} over that without runs", heavy, light, "ms", FLAT_AIM)


def _at_once(result: Result) -> Iterator[Ratio]:
    for operation in _AT_ONCE:
        ours = figure_of(result, operation, SERAI, Place.LARGE, p50_ms)
        what = f"{operation}: waiting time at {result.rows:,} memories over {AT_ONCE_MS:g} ms"
        yield Ratio(what, ours, AT_ONCE_MS, "ms", 1)


def _kept(result: Result) -> Iterator[Ratio]:
    for one in result.kept:
        if one.subject == SERAI:
            what = f"{one.runs} runs at a time in one session"
            yield Ratio(f"{what}: keys lost", one.runs - one.keys, one.runs, "", 0)
            yield Ratio(f"{what}: tokens lost", one.used_tokens - one.tokens, one.used_tokens, "", 0)


def figure_of(
    result: Result, operation: Operation, subject: str, place: Place, measure: Measure, concurrency: int = 1
) -> float | None:
    """Return the median of a figure."""
    return middle(map(measure, result.of(operation, subject, place, concurrency)))
