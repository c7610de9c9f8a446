"""The traces benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.traces.report`` writes the page's tables from the stored result.
"""

from __future__ import annotations

import sys
from itertools import product

from benchmarks.measures import cpu_ms, database_ms, p50_ms, server_ms
from benchmarks.pages import place_result, source_of
from benchmarks.ratios import middle
from benchmarks.report import update_page
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI
from benchmarks.tables import NOT_MEASURED, aims_table, figure, not_run_list, spread, table, times
from benchmarks.traces.aims import cost_of_tracing, ratios
from benchmarks.traces.bare import BARE
from benchmarks.traces.cases import tracing_name
from benchmarks.traces.operations import CONCURRENCIES, RUNS, SPANS, Operation
from benchmarks.traces.results import Result, Sample, read_result

_KINDS = (SERAI, PEER_ON_POSTGRES)
_PARTS = (cpu_ms, server_ms, database_ms)
_USED = ("CPU", "of which PostgreSQL's")


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [
        source_of(result, "python -m benchmarks.traces"),
        *not_run_list(result.not_run),
        _runs_table(result),
        _spans_table(result),
        _lists_table(result),
        aims_table(ratios(result)),
    ]
    return "\n".join(parts)


def render_page(page: str, result: Result | None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    return place_result(page, "traces", result, render)


def _runs_table(result: Result) -> str:
    lines = []
    for concurrency, kind, traced in product(CONCURRENCIES, _KINDS, (False, True)):
        name = tracing_name(kind, traced=traced)
        samples = result.of(RUNS, name, concurrency=concurrency)
        if not samples:
            continue
        more = cost_of_tracing(result, kind, concurrency) if traced else None
        cost = "" if more is None else f"{more:+.2f} ms"
        cells = [spread(map(cpu_ms, samples), "ms"), spread(map(database_ms, samples), "ms"), cost]
        lines.append([f"{concurrency} at a time: {name}", *cells, spread(map(p50_ms, samples), "ms")])
    return table([RUNS, *_USED, "of which the trace's", "waiting time (p50)"], lines)


def _spans_table(result: Result) -> str:
    lines = []
    for name in (SERAI, BARE):
        samples = result.of(SPANS, name)
        per_s = spread((1000 / one.wall_ms for one in samples), "")
        used = [[None if one is None else one * 1000 for one in map(measure, samples)] for measure in _PARTS]
        cells = [spread(some, "µs") for some in used]
        lines.append([name, per_s, *cells])
    head = [f"spans of other programs, {result.batch_spans} in a request", "a second", "CPU of a span"]
    return table([*head, "of which Python's", "of which PostgreSQL's"], lines)


def _lists_table(result: Result) -> str:
    lines = []
    for operation, traces in product(Operation, sorted({*result.traces, *result.peer_traces})):
        ours, bare, theirs = (result.of(operation, name, traces) for name in (SERAI, BARE, PEER_ON_POSTGRES))
        line = [f"{operation}, of {traces:,}", *_cells(ours), *_cells(bare)[-1:], *_cells(theirs)]
        lines.append([*line, times(middle(map(cpu_ms, ours)), middle(map(cpu_ms, theirs)))])
    wait = "waiting time (p50)"
    head = [*_USED, wait, f"{BARE}: {wait}", *(f"agno: {name}" for name in (*_USED, wait)), "Serai's CPU is"]
    return table(["one at a time", *head], lines)


def _cells(samples: list[Sample]) -> list[str]:
    if not samples:
        return ["–"] * 3
    database = middle(map(database_ms, samples))
    part = NOT_MEASURED if database is None else figure(database, "ms")
    return [spread(map(cpu_ms, samples), "ms"), part, spread(map(p50_ms, samples), "ms")]


def main() -> int:
    """Write the page's tables, or check them with ``--check``; returns the exit code."""
    return update_page(lambda page: render_page(page, read_result()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
