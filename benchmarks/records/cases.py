"""One run: fills the stores, lets Serai build its indexes, and measures all subjects in turn."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

from benchmarks.database import Server, execute
from benchmarks.environments import EnvironmentUnavailableError, clean_environment
from benchmarks.processes import ServerProcess
from benchmarks.records import dataset
from benchmarks.records.database import indexes, wait_until_built
from benchmarks.records.kinto_store import KINTO, KintoStore
from benchmarks.records.operations import CONCURRENCIES, QUERIES, Operation
from benchmarks.records.parse_store import PARSE, ParseStore
from benchmarks.records.results import Result, Sample
from benchmarks.records.serai_store import SeraiStore
from benchmarks.records.statements import Script, Statement, common, read_trace
from benchmarks.records.stores import SERAI, Store, StoreError
from benchmarks.records.subjects import BARE, BARE_BATCHED, SMALL, BoundSubject, HttpSubject, Sizes, Subject
from benchmarks.requests import call
from benchmarks.results import describe_commit, describe_machine
from serai.storage.embedded import EmbeddedPostgres

PEERS: dict[str, Callable[[Path, Server], Store]] = {KINTO: KintoStore, PARSE: ParseStore}
_BARE_OPERATIONS = (Operation.GET, Operation.NEWEST, Operation.CREATE)
_WARM_UPS = 5
_TRACES = 3
_SETTLE_S = 0.1
_HERE = Path(__file__).parent.parent.parent

Report = Callable[[str], None]


@dataclass
class Bench:
    """What a run works with; everything it starts is stopped when its stack is left."""

    sizes: Sizes
    folder: Path
    postgres_folder: Path
    postgres: Server
    stack: ExitStack
    report: Report

    def start(self, server: ServerProcess) -> None:
        """Start a server, to be stopped at the end."""
        self.stack.callback(server.stop)
        server.start()

    def fill(self, store: Store, rows: int) -> None:
        """Start a store and load it."""
        began = time.monotonic()
        self.start(store.server)
        store.load(rows)
        self.report(
            f"{store.name}: {rows:,} records in {time.monotonic() - began:.0f} s, {store.count_open():,} of them "
            f"open in the first region"
        )

    def http(self, name: str, store: Store, server: ServerProcess, operations: tuple[Operation, ...]) -> HttpSubject:
        """Return a subject behind HTTP."""
        return HttpSubject(name, server, store, operations, self.postgres_folder, self.sizes)


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure those that need environments of their own.
        report: called with lines of progress.
    """
    with _bench(sizes, report) as bench:
        stores, not_run = _stores(bench, peers=peers)
        serai, small = stores[0], SeraiStore(bench.folder, bench.postgres.create("serai_small"), name=SMALL)
        for store in stores:
            bench.fill(store, sizes.rows)
        bench.fill(small, sizes.small_rows)
        _check_counts(stores)
        built_s, built = _build(bench, serai, small)
        subjects: list[Subject] = [
            *(bench.http(store.name, store, store.server, tuple(Operation)) for store in stores),
            BoundSubject(serai.dsn, _scripts(bench, serai), bench.postgres_folder, sizes),
            *_bare(bench, serai),
            bench.http(SMALL, small, small.server, (Operation.PAGE,)),
        ]
        samples = list(_measure(bench, subjects))
        notes = [(store.name, one.value, reason) for store in stores for one, reason in store.lacks.items()]
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        rows=sizes.rows,
        small_rows=sizes.small_rows,
        seconds=sizes.seconds,
        rounds=sizes.rounds,
        built_s=built_s,
        indexes=built,
        not_run=not_run,
        notes=notes,
        samples=samples,
    )


@contextmanager
def _bench(sizes: Sizes, report: Report) -> Iterator[Bench]:
    with ExitStack() as stack:
        # PostgreSQL drops root's rights and must still reach its folder.
        folder = Path(tempfile.mkdtemp(prefix="serai-bench-", dir="/tmp"))
        stack.callback(rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.stop)
        yield Bench(sizes, folder, folder / "postgres", Server(postgres.start()), stack, report)


def _stores(bench: Bench, *, peers: bool) -> tuple[list[Store], dict[str, str]]:
    """Return Serai and the peers that can run here, and why the others cannot."""
    stores: list[Store] = [SeraiStore(bench.folder, bench.postgres.create("records"))]
    not_run = {}
    for name, make in PEERS.items():
        if not peers:
            not_run[name] = "left out"
            continue
        try:
            stores.append(make(bench.folder, bench.postgres))
        except EnvironmentUnavailableError as error:
            not_run[name] = str(error)
    return stores, not_run


def _check_counts(stores: list[Store]) -> None:
    counts = {store.name: store.count_open() for store in stores}
    if len(set(counts.values())) != 1:
        raise StoreError(f"the stores do not hold the same records: {counts}")


def _build(bench: Bench, *stores: Store) -> tuple[float, list[str]]:
    """Ask Serai until it has built what it builds; PostgreSQL then tidies up as it does by itself in an hour."""
    before, took_s = indexes(stores[0].dsn), 0.0
    for _ in range(2):
        for store in stores:
            _warm_up(store)
        for store in stores:
            took_s += wait_until_built(store.dsn, settled_s=bench.sizes.settled_s)
    built = sorted(set(indexes(stores[0].dsn)) - set(before))
    bench.report(f"{SERAI} has built {len(built)} indexes in {took_s:.0f} s: {', '.join(built) or 'none'}")
    execute(bench.postgres.url, "checkpoint")
    for store in stores:
        execute(store.dsn, "vacuum analyze")
        _warm_up(store)
    return took_s, built


def _warm_up(store: Store) -> None:
    for operation in QUERIES:
        for index in range(_WARM_UPS):
            request = store.request(operation, index)
            if request is not None:
                call(store.server, request)


def _scripts(bench: Bench, serai: Store) -> dict[Operation, Script]:
    """Return what Serai sends to PostgreSQL for each operation, from a second server that writes it down."""
    file = bench.folder / "trace.pickle"
    file.touch()
    traced = SeraiStore(bench.folder, serai.dsn, name="traced", trace=file)
    traced.rows = bench.sizes.rows
    traced.server.start()
    try:
        for operation in QUERIES:
            _trace(traced, operation, 0, file)
        return {operation: _script(traced, operation, file, bench.sizes) for operation in Operation}
    finally:
        traced.server.stop()


def _script(traced: SeraiStore, operation: Operation, file: Path, sizes: Sizes) -> Script:
    count = dataset.batches(sizes.rows)
    first = count - _TRACES if operation is Operation.DELETE else 0
    traced_requests = [_trace(traced, operation, first + index, file) for index in range(_TRACES)]
    statements = common([seen for seen, _ in traced_requests])
    if not statements:
        raise StoreError(f"{operation}: no statement was seen")
    last = first + _TRACES - 1
    numbers = range(2000)
    match operation:
        case Operation.CREATE:
            return Script(statements, json.loads(traced_requests[-1][1])["id"])
        case Operation.GET | Operation.UPDATE:
            some = [dataset.record_id(dataset.some_number(index, sizes.rows)) for index in (last, *numbers)]
            return Script(statements, some[0], tuple(some[1:]))
        case Operation.PAGE:
            regions = tuple(f"region-{index}" for index in range(dataset.REGIONS))
            return Script(statements, f"region-{last % dataset.REGIONS}", regions)
        case Operation.INCLUDES:
            tags = tuple(f'"tag-{index}"' for index in range(dataset.TAGS))
            return Script(statements, f'"tag-{last % dataset.TAGS}"', tags)
        case Operation.DELETE:
            # Serai deletes the batches of the lower half.
            names = tuple(dataset.batch_name(number) for number in range(count // 2, count - _TRACES))
            return Script(statements, dataset.batch_name(last + 1), names)
        case _:
            return Script(statements)


def _trace(traced: SeraiStore, operation: Operation, index: int, file: Path) -> tuple[list[Statement], str]:
    request = traced.request(operation, index)
    assert request is not None
    offset = file.stat().st_size
    answer = call(traced.server, request)
    time.sleep(_SETTLE_S)
    return read_trace(file, offset), answer.body.decode()


def _bare(bench: Bench, serai: Store) -> Iterator[HttpSubject]:
    for name, flags in ((BARE, []), (BARE_BATCHED, ["--batched"])):
        server = ServerProcess(
            [sys.executable, "-m", "benchmarks.records.bare", "{port}", serai.dsn, *flags],
            env=clean_environment(),
            log=bench.folder / f"bare{''.join(flags)}.log",
            folder=_HERE,
        )
        bench.start(server)
        operations = _BARE_OPERATIONS if not flags else (Operation.GET, Operation.CREATE)
        yield bench.http(name, serai, server, operations)


def _measure(bench: Bench, subjects: list[Subject]) -> Iterator[Sample]:
    """Measure operation by operation; within a round the subjects take turns, so that a drift meets all of them."""
    for operation in Operation:
        began = time.monotonic()
        for _ in range(bench.sizes.rounds):
            for subject in subjects:
                for concurrency in CONCURRENCIES:
                    sample = subject.measure(operation, concurrency) if operation in subject.operations else None
                    if sample is not None:
                        yield sample
        bench.report(f"{operation.value}: measured in {time.monotonic() - began:.0f} s")
