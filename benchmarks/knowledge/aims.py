"""What the figures should be, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.knowledge.kinds import FORMATS, LARGE, Kind
from benchmarks.knowledge.results import EMPTY, Result, Sample, Upload
from benchmarks.knowledge.stores import BARE, PEERS
from benchmarks.measures import cpu_ms, database_ms, p50_ms
from benchmarks.ratios import Ratio, middle
from benchmarks.subjects import SERAI

BARE_AIM, PEER_AIM, LAG_MS = 1.3, 0.2, 20.0


def ratios(result: Result) -> list[Ratio]:
    """Return all figures that have an aim, and those that explain them."""
    return [*_lags(result), *_uploads_over_peers(result), *_over_statements(result), *_searches_over_peers(result)]


def _lags(result: Result) -> Iterator[Ratio]:
    for kind in (*FORMATS, LARGE):
        lag = upload_figure(result, kind, SERAI, lambda upload: upload.lag_ms)
        yield Ratio(f"{kind}: event loop blocked, over {LAG_MS:g} ms", lag, LAG_MS, "ms", 1)


def _uploads_over_peers(result: Result) -> Iterator[Ratio]:
    for peer in PEERS:
        for kind in (*FORMATS, LARGE):
            ours, theirs = (upload_figure(result, kind, name, lambda upload: upload.cpu_ms) for name in (SERAI, peer))
            if theirs is not None:
                yield Ratio(f"{kind}: CPU of an upload over {peer}", ours, theirs, "ms", PEER_AIM)


def _over_statements(result: Result) -> Iterator[Ratio]:
    for kind in Kind:
        for chunks in result.chunks:
            what = f"{kind}, {chunks:,} chunks"
            empty = figure_of(result, EMPTY, SERAI, chunks, p50_ms)
            for name, measure, aim in (
                ("waiting time", p50_ms, BARE_AIM),
                ("CPU of all", cpu_ms, None),
                ("PostgreSQL's CPU", database_ms, BARE_AIM),
            ):
                ours, bare = (figure_of(result, kind, subject, chunks, measure) for subject in (SERAI, BARE))
                yield Ratio(f"{what}: {name} over {BARE}", ours, bare, "ms", aim)
                if measure is p50_ms:
                    least = None if bare is None or empty is None else bare + empty
                    yield Ratio(f"{what}: {name} over {BARE} and an {EMPTY}", ours, least, "ms", BARE_AIM)


def _searches_over_peers(result: Result) -> Iterator[Ratio]:
    for peer in PEERS:
        for kind in Kind:
            for chunks in result.peer_chunks:
                ours, theirs = (figure_of(result, kind, name, chunks, cpu_ms) for name in (SERAI, peer))
                if ours is not None and theirs is not None:
                    yield Ratio(f"{kind}, {chunks:,} chunks: CPU over {peer}", ours, theirs, "ms", PEER_AIM)


def figure_of(
    result: Result, kind: str, subject: str, chunks: int, measure: Callable[[Sample], float | None]
) -> float | None:
    """Return the median of a figure of searches."""
    return middle(map(measure, result.of(kind, subject, chunks)))


def upload_figure(result: Result, kind: str, subject: str, measure: Callable[[Upload], float | None]) -> float | None:
    """Return the median of a figure of uploads."""
    return middle(map(measure, result.uploads_of(kind, subject)))
