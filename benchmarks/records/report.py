"""The records benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.records.report`` writes the page's tables from the stored results.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.measures import database_ms, p50_ms, server_ms, wall_ms
from benchmarks.ratios import middle
from benchmarks.records.aims import Measure, ratios
from benchmarks.records.operations import MEANINGS, Operation
from benchmarks.records.results import Result, read_results
from benchmarks.records.stores import NONE, SERAI
from benchmarks.records.subjects import BARE, BARE_BATCHED, BOUND, SMALL
from benchmarks.report import update_page
from benchmarks.tables import NOT_MEASURED, machine_text, replace_tables, table

BEGIN = "<!-- records: written by python -m benchmarks.records.report -->"
END = "<!-- records: end -->"
_OWN = (SERAI, BOUND)
_ASIDE = (BARE, BARE_BATCHED, SMALL)


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    peers = [name for name in result.subjects() if name not in (*_OWN, *_ASIDE)] + list(result.not_run)
    subjects = [*_OWN, *peers]
    parts = [
        f"\n### Records, {result.rows:,} of them\n",
        _source(result),
        "",
        *_built(result),
        _table(result, "waiting time, one request at a time (p50)", subjects, 1, (p50_ms,)),
        _table(result, "time per request, 64 at a time", subjects, 64, (wall_ms,)),
        _table(result, "CPU per request, 64 at a time: server + PostgreSQL", subjects, 64, (server_ms, database_ms)),
        _table(
            result,
            "CPU per request, 64 at a time: server + PostgreSQL",
            [SERAI, BARE, BARE_BATCHED],
            64,
            (server_ms, database_ms),
        ),
        *_notes(result),
        _aims(result),
    ]
    return "\n".join(parts)


def render_page(page: str, results: Sequence[Result]) -> str:
    """Return the page's text with its tables replaced by those of the largest run.

    Raises:
        ValueError: the page lacks the markers.
    """
    return replace_tables(page, BEGIN, END, "\n".join(render(result) for result in results[-1:]))


def _source(result: Result) -> str:
    how = f"medians of {result.rounds} samples of {result.seconds:g} s"
    command = f"`python -m benchmarks.records --rows {result.rows}`"
    return f"{command} at {result.commit}, {result.taken_at[:10]}; {machine_text(result.machine)}; {how}."


def _built(result: Result) -> list[str]:
    names = ", ".join(f"`{name}`" for name in result.indexes) or "none"
    return [f"Indexes that Serai built by itself, {result.built_s:.0f} s after the first queries: {names}."]


def _table(result: Result, title: str, subjects: Sequence[str], concurrency: int, measures: Sequence[Measure]) -> str:
    shown = [one for one in Operation if len(subjects) > 3 or result.of(one.value, subjects[1], concurrency)]
    lines = [
        [one.value, *(_cell(result, one, subject, concurrency, measures) for subject in subjects)] for one in shown
    ]
    return table([title, *subjects], lines)


def _cell(result: Result, operation: Operation, subject: str, concurrency: int, measures: Sequence[Measure]) -> str:
    if subject in result.not_run:
        return "NOT RUN"
    samples = result.of(operation.value, subject, concurrency)
    if not samples:
        return NONE
    figures = [middle(map(measure, samples)) for measure in measures]
    known = [_time(figure) for figure in figures if figure is not None]
    text = " + ".join(known) if known else NOT_MEASURED
    failed = sum(one.failures for one in samples) / sum(one.requests for one in samples)
    mark = "*" if (subject, operation.value) in {(peer, name) for peer, name, _ in result.notes} else ""
    example = next((one.failure for one in samples if one.failure), "")
    return text + mark + (f" ({failed:.0%} failed: {example})" if failed else "")


def _notes(result: Result) -> list[str]:
    lines = [f"- {peer}, {operation}: {reason}." for peer, operation, reason in result.notes]
    lines += [f"- {peer} was NOT RUN: {reason}." for peer, reason in result.not_run.items()]
    return ["", *lines] if lines else []


def _aims(result: Result) -> str:
    lines = ["", "| ratio | Serai | other | ratio | aim | |", "|---|---|---|---|---|---|"]
    for ratio in ratios(result):
        figures = [NOT_MEASURED if one is None else _time(one) for one in (ratio.ours, ratio.theirs)]
        value = f"{ratio.value:.2f}×" if ratio.value is not None else "–"
        aim = f"≤ {ratio.aim:g}×" if ratio.aim is not None else "–"
        lines.append(f"| {' | '.join([ratio.what, *figures, value, aim, ratio.verdict])} |")
    return "\n".join(lines)


def _time(milliseconds: float) -> str:
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} µs"
    return f"{milliseconds:.2f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def meanings() -> str:
    """Return what each operation does, as a list in Markdown."""
    return "\n".join(f"- **{one.value}**: {meaning}" for one, meaning in MEANINGS.items())


def main() -> int:
    return update_page(lambda page: render_page(page, read_results()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
