"""One run: fills the bases, searches all of them in turn within every round, and then takes documents in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from benchmarks.database import Server
from benchmarks.environments import usable
from benchmarks.knowledge.kinds import FORMATS, LARGE, Kind, Sizes
from benchmarks.knowledge.results import Result, Sample, Upload
from benchmarks.knowledge.searches import search, search_bare, send_nothing
from benchmarks.knowledge.stores import BARE, PEERS, PEERS_LOCK, Store, make_peer, make_serai
from benchmarks.knowledge.uploads import Uploader, UploadError
from benchmarks.load import LoadProcess
from benchmarks.processes import ServerStartError
from benchmarks.requests import RequestError
from benchmarks.results import describe_commit, describe_machine
from benchmarks.subjects import SERAI, SubjectError, work_folder
from serai.storage.embedded import EmbeddedPostgres

Report = Callable[[str], None]


@dataclass
class Bench:
    """What a run works with; everything it starts is stopped when its stack is left."""

    sizes: Sizes
    folder: Path
    server: Server
    stack: ExitStack
    report: Report
    peers: list[str]
    not_run: dict[str, str]
    filled_s: dict[str, float] = field(default_factory=dict)

    def store(self, name: str, chunks: int) -> Store | None:
        """Start a server with so many chunks; None when that fails."""
        began = time.monotonic()
        try:
            if name == SERAI:
                store = make_serai(self.folder, self.server, self.folder / "postgres", chunks, report=self.report)
            else:
                store = make_peer(self.folder, name, chunks)
        except ServerStartError as error:
            self.report(str(error))
            self.not_run[f"{name} with {chunks:,} chunks"] = str(error).splitlines()[0]
            return None
        self.stack.callback(store.subject.server.stop)
        self.filled_s[f"{name}, {chunks:,} chunks"] = time.monotonic() - began
        self.report(f"{name}: {chunks:,} chunks in {time.monotonic() - began:.0f} s")
        return store


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure the servers that need an environment of their own.
        report: called with lines of progress.
    """
    not_run: dict[str, str] = {}
    with work_folder() as folder, ExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.stop)
        names = usable(PEERS, PEERS_LOCK, wanted=peers, not_run=not_run)
        bench = Bench(sizes, folder, Server(postgres.start()), stack, report, names, not_run)
        stores = list(_fill(bench))
        load = LoadProcess()
        stack.callback(load.stop)
        samples = list(_search(bench, stores, load))
        uploads = list(_take_in(bench, stores))
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        chunks=sizes.chunks,
        peer_chunks=sizes.all_peer_chunks,
        filled_s=bench.filled_s,
        document_chunks=sizes.document_chunks,
        rounds=sizes.rounds,
        seconds=sizes.seconds,
        not_run=not_run,
        uploads=uploads,
        samples=samples,
    )


def _take_in(bench: Bench, stores: Sequence[Store]) -> Iterator[Upload]:
    """Upload documents of all formats to each server's smallest base; nothing else is asked of any server."""
    smallest = list({store.subject.name: store for store in reversed(stores)}.values())
    for store in stores:
        if store not in smallest:
            store.subject.server.stop()
    for store in reversed(smallest):
        yield from _take_in_all(bench, store)
        store.subject.server.stop()


def _take_in_all(bench: Bench, store: Store) -> Iterator[Upload]:
    name, sizes, uploader = store.subject.name, bench.sizes, Uploader(bench.sizes)
    rounds = sizes.rounds if name == SERAI else 1  # the peers take long
    for number in range(1 - sizes.warm_ups, rounds + 1):
        for kind in (*FORMATS, LARGE) if number > 0 else FORMATS:
            try:
                upload = uploader.measure(store, kind)
            except UploadError as error:
                bench.not_run[f"upload of {kind} to {name}"] = str(error)
                bench.report(f"{name}, {kind}: {error}")
                if not _restart(store):
                    return
                continue
            if number > 0:
                took_s = upload.wall_ms * upload.documents / 1000
                bench.report(f"{name}, {kind}: {upload.chunks:,} chunks taken in within {took_s:.1f} s")
                yield upload


def _restart(store: Store) -> bool:
    store.subject.server.stop()
    try:
        store.subject.server.start()
    except ServerStartError:
        return False
    return True


def _fill(bench: Bench) -> Iterator[Store]:
    for name in (SERAI, *bench.peers):
        for chunks in bench.sizes.chunks if name == SERAI else bench.sizes.all_peer_chunks:
            if store := bench.store(name, chunks):
                yield store


def _search(bench: Bench, stores: Sequence[Store], load: LoadProcess) -> Iterator[Sample]:
    """Measure all servers in turn; what one of them refuses is noted, and the others go on."""
    sizes = bench.sizes
    for number in range(1, sizes.rounds + 1):
        began = time.monotonic()
        for store in stores:
            if store.dsn is not None:
                yield send_nothing(store, sizes, load)
        for kind in Kind:
            for store in stores:
                # Whoever comes first finds the pages of the other one's questions less warm.
                sends = (_send, _send_bare) if number % 2 else (_send_bare, _send)
                for send in sends:
                    yield from send(bench, kind, store, load)
            bench.report(f"round {number}, {kind}: {time.monotonic() - began:.0f} s")


def _send(bench: Bench, kind: Kind, store: Store, load: LoadProcess) -> Iterator[Sample]:
    name = f"{kind} of {store.subject.name}, {store.chunks:,} chunks"
    if name in bench.not_run:
        return
    try:
        yield search(kind, store, bench.sizes, load)
    except SubjectError as error:
        bench.report(str(error))
        bench.not_run[name] = str(error).splitlines()[0]


def _send_bare(bench: Bench, kind: Kind, store: Store, _load: LoadProcess) -> Iterator[Sample]:
    if store.dsn is None:
        return
    try:
        yield search_bare(kind, store, store.dsn, bench.sizes)
    except (RequestError, asyncpg.PostgresError, OSError) as error:
        bench.not_run[f"{kind} of {BARE}, {store.chunks:,} chunks"] = f"{type(error).__name__}: {error}"
