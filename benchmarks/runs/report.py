"""The runs benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.runs.report`` writes the page's tables from the stored result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.measures import cpu_ms, database_ms, p50_ms, server_ms
from benchmarks.pages import markers, place_result, source_of
from benchmarks.ratios import middle
from benchmarks.report import update_page
from benchmarks.runs.aims import PEERS, Measure, event_cpu_us, ratios
from benchmarks.runs.operations import CONCURRENCIES, LATE_MS, Operation, Step
from benchmarks.runs.results import Result, Sample, read_result
from benchmarks.subjects import PEER_ON_QUEUE, SERAI
from benchmarks.tables import (
    NOT_MEASURED,
    aims_table,
    not_run_list,
    number,
    spread,
    table,
    times,
)

BEGIN, END = markers("runs")
_NAMES = (SERAI, *PEERS)


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [
        source_of(result, "python -m benchmarks.runs"),
        *not_run_list(result.not_run),
        *(_operation_table(result, operation) for operation in Operation),
        _session_table(result),
        _follow_table(result),
        _stream_table(result),
        _engine_table(result),
        aims_table(ratios(result)),
    ]
    return "\n".join(parts)


def render_page(page: str, result: Result | None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    return place_result(page, "runs", result, render)


def _operation_table(result: Result, operation: Operation) -> str:
    """Return the table of one operation: a row for each load and server."""
    columns: list[tuple[str, Measure, str]] = [("CPU", cpu_ms, "ms")]
    if operation is Operation.STREAM:
        columns.append(("CPU per event", event_cpu_us, "µs"))
    columns += [("of the CPU: server", server_ms, "ms"), ("PostgreSQL", database_ms, "ms")]
    if operation is not Operation.BACKGROUND:
        columns.append(("waiting time (p50)", p50_ms, "ms"))
    head = [f"{operation}, per run", *(name for name, _, _ in columns), "runs per second", "Serai's CPU is"]
    lines = []
    for concurrency in (16,) if operation is Operation.BACKGROUND else CONCURRENCIES:
        own = result.of(operation, SERAI, concurrency)
        for name in (SERAI, PEER_ON_QUEUE) if operation is Operation.BACKGROUND else _NAMES:
            samples = result.of(operation, name, concurrency)
            cells = [_cell(samples, measure, unit) for _, measure, unit in columns]
            per_s = _cell(samples, _per_s, "")
            ratio = "" if name == SERAI else _ratio(own, samples)
            lines.append([f"{concurrency} at a time: {name}", *cells, per_s, ratio])
    return table(head, lines)


def _session_table(result: Result) -> str:
    places = list(dict.fromkeys(one.operation for one in result.samples if one.operation.endswith("of one session")))
    lines = [[place, *(_cell(result.of(place, name, 1), cpu_ms, "ms") for name in _NAMES)] for place in places]
    return table(["CPU, one run at a time", *_NAMES], lines)


def _follow_table(result: Result) -> str:
    lines = []
    for where in dict.fromkeys(one.where for one in result.follows):
        samples = [one for one in result.follows if one.where == where]
        cells = [spread([one.p50_ms for one in samples], "ms"), spread([one.p95_ms for one in samples], "ms")]
        lines.append([where, *cells])
    return table(["from the commit to a follower on", "median", "95 of 100 within"], lines)


def _stream_table(result: Result) -> str:
    head = [
        "streams of 50 chunks per second",
        f"most with a median lateness of at most {LATE_MS:g} ms",
        "tried",
        "median lateness there",
        "95 of 100 within",
        "cores busy",
        "memory per stream",
    ]
    lines = []
    for name in _NAMES:
        fixed = next((one for one in result.streams if one.subject == name), None)
        most = result.most_streams(name, late_ms=LATE_MS)
        if fixed is None:
            lines.append([name, *[NOT_MEASURED] * 6])
            continue
        busy = NOT_MEASURED if fixed.busy_cores is None else f"{fixed.busy_cores:.2f}"
        memory = NOT_MEASURED if fixed.memory_kb is None else f"{fixed.memory_kb:.0f} kB"
        late = [f"{number(fixed.p50_ms)} ms", f"{number(fixed.p95_ms)} ms"]
        lines.append([name, "none" if most is None else f"{most:,}", f"{fixed.streams:,}", *late, busy, memory])
    return table(head, lines)


def _engine_table(result: Result) -> str:
    counts = sorted({one.nodes for one in result.engine})
    took = result.commit_ms
    head = [f"per second, at commits of {took['delayed']:.1f} ms ({took['plain']:.1f} ms without the delay)"]
    head += [f"{count} node{'s' if count > 1 else ''}" for count in counts]
    lines = []
    for step in Step:
        cells = []
        for count in counts:
            samples = [one for one in result.engine if (one.step, one.nodes) == (step.value, count)]
            busy = middle(one.busy_cores for one in samples)
            cells.append(spread([one.per_s for one in samples], "") + (f", {busy:.1f} cores" if busy else ""))
        lines.append([step.value, *cells])
    return table(head, lines)


def _cell(samples: Sequence[Sample], measure: Measure, unit: str) -> str:
    values = [value for value in map(measure, samples) if value is not None]
    return "–" if samples and not values and measure is database_ms else spread(values, unit)


def _ratio(own: Sequence[Sample], other: Sequence[Sample]) -> str:
    return times(middle(map(cpu_ms, own)), middle(map(cpu_ms, other)))


def _per_s(sample: Sample) -> float | None:
    return 1000 / sample.wall_ms


def main() -> int:
    return update_page(lambda page: render_page(page, read_result()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
