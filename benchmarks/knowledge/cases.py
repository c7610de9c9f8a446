"""One run: fills the bases, then searches all of them in turn within every round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.database import Server
from benchmarks.environments import EnvironmentUnavailableError
from benchmarks.knowledge.bare import time_statements
from benchmarks.knowledge.kinds import Kind, Sizes
from benchmarks.knowledge.results import Result, Sample
from benchmarks.knowledge.stores import BARE, PEERS, Store, make_peer, make_serai
from benchmarks.load import LoadProcess
from benchmarks.processes import ServerStartError
from benchmarks.results import describe_commit, describe_machine
from benchmarks.subjects import SubjectError, work_folder
from serai.storage.embedded import EmbeddedPostgres

Report = Callable[[str], None]
_DISTINCT, _WARM_UPS, _MOST = 500, 10, 100_000
_WARM_UP_S = 0.1


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure the servers that need an environment of their own.
        report: called with lines of progress.
    """
    not_run: dict[str, str] = {}
    with work_folder() as folder, ExitStack() as stack:
        stores = list(_fill(sizes, folder, stack, peers=peers, not_run=not_run, report=report))
        load = LoadProcess()
        stack.callback(load.stop)
        samples = list(_measure(stores, sizes, load, not_run, report))
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        chunks=sizes.chunks,
        peer_chunks=min(sizes.peer_chunks, max(sizes.chunks)),
        rounds=sizes.rounds,
        seconds=sizes.seconds,
        not_run=not_run,
        samples=samples,
    )


def _fill(
    sizes: Sizes, folder: Path, stack: ExitStack, *, peers: bool, not_run: dict[str, str], report: Report
) -> Iterator[Store]:
    postgres = EmbeddedPostgres(folder / "postgres")
    stack.callback(postgres.stop)
    server = Server(postgres.start())
    for chunks in sizes.chunks:
        began = time.monotonic()
        store = make_serai(folder, server, folder / "postgres", chunks)
        stack.callback(store.subject.server.stop)
        yield store
        report(f"Serai: {chunks:,} chunks in {time.monotonic() - began:.0f} s")
    for name in PEERS:
        if not peers:
            not_run[name] = "left out"
            continue
        for chunks in dict.fromkeys(min(chunks, sizes.peer_chunks) for chunks in sizes.chunks):
            began = time.monotonic()
            try:
                store = make_peer(folder, name, chunks)
            except (EnvironmentUnavailableError, ServerStartError) as error:
                not_run[f"{name} with {chunks:,} chunks"] = str(error).splitlines()[0]
                continue
            stack.callback(store.subject.server.stop)
            yield store
            report(f"{name}: {chunks:,} chunks in {time.monotonic() - began:.0f} s")


def _measure(
    stores: Sequence[Store], sizes: Sizes, load: LoadProcess, not_run: dict[str, str], report: Report
) -> Iterator[Sample]:
    """Measure all servers in turn; what one of them refuses is noted, and the others go on."""
    for number in range(1, sizes.rounds + 1):
        began = time.monotonic()
        for kind in Kind:
            for store in stores:
                try:
                    yield _search(kind, store, sizes, load)
                except SubjectError as error:
                    report(str(error))
                    not_run[f"{kind} of {store.subject.name}"] = str(error).splitlines()[0]
                if store.dsn is not None:
                    yield _send_bare(kind, store, store.dsn, sizes)
        report(f"round {number}: {time.monotonic() - began:.0f} s")


def _search(kind: Kind, store: Store, sizes: Sizes, load: LoadProcess) -> Sample:
    subject, requests = store.subject, store.requests(kind, _DISTINCT)
    subject.send(requests, most=_WARM_UPS, concurrency=1, expect='"data"', by=load.send)
    before = subject.cpu()
    seen = subject.send(requests, most=_MOST, concurrency=1, expect='"data"', seconds=sizes.seconds, by=load.send)
    used = subject.cpu().since(before)
    return Sample(
        kind=kind.value,
        subject=subject.name,
        chunks=store.chunks,
        requests=seen.requests,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=_each(used.server_s, seen.requests),
        database_cpu_ms=_each(used.database_s, seen.requests) if store.dsn else None,
    )


def _send_bare(kind: Kind, store: Store, dsn: str, sizes: Sizes) -> Sample:
    asyncio.run(time_statements(dsn, kind, store.chunks, min(_WARM_UP_S, sizes.seconds)))
    before = store.subject.cpu()
    timing = asyncio.run(time_statements(dsn, kind, store.chunks, sizes.seconds))
    used = store.subject.cpu().since(before)
    return Sample(
        kind=kind.value,
        subject=BARE,
        chunks=store.chunks,
        requests=timing.requests,
        wall_ms=timing.wall_s * 1000 / timing.requests,
        p50_ms=timing.p50_ms,
        server_cpu_ms=None,
        database_cpu_ms=_each(used.database_s, timing.requests),
    )


def _each(seconds: float | None, requests: int) -> float | None:
    return None if seconds is None else seconds * 1000 / requests
