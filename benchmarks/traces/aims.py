"""What the figures should be, and whether they are."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measures import cpu_ms, p50_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI
from benchmarks.traces.cases import tracing_name
from benchmarks.traces.operations import CONCURRENCIES, RUNS, SPANS, Operation
from benchmarks.traces.results import Result

RUN_AIM_MS, SPAN_AIM_US, FLAT_AIM, PEER_AIM = 0.3, 20.0, 1.5, 0.05
_FULL_AT_FEW = (Operation.NEWEST, Operation.MIDDLE, Operation.DETAIL)
"""Those that answer as much where there are but few traces; the others are compared from the second number on."""
_FIRST = {Operation.MIDDLE: Operation.NEWEST, Operation.SESSIONS_MIDDLE: Operation.SESSIONS}


def ratios(result: Result) -> list[Ratio]:
    """Return all figures that have an aim."""
    return [*_runs(result), _spans(result), *_flat(result), *_peers(result)]


def cost_of_tracing(result: Result, kind: str, concurrency: int) -> float | None:
    """Return by how many milliseconds of CPU a run costs more with its trace."""
    plain, traced = (
        middle(map(cpu_ms, result.of(RUNS, tracing_name(kind, traced=traced), concurrency=concurrency)))
        for traced in (False, True)
    )
    return None if plain is None or traced is None else traced - plain


def _runs(result: Result) -> Iterator[Ratio]:
    for concurrency in CONCURRENCIES:
        more = cost_of_tracing(result, SERAI, concurrency)
        what = f"{RUNS}, {concurrency} at a time: CPU of its trace over {RUN_AIM_MS:g} ms"
        yield Ratio(what, more, RUN_AIM_MS, "ms", 1)


def _spans(result: Result) -> Ratio:
    used_ms = middle(map(cpu_ms, result.of(SPANS, SERAI)))
    used_us = None if used_ms is None else used_ms * 1000
    return Ratio(f"{SPANS}: CPU over {SPAN_AIM_US:g} µs", used_us, SPAN_AIM_US, "µs", 1)


def _flat(result: Result) -> Iterator[Ratio]:
    for measure, name in ((p50_ms, "waiting time"), (cpu_ms, "CPU")):
        for operation in Operation:
            few, *more = result.traces if operation in _FULL_AT_FEW else result.traces[1:] or result.traces
            first = _FIRST.get(operation, operation)
            least = middle(map(measure, result.of(first, SERAI, few)))
            over = f"{few:,}" if first is operation else f"{first} of {few:,}"
            for traces in more:
                many = middle(map(measure, result.of(operation, SERAI, traces)))
                yield Ratio(f"{operation}: {name} at {traces:,} over {over}", many, least, "ms", FLAT_AIM)


def _peers(result: Result) -> Iterator[Ratio]:
    most = max(result.peer_traces)
    for operation in Operation:
        ours, theirs = (middle(map(cpu_ms, result.of(operation, name, most))) for name in (SERAI, PEER_ON_POSTGRES))
        what = f"{operation} of {most:,}: CPU over {PEER_ON_POSTGRES}"
        yield Ratio(what, ours, theirs, "ms", PEER_AIM)
