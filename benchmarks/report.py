"""Writes the tables of docs/explanation/performance.md from the results files; ``python -m benchmarks.report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.cases import Sample
from benchmarks.profile import Profile, read_profile
from benchmarks.ratios import middle
from benchmarks.results import Result, read_results
from benchmarks.subjects import SERAI
from benchmarks.tables import NOT_MEASURED, machine_text, replace_tables, table, times

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "performance.md"
BEGIN = "<!-- benchmarks: written by python -m benchmarks.report -->"
END = "<!-- benchmarks: end -->"
_TITLES = {
    "cold_start": "Cold start",
    "client_import": "Import of the clients",
    "agent_loop": "Runs, and their agent loop alone",
}

Measure = Callable[[Sample], float | None]


def render(results: Sequence[Result]) -> str:
    """Return the Markdown that belongs between the markers."""
    return "\n".join(_section(result) for result in results)


def render_profile(profile: Profile) -> str:
    """Return the Markdown that says where the time goes."""
    lines = [f"| {name} | {share:.1%} |" for name, share in profile.packages.items()]
    load = f"{profile.runs} runs, concurrency {profile.concurrency}"
    source = f"`python -m benchmarks.profile` at {profile.commit}; {load}."
    title = "\n### Where a plain run's CPU time goes, in the server process\n"
    return "\n".join([title, source, "", "| code of | share |", "|---|---|", *lines])


def render_page(page: str, results: Sequence[Result], profile: Profile | None = None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    tables = render(results) + (f"\n{render_profile(profile)}" if profile else "")
    return replace_tables(page, BEGIN, END, tables)


def _section(result: Result) -> str:
    sizes = f"{result.sizes.samples} samples, {result.sizes.rows} runs stored before"
    cases = list(dict.fromkeys(sample.case for sample in result.samples))
    tables = [_table([sample for sample in result.samples if sample.case == case]) for case in cases]
    title = _TITLES.get(result.name, result.name)
    command = f"`python -m benchmarks --only {result.name}`"
    source = f"{command} at {result.commit}, {result.taken_at[:10]}; {machine_text(result.machine)}; {sizes}."
    return "\n".join([f"\n### {title}\n", source, *tables])


def _table(samples: Sequence[Sample]) -> str:
    """Return the table of one case: a row a subject, medians with their range, and how Serai compares."""
    subjects = list(dict.fromkeys(sample.subject for sample in samples))
    own = [sample for sample in samples if sample.subject == SERAI]
    has_memory = any(sample.max_rss_mb is not None for sample in samples)
    columns: list[tuple[str, Measure]] = [("CPU", _total_ms), ("of it PostgreSQL", _database_ms), ("time", _wall_ms)]
    if has_memory:
        columns[1] = ("peak memory", _memory_mb)
    names = [f"{samples[0].case}, per {samples[0].unit}", *(name for name, _ in columns), "Serai's CPU is"]
    lines = []
    for subject in subjects:
        rows = [sample for sample in samples if sample.subject == subject]
        cells = [_cell(rows, measure, unit="MB" if measure is _memory_mb else "ms") for _, measure in columns]
        lines.append([subject, *cells, _ratio(own, rows) if subject != SERAI else ""])
    return table(names, lines)


def _cell(samples: Sequence[Sample], measure: Measure, *, unit: str) -> str:
    values = [value for value in map(measure, samples) if value is not None]
    if not values:
        return "–" if measure is _database_ms else NOT_MEASURED
    low, half, high = (_number(value) for value in (min(values), median(values), max(values)))
    return f"{half} {unit} ({low}–{high})" if len(values) > 1 else f"{half} {unit}"


def _ratio(own: Sequence[Sample], other: Sequence[Sample]) -> str:
    return times(middle(map(_total_ms, own)), middle(map(_total_ms, other)))


def _total_ms(sample: Sample) -> float | None:
    return None if sample.server_cpu_ms is None else sample.server_cpu_ms + (sample.database_cpu_ms or 0.0)


def _database_ms(sample: Sample) -> float | None:
    return sample.database_cpu_ms


def _wall_ms(sample: Sample) -> float | None:
    return sample.wall_ms


def _memory_mb(sample: Sample) -> float | None:
    return sample.max_rss_mb


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def update_page(render: Callable[[str], str], description: str | None) -> int:
    """Write the page anew, or with ``--check`` fail when that would change it; returns the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    options = parser.parse_args()
    page = PAGE.read_text()
    new = render(page)
    if options.check:
        return int(new != page)
    PAGE.write_text(new)
    return 0


def main() -> int:
    return update_page(lambda page: render_page(page, read_results(), read_profile()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
