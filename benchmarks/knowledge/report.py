"""The knowledge benchmark as tables, on the terminal and in docs/explanation/performance.md.

``python -m benchmarks.knowledge.report`` writes the page's tables from the stored result.
"""

from __future__ import annotations

import sys
from itertools import product

from benchmarks.knowledge.aims import figure_of, ratios
from benchmarks.knowledge.kinds import FORMATS, LARGE, Kind
from benchmarks.knowledge.results import EMPTY, Result, Sample, Upload, read_result
from benchmarks.knowledge.stores import BARE, PEERS
from benchmarks.measures import cpu_ms, database_ms, p50_ms
from benchmarks.pages import place_result, source_of
from benchmarks.ratios import middle
from benchmarks.report import update_page
from benchmarks.subjects import SERAI
from benchmarks.tables import aims_table, figure, not_run_list, number, spread, table

_NAMES = (SERAI, BARE, *PEERS)
_USED = ("CPU", "of which PostgreSQL's")
_UPLOAD_COLUMNS = ("chunks", "time", *_USED, "time a chunk", "CPU a chunk", "event loop blocked")
_SEARCH_COLUMNS = ("waiting time (p50)", "over the statements", *_USED, "found", "found by Serai, too")


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [
        source_of(result, "python -m benchmarks.knowledge"),
        *not_run_list(result.not_run),
        _uploads_table(result),
        *(_searches_table(result, kind) for kind in Kind),
        _empty_table(result),
        _filled_table(result),
        aims_table(ratios(result)),
    ]
    return "\n".join(parts)


def render_page(page: str, result: Result | None) -> str:
    """Return the page's text with its tables replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    return place_result(page, "knowledge", result, render)


def _uploads_table(result: Result) -> str:
    lines = [
        [f"{kind}: {name}", *_upload_cells(samples)]
        for kind, name in product((*FORMATS, LARGE), (SERAI, *PEERS))
        if (samples := result.uploads_of(kind, name))
    ]
    return table([f"a document of about {result.document_chunks} chunks", *_UPLOAD_COLUMNS], lines)


def _upload_cells(samples: list[Upload]) -> list[str]:
    chunks = samples[0].chunks / samples[0].documents
    wall_ms, used_ms = middle(one.wall_ms for one in samples), middle(one.cpu_ms for one in samples)
    return [
        number(chunks),
        spread((one.wall_ms for one in samples), "ms"),
        spread((one.cpu_ms for one in samples), "ms"),
        _database_cell([one.database_cpu_ms for one in samples]),
        _over(wall_ms, chunks),
        _over(used_ms, chunks),
        spread((one.lag_ms for one in samples), "ms"),
    ]


def _searches_table(result: Result, kind: Kind) -> str:
    lines = [
        [f"{chunks:,} chunks: {name}", *_search_cells(result, samples)]
        for chunks, name in product(sorted({*result.chunks, *result.peer_chunks}), _NAMES)
        if (samples := result.of(kind, name, chunks))
    ]
    return table([f"{kind}; a search", *_SEARCH_COLUMNS], lines)


def _search_cells(result: Result, samples: list[Sample]) -> list[str]:
    kind, subject, chunks = samples[0].kind, samples[0].subject, samples[0].chunks
    ours, bare = middle(map(p50_ms, samples)), figure_of(result, kind, BARE, chunks, p50_ms)
    alike = middle(one.alike for one in samples)
    return [
        spread(map(p50_ms, samples), "ms"),
        "" if subject == BARE or ours is None or bare is None else f"{ours - bare:+.2f} ms",
        spread(map(cpu_ms, samples), "ms"),
        _database_cell([database_ms(one) for one in samples]),
        number(middle(one.found for one in samples) or 0),
        "" if alike is None else f"{alike:.0%}",
    ]


def _empty_table(result: Result) -> str:
    lines = [
        [f"{chunks:,} chunks", spread(map(p50_ms, samples), "ms"), spread(map(cpu_ms, samples), "ms")]
        for chunks in result.chunks
        if (samples := result.of(EMPTY, SERAI, chunks))
    ]
    return table([f"{EMPTY} (`GET /health`)", "waiting time (p50)", "CPU"], lines)


def _filled_table(result: Result) -> str:
    return table(["filled before", "time"], [[name, figure(took_s, "s")] for name, took_s in result.filled_s.items()])


def _database_cell(values: list[float | None]) -> str:
    return "–" if all(value is None for value in values) else spread(values, "ms")


def _over(value_ms: float | None, chunks: float) -> str:
    return "–" if value_ms is None or not chunks else figure(value_ms / chunks, "ms")


def main() -> int:
    """Write the page's tables, or check them with ``--check``; returns the exit code."""
    return update_page(lambda page: render_page(page, read_result()), __doc__)


if __name__ == "__main__":
    sys.exit(main())
