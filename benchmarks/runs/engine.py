"""The engine load: some node processes at once on one PostgreSQL whose commits take three milliseconds."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.database import Server, execute, run
from benchmarks.processes import ApartError
from benchmarks.runs.engine_node import Job
from benchmarks.runs.operations import COMMIT_MS, Sizes, Step
from benchmarks.runs.results import EngineSample
from benchmarks.runs.standby import DelayedStandby
from serai.storage.migrate import migrate

_ROOT = Path(__file__).parent.parent.parent
_COMMITS = 50
_QUEUED_PER_S = 6000
_EMPTY = "truncate runs, sessions, run_events, run_steps"


def measure_engine(
    server: Server, sizes: Sizes, folder: Path, report: Callable[[str], None]
) -> tuple[list[EngineSample], dict[str, float]]:
    """Return what each number of nodes got done, and what a commit took with and without the delay."""
    dsn = server.create("engine")
    asyncio.run(migrate(dsn))
    execute(dsn, "create table commits (number bigint)")
    plain_ms = _commit_ms(dsn)
    with DelayedStandby(server) as standby:
        standby.delay_s = max(0.0, COMMIT_MS - _commit_ms(dsn)) / 1000
        delayed_ms = _commit_ms(dsn)
        report(f"engine: a commit takes {delayed_ms:.2f} ms, {plain_ms:.2f} ms without the delayed standby")
        samples = [
            sample
            for _ in range(sizes.rounds)
            for nodes in sizes.nodes
            for sample in _measure_nodes(dsn, nodes, sizes, folder, report)
        ]
    return samples, {"delayed": delayed_ms, "plain": plain_ms}


def _measure_nodes(
    dsn: str, count: int, sizes: Sizes, folder: Path, report: Callable[[str], None]
) -> Iterator[EngineSample]:
    execute(dsn, _EMPTY)
    queued = max(1, round(_QUEUED_PER_S * sizes.engine_s / count))
    jobs = [Job(f"node-{number}", dsn, sizes.engine_s, queued) for number in range(count)]
    with ExitStack() as stack:
        nodes = [stack.enter_context(_Process(job, folder)) for job in jobs]
        for step in Step:
            for node in nodes:
                node.read()
            busy = _busy_s()
            for node in nodes:
                node.go()
            seen = [node.read() for node in nodes]
            wall_s = max(one["wall_s"] for one in seen)
            done = sum(int(one["done"]) for one in seen)
            busy_cores = None if busy is None else ((_busy_s() or busy) - busy) / wall_s
            report(f"engine, {count} nodes, {step}: {done / wall_s:,.0f} per second")
            yield EngineSample(step.value, count, done, done / wall_s, busy_cores)


class _Process:
    """A node in a process of its own."""

    def __init__(self, job: Job, folder: Path) -> None:
        file = folder / f"{job.node_id}.pickle"
        file.write_bytes(pickle.dumps(job))
        self._errors = file.with_suffix(".log")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.runs.engine_node", str(file)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def go(self) -> None:
        """Let it begin with the step for which it is ready."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Return what it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ApartError(f"a node of the engine load failed:\n{self._errors.read_text()[-3000:]}")
        said: dict[str, Any] = json.loads(line)
        return said


def _commit_ms(dsn: str) -> float:
    """Return what one small durable commit takes, for a caller that does nothing else."""

    async def act(connection: Any) -> float:
        took = []
        for number in range(_COMMITS):
            began = time.perf_counter()
            await connection.execute("insert into commits values ($1)", number)
            took.append(time.perf_counter() - began)
        return median(took) * 1000

    return run(dsn, act)


def _busy_s() -> float | None:
    """Return the seconds for which the machine's cores have worked in all; None where there is no ``/proc``."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, interrupts, soft = map(int, stat.read_text().split()[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
