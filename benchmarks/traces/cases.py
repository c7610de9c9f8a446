"""One run: what tracing costs runs, what other programs send, and lists; all servers in turn within every round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.database import Server
from benchmarks.environments import usable
from benchmarks.load import LoadProcess, Seen
from benchmarks.processes import ServerStartError
from benchmarks.requests import RequestError
from benchmarks.results import describe_commit, describe_machine
from benchmarks.serai_os import ANSWER
from benchmarks.subjects import PEER_ON_POSTGRES, PEERS_LOCK, SERAI, CpuTime, Subject, SubjectError, work_folder
from benchmarks.traces.bare import BARE, read_bare, read_bodies, write_bare
from benchmarks.traces.operations import RUNS, SPANS, STATEMENTS, Operation, Sizes
from benchmarks.traces.results import Result, Sample
from benchmarks.traces.sending import SendingError, send_all
from benchmarks.traces.sent_spans import make_batch, send
from benchmarks.traces.stores import Store, make_store, make_subject
from serai.storage.embedded import EmbeddedPostgres

Report = Callable[[str], None]
_DISTINCT = 1000
_MOST = 100_000
_WARM_UPS = 5
_SETTLED_S = 0.6
"""After so long what is left of the load is written: the spans of the last runs."""


@dataclass(frozen=True)
class Bench:
    """What a run works with; everything it starts is stopped when its stack is left."""

    sizes: Sizes
    folder: Path
    postgres: Server
    stack: ExitStack
    load: LoadProcess
    report: Report
    kinds: list[str]
    not_run: dict[str, str]

    @property
    def postgres_folder(self) -> Path:
        """The data of the PostgreSQL that all use."""
        return self.folder / "postgres"

    def start(self, subject: Subject) -> bool:
        """Start a server; False when it does not come up, which is noted."""
        self.stack.callback(subject.server.stop)
        try:
            subject.server.start()
        except ServerStartError as error:
            self.report(str(error))
            self.not_run[subject.name] = str(error).splitlines()[0]
            return False
        return True


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure the server that needs an environment of its own.
        report: called with lines of progress.
    """
    not_run: dict[str, str] = {}
    kinds = [SERAI, *usable([PEER_ON_POSTGRES], PEERS_LOCK, wanted=peers, not_run=not_run)]
    with work_folder() as folder, ExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.stop)
        load = LoadProcess()
        stack.callback(load.stop)
        bench = Bench(sizes, folder, Server(postgres.start()), stack, load, report, kinds, not_run)
        samples = [*_runs(bench), *_spans(bench), *_lists(bench)]
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        traces=sizes.traces,
        peer_traces=sizes.all_peer_traces,
        rounds=sizes.rounds,
        seconds=sizes.seconds,
        batch_spans=sizes.batch_spans,
        not_run=not_run,
        samples=samples,
    )


def tracing_name(kind: str, *, traced: bool) -> str:
    """Return what a server is called that traces its runs, or does not."""
    return f"{kind}, {'with' if traced else 'without'} traces"


def _runs(bench: Bench) -> Iterator[Sample]:
    """Measure runs on servers that differ in nothing but whether they trace them."""
    subjects = []
    for kind, traced in product(bench.kinds, (False, True)):
        database = f"{'serai' if kind == SERAI else 'peer'}_{'traced' if traced else 'plain'}"
        name = tracing_name(kind, traced=traced)
        place = (bench.folder, bench.postgres, bench.postgres_folder)
        subject, _ = make_subject(kind, database, *place, name=name, traced=traced)
        if bench.start(subject):
            subjects.append(subject)
    for number in range(bench.sizes.rounds):
        for concurrency in bench.sizes.concurrencies:
            # Whoever comes first finds another machine than who comes last.
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                yield from _attempt(bench, f"{RUNS} by {subject.name}", partial(_run, bench, subject, concurrency))
        bench.report(f"runs, round {number + 1}")
    for subject in subjects:
        subject.server.stop()


def _run(bench: Bench, subject: Subject, concurrency: int) -> Sample:
    requests = [subject.run_request("agents/tooled", message="What is 2 + 2?", stream="false")]
    subject.send(requests, most=_WARM_UPS, concurrency=concurrency, expect=ANSWER, by=bench.load.send)
    time.sleep(_SETTLED_S)
    before, seconds = subject.cpu(), bench.sizes.seconds
    seen = subject.send(
        requests, most=_MOST, concurrency=concurrency, expect=ANSWER, seconds=seconds, by=bench.load.send
    )
    time.sleep(_SETTLED_S)
    return _sample(RUNS, subject.name, 0, concurrency, seen, subject.cpu().since(before))


def _spans(bench: Bench) -> Iterator[Sample]:
    """Measure what another program sends, and the statement that writes it."""
    place = (bench.folder, bench.postgres, bench.postgres_folder)
    subject, dsn = make_subject(SERAI, "serai_sent", *place, name=SERAI, traced=True)
    if not bench.start(subject):
        return
    sizes = bench.sizes
    for number in range(-1, sizes.rounds):
        requests = [send(make_batch(sizes.batch_spans)) for _ in range(sizes.batches)]
        spans = read_bodies([send(make_batch(sizes.batch_spans)).body for _ in range(sizes.batches)])
        found = [
            *_attempt(bench, SPANS, partial(send_all, SPANS, subject, requests, sizes.batches * sizes.batch_spans)),
            *_attempt(
                bench,
                f"{SPANS}, {BARE}",
                partial(write_bare, SPANS, dsn, spans, database_cpu_s=subject.database_cpu_s),
            ),
        ]
        if number >= 0:
            yield from found
    bench.report("spans of other programs")
    subject.server.stop()


def _lists(bench: Bench) -> Iterator[Sample]:
    """Measure lists, searches and single traces."""
    stores = [store for store in _stores(bench) if bench.start(store.subject)]
    for store in stores:
        began = time.monotonic()
        store.load()
        bench.report(f"{store.subject.name}: {store.traces:,} traces in {time.monotonic() - began:.0f} s")
    for number in range(bench.sizes.rounds):
        for operation, store in product(Operation, stores):
            name = f"{operation} of {store.subject.name}, {store.traces:,} traces"
            yield from _attempt(bench, name, partial(_list, bench, operation, store))
            if operation in STATEMENTS and store.subject.name == SERAI:
                yield from _attempt(bench, f"{name}, {BARE}", partial(_list_bare, bench, operation, store))
        bench.report(f"lists, round {number + 1}")


def _stores(bench: Bench) -> Iterator[Store]:
    for kind in bench.kinds:
        for traces in bench.sizes.traces if kind == SERAI else bench.sizes.all_peer_traces:
            yield make_store(kind, traces, bench.folder, bench.postgres, bench.postgres_folder)


def _list(bench: Bench, operation: Operation, store: Store) -> Sample:
    subject, requests = store.subject, store.requests(operation, _DISTINCT)
    subject.send(requests, most=_WARM_UPS, concurrency=1, expect="", by=bench.load.send)
    before = subject.cpu()
    seen = subject.send(requests, most=_MOST, concurrency=1, expect="", seconds=bench.sizes.seconds, by=bench.load.send)
    return _sample(operation, subject.name, store.traces, 1, seen, subject.cpu().since(before))


def _list_bare(bench: Bench, operation: Operation, store: Store) -> Sample:
    seconds, cpu_s = bench.sizes.seconds, store.subject.database_cpu_s
    return read_bare(operation, store.dsn, store.traces, seconds=seconds, database_cpu_s=cpu_s)


def _attempt(bench: Bench, name: str, take: Callable[[], Sample]) -> Iterator[Sample]:
    """Yield a sample; what a server refuses is noted, not asked again, and the others go on."""
    if name in bench.not_run:
        return
    try:
        yield take()
    except (SubjectError, SendingError, RequestError, OSError) as error:
        bench.report(f"{name}: {error}")
        bench.not_run[name] = str(error).splitlines()[0]


def _sample(operation: str, subject: str, traces: int, concurrency: int, seen: Seen, used: CpuTime) -> Sample:
    server_ms, database_ms = (
        None if seconds is None else seconds * 1000 / seen.requests for seconds in (used.server_s, used.database_s)
    )
    return Sample(
        operation=operation,
        subject=subject,
        traces=traces,
        concurrency=concurrency,
        count=seen.requests,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=server_ms,
        database_cpu_ms=database_ms,
        load_busy=seen.busy,
    )
