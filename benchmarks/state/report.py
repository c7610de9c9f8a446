"""The state benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.state.report`` writes the page's tables from the stored result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.measures import cpu_ms, database_ms, p50_ms, server_ms
from benchmarks.pages import place_result, source_of
from benchmarks.ratios import middle
from benchmarks.report import update_page
from benchmarks.state.aims import ratios
from benchmarks.state.operations import CONCURRENCIES, LISTS, ONE_BY_ONE, Operation, Place
from benchmarks.state.results import Result, Sample, read_result
from benchmarks.subjects import PEER_ON_POSTGRES, SERAI
from benchmarks.tables import (
    NOT_MEASURED,
    aims_table,
    figure,
    not_run_list,
    spread,
    table,
    times,
)

_NAMES = (SERAI, PEER_ON_POSTGRES)
_COLUMNS = ("CPU", "server + PostgreSQL", "waiting time (p50)")
_HEAD = [*_COLUMNS, *(f"agno: {name}" for name in _COLUMNS), "Serai's CPU is"]


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [
        _source(result),
        *not_run_list(result.not_run),
        _one_by_one_table(result),
        _lists_table(result),
        _sizes_table(result),
        _kept_table(result),
        aims_table(ratios(result)),
    ]
    return "\n".join(parts)


def render_page(page: str, result: Result | None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    return place_result(page, "state", result, render)


def _source(result: Result) -> str:
    fewer = ""
    if result.peer_rows < result.rows:
        fewer = f" agno has {result.peer_rows:,} rows where Serai has {result.rows:,}: ratios there are in its favour."
    return source_of(result, f"python -m benchmarks.state --rows {result.rows}") + fewer


def _one_by_one_table(result: Result) -> str:
    lines = []
    for operation in ONE_BY_ONE:
        for concurrency in CONCURRENCIES:
            samples = [result.of(operation, name, Place.MEDIUM, concurrency) for name in _NAMES]
            lines.append([f"{operation}, {concurrency} at a time", *_cells(samples)])
    return table([f"one thing, of {result.medium_rows:,} sessions and as many memories", *_HEAD], lines)


def _lists_table(result: Result) -> str:
    shown: dict[Operation, tuple[Place, ...]] = {**LISTS, Operation.REFRESH: (Place.LARGE,)}
    lines = []
    for operation, places in shown.items():
        for place in places:
            samples = [result.of(operation, name, place) for name in _NAMES]
            rows = [f"{own[0].rows:,}" for own in samples if own]
            of = " (agno: ".join(dict.fromkeys(rows)) + (")" if len(set(rows)) > 1 else "")
            lines.append([f"{operation}, of {of or '–'}", *_cells(samples)])
    return table(["lists of 20, one at a time", *_HEAD], lines)


def _sizes_table(result: Result) -> str:
    lines = []
    for operation in (Operation.LIGHT, Operation.HEAVY):
        for name in _NAMES:
            samples = result.of(operation, name, Place.MEDIUM)
            answer_kb = middle(one.answer_bytes / 1000 for one in samples)
            # From one round to the next it grows no more, so all rounds together tell by how much it grew.
            grown = [one.grown_mb for one in samples if one.grown_mb is not None]
            lines.append(
                [
                    f"{operation}: {name}",
                    spread(map(p50_ms, samples), "ms"),
                    NOT_MEASURED if answer_kb is None else figure(answer_kb, "kB"),
                    figure(max(0.0, sum(grown)), "MB") if grown else NOT_MEASURED,
                ]
            )
    return table(["20 sessions", "waiting time (p50)", "answer", "the server's memory grew by"], lines)


def _kept_table(result: Result) -> str:
    lines = [
        [
            f"{one.runs} runs at a time in one session: {one.subject}",
            f"{one.keys} of {one.runs}",
            f"{one.tokens:,} of {one.used_tokens:,}",
        ]
        for one in result.kept
    ]
    return table(["what is kept", "keys of the state", "tokens"], lines)


def _cells(samples: Sequence[Sequence[Sample]]) -> list[str]:
    """Return the figures of both servers, and how their CPU times compare."""
    cells = []
    for own in samples:
        server, database = middle(map(server_ms, own)), middle(map(database_ms, own))
        is_known = server is not None and database is not None
        parts = f"{figure(server or 0, '')} + {figure(database or 0, 'ms')}" if is_known else NOT_MEASURED
        cells += [spread(map(cpu_ms, own), "ms"), parts, spread(map(p50_ms, own), "ms")]
    ours, theirs = (middle(map(cpu_ms, own)) for own in samples)
    return [*cells, times(ours, theirs)]


def main() -> int:
    return update_page(lambda page: render_page(page, read_result()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
