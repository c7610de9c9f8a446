"""Statements on PostgreSQL as a server sent them: written down by it, sent again without it.

``python -m benchmarks.records.statements FILE`` sends those of a pickled `Job` and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import uvloop

from benchmarks.load import LEAST, Seen
from benchmarks.processes import tree_cpu_s

CONNECTIONS = 8


@dataclass(frozen=True)
class Statement:
    """One statement with its parameters."""

    sql: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Script:
    """What a request does in PostgreSQL.

    Attributes:
        statements: in order.
        given: a text inside the parameters that differs from request to request; empty for none.
        values: what stands in its place, in turn; empty for a new id each time.
        is_cycled: start again after the last value.
    """

    statements: tuple[Statement, ...]
    given: str = ""
    values: tuple[str, ...] = ()
    is_cycled: bool = True

    def instance(self, index: int) -> tuple[Statement, ...] | None:
        """Return the statements of one request; None when the values are used up."""
        if not self.given:
            return self.statements
        if self.values and not self.is_cycled and index >= len(self.values):
            return None
        value = self.values[index % len(self.values)] if self.values else str(uuid.uuid4())
        return tuple(
            Statement(one.sql, tuple(_replace(arg, self.given, value) for arg in one.args)) for one in self.statements
        )


def _replace(arg: Any, given: str, value: str) -> Any:
    if isinstance(arg, str):
        return arg.replace(given, value)
    if isinstance(arg, list | tuple):
        return type(arg)(_replace(one, given, value) for one in arg)
    return arg


@dataclass
class _Run:
    script: Script
    most: int
    ends_at: float
    least: int
    begun: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def next(self) -> tuple[Statement, ...] | None:
        if self.begun >= self.most or (time.perf_counter() >= self.ends_at and self.begun >= self.least):
            return None
        self.begun += 1
        return self.script.instance(self.begun - 1)


@dataclass(frozen=True)
class Job:
    """A script to send again and again, over no more connections than a server has.

    Attributes:
        most: requests in all, at most.
        seconds: no request is begun later than this, but for the first ones: a median needs some.
        database_pid: of PostgreSQL, whose CPU time is read when all connections know the statements.
    """

    dsn: str
    script: Script
    concurrency: int
    most: int
    seconds: float
    database_pid: int


async def send(job: Job) -> Seen:
    """Send a script and return what was seen."""
    settings = {"jit": "off", "timezone": "UTC"}
    count = min(job.concurrency, CONNECTIONS)
    connections = [await asyncpg.connect(job.dsn, server_settings=settings) for _ in range(count)]
    try:
        await _prepare(connections, job.script)
        database_s = tree_cpu_s(job.database_pid)
        began, used = time.perf_counter(), time.process_time()
        run = _Run(job.script, job.most, began + job.seconds, max(count, LEAST))
        async with asyncio.TaskGroup() as workers:
            for connection in connections:
                workers.create_task(_work(connection, run))
        wall_s = time.perf_counter() - began
        return Seen(
            requests=len(run.latencies_s),
            wall_s=wall_s,
            p50_ms=median(run.latencies_s) * 1000 if run.latencies_s else 0.0,
            busy=(time.process_time() - used) / wall_s,
            database_cpu_s=None if database_s is None else (tree_cpu_s(job.database_pid) or 0.0) - database_s,
        )
    finally:
        for connection in connections:
            await connection.close()


async def _prepare(connections: Sequence[asyncpg.Connection[asyncpg.Record]], script: Script) -> None:
    """Have each connection know the statements, as a server's do; what they write is rolled back."""
    statements = (script.instance(0) or ()) if script.is_cycled else ()
    for connection in connections:
        await connection.execute("begin")
        for statement in statements:
            await connection.fetch(statement.sql, *statement.args)
        await connection.execute("rollback")


async def _work(connection: asyncpg.Connection[asyncpg.Record], run: _Run) -> None:
    while (statements := run.next()) is not None:
        began = time.perf_counter()
        for statement in statements:
            await connection.fetch(statement.sql, *statement.args)
        run.latencies_s.append(time.perf_counter() - began)


def read_trace(file: Path, offset: int = 0) -> list[Statement]:
    """Return what a traced server has written down since the offset."""
    return list(_read(file, offset))


def _read(file: Path, offset: int) -> Iterator[Statement]:
    with file.open("rb") as trace:
        trace.seek(offset)
        while True:
            try:
                yield Statement(*pickle.load(trace))
            except EOFError:
                return


def common(traces: Sequence[Sequence[Statement]]) -> tuple[Statement, ...]:
    """Return the statements of the last trace whose text is in all of them: a request's own, not what ran beside it."""
    texts = set.intersection(*({one.sql for one in trace} for trace in traces))
    return tuple(one for one in traces[-1] if one.sql in texts)


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(asdict(uvloop.run(send(job)))))


if __name__ == "__main__":
    main()
