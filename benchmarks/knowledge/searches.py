"""Measures searches: over HTTP, and the statements alone that find the same."""

from __future__ import annotations

import asyncio
import json
from statistics import fmean

from benchmarks.knowledge.bare import Timing, bare_search, time_search
from benchmarks.knowledge.kinds import Kind, Sizes
from benchmarks.knowledge.results import EMPTY, Sample
from benchmarks.knowledge.stores import BARE, Store
from benchmarks.load import LEAST, LoadProcess, Seen
from benchmarks.requests import call
from benchmarks.subjects import CpuTime

_DISTINCT, _WARM_UPS, _MOST, _COMPARED = 2_000, 100, 100_000, 5
_WARM_UP_S = 0.3
_FOUND = '"content":'


def search(kind: Kind, store: Store, sizes: Sizes, load: LoadProcess) -> Sample:
    """Send searches of a kind, one after the other, for some time.

    Raises:
        SubjectError: the server refuses them.
    """
    return _send(kind, store, store.requests(kind, _DISTINCT), '"data"', sizes, load)


def send_nothing(store: Store, sizes: Sizes, load: LoadProcess) -> Sample:
    """Send requests that do nothing: what HTTP costs in any case."""
    return _send(EMPTY, store, [store.empty_request()], "", sizes, load)


def search_bare(kind: Kind, store: Store, dsn: str, sizes: Sizes) -> Sample:
    """Send the statements of a kind, one after the other, for some time."""
    timing, used, alike = asyncio.run(_time(kind, store, dsn, sizes.seconds))
    return Sample(
        kind=kind.value,
        subject=BARE,
        chunks=store.chunks,
        requests=timing.requests,
        wall_ms=timing.wall_s * 1000 / timing.requests,
        p50_ms=timing.p50_ms,
        server_cpu_ms=timing.cpu_s * 1000 / timing.requests,
        database_cpu_ms=_each(used.database_s, timing.requests),
        found=timing.found / timing.requests,
        alike=alike,
    )


def _send(kind: str, store: Store, requests: list[bytes], expect: str, sizes: Sizes, load: LoadProcess) -> Sample:
    subject = store.subject
    warm_up_s = min(_WARM_UP_S, sizes.seconds)
    subject.send(requests, most=_WARM_UPS, concurrency=1, expect=expect, seconds=warm_up_s, by=load.send)
    before = subject.cpu()
    seen: Seen = subject.send(
        requests, most=_MOST, concurrency=1, expect=expect, count=_FOUND, seconds=sizes.seconds, by=load.send
    )
    used = subject.cpu().since(before)
    return Sample(
        kind=str(kind),
        subject=subject.name,
        chunks=store.chunks,
        requests=seen.requests,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=_each(used.server_s, seen.requests),
        database_cpu_ms=_each(used.database_s, seen.requests) if store.dsn else None,
        found=seen.counted / seen.requests,
        alike=None,
    )


async def _time(kind: Kind, store: Store, dsn: str, seconds: float) -> tuple[Timing, CpuTime, float]:
    async with bare_search(dsn, kind, store.chunks) as statements:
        await time_search(statements, least=LEAST, seconds=min(_WARM_UP_S, seconds))
        before = store.subject.cpu()
        timing = await time_search(statements, least=LEAST, seconds=seconds)
        used = store.subject.cpu().since(before)
        shares = [_share(_texts(store, kind, index), await statements.find(index)) for index in range(_COMPARED)]
        return timing, used, fmean(shares)


def _texts(store: Store, kind: Kind, index: int) -> list[str]:
    answer = json.loads(call(store.subject.server, store.request(kind, index)).body)
    return [one["content"] for one in answer["data"]]


def _share(ours: list[str], theirs: list[str]) -> float:
    """Return how many of the statements' chunks Serai finds, too."""
    return len({*ours} & {*theirs}) / len(theirs) if theirs else 1.0


def _each(seconds: float | None, requests: int) -> float | None:
    return None if seconds is None else seconds * 1000 / requests
