"""The knowledge benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.knowledge.report`` writes the page's tables from the stored result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.knowledge.kinds import Kind
from benchmarks.knowledge.results import Result, read_result
from benchmarks.knowledge.stores import BARE, PEERS
from benchmarks.measures import cpu_ms, database_ms, p50_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.report import update_page
from benchmarks.subjects import SERAI
from benchmarks.tables import aims_table, machine_text, not_run_list, replace_tables, spread, table

BEGIN = "<!-- knowledge: written by python -m benchmarks.knowledge.report -->"
END = "<!-- knowledge: end -->"
BARE_AIM, PEER_AIM = 1.3, 0.2


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    return "\n".join([_source(result), *not_run_list(result.not_run), _searches(result), aims_table(ratios(result))])


def render_page(page: str, result: Result | None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    tables = "NOT MEASURED yet." if result is None else render(result)
    return replace_tables(page, BEGIN, END, f"\n{tables}")


def ratios(result: Result) -> Iterator[Ratio]:
    """Yield all figures that have an aim."""
    for kind in Kind:
        for chunks in result.chunks:
            ours, bare = (result.of(kind, name, chunks) for name in (SERAI, BARE))
            for what, measure in (("waiting time", p50_ms), ("PostgreSQL's CPU", database_ms)):
                one, other = (middle(map(measure, samples)) for samples in (ours, bare))
                yield Ratio(f"{kind}, {chunks:,} chunks: {what} over {BARE}", one, other, "ms", BARE_AIM)
        for name in PEERS:
            for chunks in dict.fromkeys(min(count, result.peer_chunks) for count in result.chunks):
                one, other = (middle(map(cpu_ms, result.of(kind, subject, chunks))) for subject in (SERAI, name))
                yield Ratio(f"{kind}, {chunks:,} chunks: CPU over {name}", one, other, "ms", PEER_AIM)


def _source(result: Result) -> str:
    how = f"medians of {result.rounds} samples of {result.seconds:g} s, with the smallest and the largest"
    where = machine_text(result.machine)
    return f"`python -m benchmarks.knowledge` at {result.commit}, {result.taken_at[:10]}; {where}; {how}."


def _searches(result: Result) -> str:
    lines = []
    for kind in Kind:
        for chunks in result.chunks:
            for name in (SERAI, BARE, *PEERS):
                if samples := result.of(kind, name, chunks):
                    figures = [spread(map(measure, samples), "ms") for measure in (p50_ms, cpu_ms, database_ms)]
                    lines.append([f"{kind}, {chunks:,} chunks: {name}", *figures])
    return table(["search for ten chunks", "waiting time (p50)", "CPU", "of which PostgreSQL's"], lines)


def main() -> int:
    """Write the page's tables, or check them with ``--check``; returns the exit code."""
    return update_page(lambda page: render_page(page, read_result()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
