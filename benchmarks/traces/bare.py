"""The least that reading and writing traces can cost: the statements alone, on Serai's tables, from this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any, Final
from uuid import UUID

from benchmarks.database import run
from benchmarks.state.copies import Connection
from benchmarks.traces.asks import trace_id
from benchmarks.traces.operations import PAGE_SIZE, Operation
from benchmarks.traces.results import Sample
from serai.domain.traces import Span
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.telemetry.capture import Capture
from serai.telemetry.otlp_in.batch import read_batch
from serai.telemetry.otlp_in.intake import PROTOBUF
from serai.telemetry.otlp_in.mapping import SpanMapper
from serai.telemetry.writer import MOST_AT_ONCE

BARE: Final = "the bare statement"
_LEAST = 5
_NEWEST = f"""
select * from traces where project_id = 'default' order by started_at desc, trace_id desc limit {PAGE_SIZE}"""
_DETAIL = "select * from spans where project_id = 'default' and trace_id = $1 order by started_at limit 10000"
CpuS = Callable[[], float | None]


def read_bare(operation: Operation, dsn: str, traces: int, *, seconds: float, database_cpu_s: CpuS) -> Sample:
    """Run the statement of a question again and again, prepared, on one connection."""
    sql = _DETAIL if operation is Operation.DETAIL else _NEWEST

    async def act(connection: Connection) -> Sample:
        statement = await connection.prepare(sql)

        async def ask(index: int) -> Any:
            wanted = [UUID(trace_id(1 + index * 7919 % traces))] if operation is Operation.DETAIL else []
            return await statement.fetch(*wanted)

        return await _time(ask, operation, traces, seconds=seconds, most=None, database_cpu_s=database_cpu_s)

    return run(dsn, act)


def read_bodies(bodies: Sequence[bytes]) -> list[Span]:
    """Return the spans of what another program sends, as the server makes them."""
    mapper = SpanMapper(Capture(), project_id="bare")
    return [span for body in bodies for span in read_batch(PROTOBUF.read(body), mapper).spans]


def write_bare(operation: str, dsn: str, spans: Sequence[Span], *, database_cpu_s: CpuS) -> Sample:
    """Write spans by the statement that the server has for them, as many at once as it does."""

    async def act() -> Sample:
        database = Database(dsn, connections=1)
        await database.open()
        try:
            store = SpanStore(database)
            parts = [spans[first : first + MOST_AT_ONCE] for first in range(0, len(spans), MOST_AT_ONCE)]
            sample = await _time(
                lambda index: store.write(parts[index]),
                operation,
                0,
                seconds=float("inf"),
                most=len(parts),
                database_cpu_s=database_cpu_s,
            )
        finally:
            await database.close()
        return per_item(sample, len(spans))

    return asyncio.run(act())


def per_item(sample: Sample, count: int) -> Sample:
    """Return a sample of requests as one of what came with them."""
    share = sample.count / count
    times = [None if one is None else one * share for one in (sample.server_cpu_ms, sample.database_cpu_ms)]
    return Sample(
        operation=sample.operation,
        subject=sample.subject,
        traces=sample.traces,
        concurrency=sample.concurrency,
        count=count,
        wall_ms=sample.wall_ms * share,
        p50_ms=sample.p50_ms,
        server_cpu_ms=times[0],
        database_cpu_ms=times[1],
        load_busy=sample.load_busy,
    )


async def _time(
    ask: Callable[[int], Awaitable[Any]],
    operation: str,
    traces: int,
    *,
    seconds: float,
    most: int | None,
    database_cpu_s: CpuS,
) -> Sample:
    waits: list[float] = []
    before, used, began = database_cpu_s(), time.process_time(), time.perf_counter()
    while (len(waits) < _LEAST or time.perf_counter() - began < seconds) and (most is None or len(waits) < most):
        sent = time.perf_counter()
        await ask(len(waits))
        waits.append(time.perf_counter() - sent)
    wall_s, cpu_s, after = time.perf_counter() - began, time.process_time() - used, database_cpu_s()
    return Sample(
        operation=operation,
        subject=BARE,
        traces=traces,
        concurrency=1,
        count=len(waits),
        wall_ms=wall_s * 1000 / len(waits),
        p50_ms=median(waits) * 1000,
        server_cpu_ms=cpu_s * 1000 / len(waits),
        database_cpu_ms=None if before is None or after is None else (after - before) * 1000 / len(waits),
        load_busy=0.0,
    )
