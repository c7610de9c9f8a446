"""Who is measured: stores behind HTTP, and statements straight on asyncpg."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Load, Seen, send_apart
from benchmarks.processes import ServerProcess, postgres_pid, run_apart, tree_cpu_s
from benchmarks.records import dataset
from benchmarks.records.operations import Operation
from benchmarks.records.results import Sample
from benchmarks.records.statements import Job, Script
from benchmarks.records.stores import SERAI, Store, StoreError

BOUND = "asyncpg"
BARE = "bare ASGI and asyncpg"
BARE_BATCHED = "the same, batched"
SMALL = "Serai, small store"
_DISTINCT = 2000


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rows: records in all.
        small_rows: records of the small store.
        seconds: of load in each sample.
        rounds: samples of each kind.
        most: requests in a sample, at most.
        settled_s: Serai's indexes are taken for built when none has come or gone for so long.
    """

    rows: int = 1_000_000
    small_rows: int = 10_000
    seconds: float = 2.0
    rounds: int = 3
    most: int = 50_000
    settled_s: float = 8.0

    @property
    def deletes(self) -> int:
        """Deletes by query in one sample: a batch can be deleted once, by Serai or straight on asyncpg."""
        return max(1, dataset.batches(self.rows) // 2 // (2 * self.rounds + 1))


@dataclass
class HttpSubject:
    """A server that is asked over HTTP."""

    name: str
    server: ServerProcess
    store: Store
    operations: tuple[Operation, ...]
    postgres_folder: Path
    sizes: Sizes
    deleted: int = 0

    def measure(self, operation: Operation, concurrency: int) -> Sample | None:
        """Put load on the server; None when it has no such operation."""
        most = self.sizes.deletes if operation is Operation.DELETE else self.sizes.most
        requests = self._requests(operation, most)
        if not requests:
            return None
        is_cycled = operation is not Operation.DELETE
        load = Load(self.server.port, requests, is_cycled, concurrency, most, self.sizes.seconds)
        before = self._cpu()
        seen = send_apart(load)
        after = self._cpu()
        if operation is Operation.DELETE:
            self.deleted += seen.requests
        _check(self.name, operation, seen, self.server)
        return _sample(operation, self.name, concurrency, seen, before, after)

    def _requests(self, operation: Operation, most: int) -> list[bytes]:
        first = self.deleted if operation is Operation.DELETE else 0
        found = (self.store.request(operation, first + index) for index in range(min(most, _DISTINCT)))
        return [one.encode(f"127.0.0.1:{self.server.port}") for one in found if one is not None]

    def _cpu(self) -> tuple[float | None, float | None]:
        database = postgres_pid(self.postgres_folder)
        return tree_cpu_s(self.server.pid), tree_cpu_s(database) if database else None


@dataclass
class BoundSubject:
    """Serai's statements, sent from a process that does nothing else."""

    dsn: str
    scripts: dict[Operation, Script]
    postgres_folder: Path
    sizes: Sizes
    name: str = BOUND
    operations: tuple[Operation, ...] = tuple(Operation)
    deleted: int = field(default=0)

    def measure(self, operation: Operation, concurrency: int) -> Sample | None:
        """Send the statements of an operation."""
        script, most = self.scripts[operation], self.sizes.most
        if operation is Operation.DELETE:
            most = self.sizes.deletes
            values = script.values[self.deleted : self.deleted + most]
            self.deleted += len(values)
            script = Script(script.statements, script.given, values, is_cycled=False)
        database = postgres_pid(self.postgres_folder)
        assert database is not None
        job = Job(self.dsn, script, concurrency, most, self.sizes.seconds, database)
        seen = Seen(**run_apart("benchmarks.records.statements", job))
        return _sample(operation, self.name, concurrency, seen, (None, 0.0), (None, seen.database_cpu_s))


Subject = HttpSubject | BoundSubject


def _check(name: str, operation: Operation, seen: Seen, server: ServerProcess) -> None:
    """Refuse failures: nothing is measured then. Peers may refuse some, which their rows tell."""
    is_ours = name in (SERAI, SMALL, BARE, BARE_BATCHED)
    if seen.failures == seen.requests or (is_ours and seen.failures):
        what = f"{name}, {operation}: {seen.failures} of {seen.requests} failed"
        raise StoreError(f"{what}:\n{seen.failed}\n{server.output()}")


def _sample(
    operation: Operation,
    name: str,
    concurrency: int,
    seen: Seen,
    before: tuple[float | None, float | None],
    after: tuple[float | None, float | None],
) -> Sample:
    server_ms, database_ms = (
        None if one is None or other is None else (other - one) * 1000 / seen.requests
        for one, other in zip(before, after, strict=True)
    )
    return Sample(
        operation=operation.value,
        subject=name,
        concurrency=concurrency,
        requests=seen.requests,
        failures=seen.failures,
        wall_ms=seen.wall_s * 1000 / seen.requests,
        p50_ms=seen.p50_ms,
        server_cpu_ms=server_ms,
        database_cpu_ms=database_ms,
        load_busy=seen.busy,
        failure=seen.failed.partition("\r\n")[0].removeprefix("HTTP/1.1 "),
    )
