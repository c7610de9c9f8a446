"""The knowledge benchmark as tables, and what its figures should be."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.knowledge.operations import BARE_SEARCH, SERAI_SEARCH
from benchmarks.knowledge.results import Result, Search
from benchmarks.ratios import Ratio
from benchmarks.tables import aims_table, figure, machine_text, not_run_list, table

STATEMENT_AIM, LAG_AIM_MS = 1.3, 20.0


def render(result: Result) -> str:
    """Return the Markdown of one run."""
    searches = (
        [one.name, f"{one.chunks:,}", one.subject, figure(one.p50_ms, "ms"), figure(one.p95_ms, "ms"), f"{one.found}"]
        for one in result.searches
    )
    ingestions = (
        [
            one.format,
            f"{one.chunks}",
            figure(one.document_ms, "ms"),
            figure(one.document_ms * one.documents / max(1, one.chunks), "ms"),
            figure(one.cpu_ms, "ms"),
            figure(one.lag_ms, "ms"),
        ]
        for one in result.ingestions
    )
    return "\n".join(
        [
            f"Taken {result.taken_at} at {result.commit} on {machine_text(result.machine)}.",
            *not_run_list(result.not_run),
            table(["search", "chunks", "by", "p50", "p95", "found"], searches),
            table(["format", "chunks", "a document", "a chunk", "CPU a document", "longest lag"], ingestions),
            aims_table(ratios(result)),
        ]
    )


def ratios(result: Result) -> Iterator[Ratio]:
    """Yield all figures that have an aim."""
    bare = {(one.name, one.chunks): one for one in result.searches if one.subject == BARE_SEARCH}
    for one in result.searches:
        if one.subject == SERAI_SEARCH:
            yield _over(one, bare.get((one.name, one.chunks)))
    for ingestion in result.ingestions:
        what = f"{ingestion.format}: longest lag of the event loop over {LAG_AIM_MS:g} ms"
        yield Ratio(what, ingestion.lag_ms, LAG_AIM_MS, "ms", 1)


def _over(ours: Search, bare: Search | None) -> Ratio:
    what = f"{ours.name}, {ours.chunks:,} chunks: over the bare statement"
    return Ratio(what, ours.p50_ms, None if bare is None else bare.p50_ms, "ms", STATEMENT_AIM)
