"""One run: fills the databases, then measures all servers in turn within every round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from benchmarks.database import Server, execute
from benchmarks.environments import usable
from benchmarks.load import LoadProcess, Seen
from benchmarks.requests import RequestError, call
from benchmarks.results import describe_commit, describe_machine
from benchmarks.state.asks import ask
from benchmarks.state.concurrent_runs import keep_keys
from benchmarks.state.dataset import Dataset
from benchmarks.state.operations import DELETES, LISTS, ONE_BY_ONE, Operation, Place, Sizes
from benchmarks.state.results import Result, Sample
from benchmarks.state.stores import Store, StoreError, make_store
from benchmarks.subjects import PEER_ON_POSTGRES, PEERS_LOCK, SERAI, CpuTime, SubjectError, work_folder
from serai.storage.embedded import EmbeddedPostgres

Report = Callable[[str], None]
_DISTINCT = 1000
_MOST = 100_000
_WARM_UPS = 5


def measure(sizes: Sizes, *, peers: bool, report: Report) -> Result:
    """Run the whole benchmark.

    Args:
        sizes: how much.
        peers: also measure the server that needs an environment of its own.
        report: called with lines of progress.
    """
    not_run: dict[str, str] = {}
    names = [SERAI, *usable([PEER_ON_POSTGRES], PEERS_LOCK, wanted=peers, not_run=not_run)]
    with work_folder() as folder, ExitStack() as stack:
        stores = _start(names, sizes, folder, stack)
        _load(stores, report)
        samples = list(_refresh(stores, sizes, not_run))
        for store in stores:
            execute(store.dsn, "vacuum analyze", "checkpoint")
        load = LoadProcess()
        stack.callback(load.stop)
        one_by_one: dict[Operation, tuple[Place, ...]] = dict.fromkeys(ONE_BY_ONE, (Place.MEDIUM,))
        for operations, concurrencies in ((LISTS, (1,)), (one_by_one, sizes.concurrencies)):
            samples += _measure(stores, operations, concurrencies, load, not_run, report)
        kept = [keep_keys(one.subject, sizes.concurrent) for one in stores if one.place is Place.MEDIUM]
    return Result(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=describe_commit(),
        machine=describe_machine(),
        rows=sizes.rows,
        peer_rows=sizes.rows_of(Place.LARGE, is_peer=True),
        medium_rows=sizes.rows_of(Place.MEDIUM, is_peer=False),
        small_rows=sizes.rows_of(Place.SMALL, is_peer=False),
        rounds=sizes.rounds,
        seconds=sizes.seconds,
        not_run=not_run,
        kept=kept,
        samples=samples,
    )


def _start(names: Sequence[str], sizes: Sizes, folder: Path, stack: ExitStack) -> list[Store]:
    """Start all servers on empty databases of one PostgreSQL."""
    postgres = EmbeddedPostgres(folder / "postgres")
    stack.callback(postgres.stop)
    server, until = Server(postgres.start()), datetime.now(UTC) - timedelta(minutes=1)
    stores = [
        make_store(
            name,
            place,
            sizes=sizes,
            folder=folder,
            postgres=server,
            postgres_folder=folder / "postgres",
            data=Dataset(sizes.rows_of(place, is_peer=name != SERAI), until),
        )
        for place in Place
        for name in names
    ]
    for store in stores:
        stack.callback(store.subject.server.stop)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda store: store.subject.server.start(), stores))
    return stores


def _load(stores: Sequence[Store], report: Report) -> None:
    """Fill all databases, and see that the servers find the same in those that are alike."""
    for store in stores:
        began = time.monotonic()
        store.load()
        store.check()
        took_s = time.monotonic() - began
        report(f"{store.subject.name}, {store.place}: {store.data.rows:,} rows in {took_s:.0f} s")
    for place in (Place.SMALL, Place.MEDIUM):
        totals = [store.totals() for store in stores if store.place is place]
        if any(one != totals[0] for one in totals):
            raise StoreError(f"the servers do not hold the same in {place}: {totals}")


def _refresh(stores: Iterable[Store], sizes: Sizes, not_run: dict[str, str]) -> Iterator[Sample]:
    """Have all metrics computed anew, once."""
    for store in stores:
        if store.place is not Place.LARGE:
            continue
        subject = store.subject
        before, began = subject.cpu(), time.perf_counter()
        try:
            answer = call(subject.server, ask(Operation.REFRESH, 0, store.data, sizes), timeout_s=sizes.refresh_s)
        except (RequestError, OSError) as error:
            took_s = time.perf_counter() - began
            not_run[f"{Operation.REFRESH} of {subject.name}"] = f"given up after {took_s:.0f} s: {error}"
            subject.server.stop()
            subject.server.start()
            continue
        took_s = time.perf_counter() - began
        seen = Seen(requests=1, wall_s=took_s, p50_ms=took_s * 1000, received_bytes=len(answer.body))
        yield _sample(Operation.REFRESH, store, 1, seen, subject.cpu().since(before), None)


def _measure(
    stores: Sequence[Store],
    operations: dict[Operation, tuple[Place, ...]],
    concurrencies: Sequence[int],
    load: LoadProcess,
    not_run: dict[str, str],
    report: Report,
) -> Iterator[Sample]:
    """Measure all servers in turn; what one of them refuses is noted, and the others go on."""
    for number in range(1, stores[0].sizes.rounds + 1):
        began = time.monotonic()
        for operation, concurrency in product(operations, concurrencies):
            for store in stores:
                if store.place not in operations[operation]:
                    continue
                try:
                    yield _measure_one(operation, store, concurrency, load)
                except SubjectError as error:
                    report(str(error))
                    not_run[f"{operation} of {store.subject.name}"] = str(error).splitlines()[0]
        report(f"round {number} of {len(operations)} operations: {time.monotonic() - began:.0f} s")


def _measure_one(operation: Operation, store: Store, concurrency: int, load: LoadProcess) -> Sample:
    subject, sizes = store.subject, store.sizes
    is_delete = operation in DELETES
    most = max(1, store.data.rows // 2 // (sizes.rounds * len(sizes.concurrencies))) if is_delete else _MOST
    requests = store.requests(operation, most if is_delete else _DISTINCT)
    memory_mb = subject.memory_mb()
    if not is_delete and operation is not Operation.HEAVY:
        subject.send(requests, most=_WARM_UPS, concurrency=1, expect="", by=load.send)
    before = subject.cpu()
    seen = subject.send(requests, most=most, concurrency=concurrency, expect="", seconds=sizes.seconds, by=load.send)
    used = subject.cpu().since(before)
    if is_delete:
        store.deleted[operation] = store.deleted.get(operation, 0) + seen.requests
    now_mb = subject.memory_mb()
    grown_mb = None if memory_mb is None or now_mb is None else now_mb - memory_mb
    return _sample(operation, store, concurrency, seen, used, grown_mb)


def _sample(
    operation: Operation, store: Store, concurrency: int, seen: Seen, used: CpuTime, grown_mb: float | None
) -> Sample:
    server_ms, database_ms = (
        None if seconds is None else seconds * 1000 / seen.requests for seconds in (used.server_s, used.database_s)
    )
    return Sample(
        operation=operation.value,
        subject=store.subject.name,
        place=store.place.value,
        rows=store.data.rows,
        concurrency=concurrency,
        requests=seen.requests,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=server_ms,
        database_cpu_ms=database_ms,
        answer_bytes=seen.received_bytes // seen.requests,
        grown_mb=grown_mb,
        load_busy=seen.busy,
    )
