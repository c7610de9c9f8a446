"""Nodes are killed, frozen and stopped in the middle of background jobs; another one ends the jobs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.processes import Process
from serai.storage.connection import Database
from serai.storage.jobs import JobRecord, JobStatus, JobStore
from tests.acceptance.cluster import Cluster
from tests.run_values import open_database, until

STEPS = 150
BUSY = "select (progress->>'steps')::int > 10 from jobs"
DONE = "select status = 'COMPLETED' from jobs"


@pytest.fixture
async def database(cluster: Cluster) -> AsyncIterator[Database]:
    cluster.os_file = Path(__file__).parent / "jobs_os.py"
    async with open_database(cluster.dsn) as opened:
        yield opened


def holder(cluster: Cluster) -> Process:
    """Return the worker that has begun the job."""
    pid = int(cluster.ledger[0].removeprefix("begun "))
    return next(worker for worker in cluster.workers if worker.pid == pid)


async def begin(cluster: Cluster, database: Database) -> Process:
    """Have one of two workers begin a job; return that worker when it is in the middle of it."""
    await JobStore(database).enqueue("steps", {"steps": STEPS}, project_id="p")  # they look for jobs when they start
    for _ in range(2):
        await asyncio.to_thread(cluster.start_worker, lease_s="2")
    await until(database, "select status = 'RUNNING' from jobs", timeout_s=20)
    await until(database, BUSY)
    return holder(cluster)


async def end(database: Database) -> JobRecord:
    await until(database, DONE, timeout_s=30)
    (record,) = await JobStore(database).list()
    assert (record.status, record.progress) == (JobStatus.COMPLETED, {"steps": STEPS})
    return record


def steps_of(cluster: Cluster, worker: Process) -> list[int]:
    lines = [line.split() for line in cluster.ledger]
    return [int(line[1]) for line in lines if line[0] == "step" and int(line[2]) == worker.pid]


async def test_a_killed_nodes_job_is_ended_by_another_from_where_it_was(cluster: Cluster, database: Database):
    doomed = await begin(cluster, database)
    doomed.kill()
    record = await end(database)
    assert (record.attempts, record.epoch) == (2, 2)
    (survivor,) = (worker for worker in cluster.workers if worker is not doomed)
    first, second = steps_of(cluster, doomed), steps_of(cluster, survivor)
    assert len(first) + len(second) in (STEPS - 1, STEPS), "the last report may have been made and not noted"
    assert sorted(first + second) == first + second


async def test_a_frozen_nodes_job_is_ended_by_another_and_the_thawed_one_stops(cluster: Cluster, database: Database):
    frozen = await begin(cluster, database)
    frozen.send_signal(signal.SIGSTOP)
    await until(database, "select epoch = 2 from jobs", timeout_s=20)
    frozen.send_signal(signal.SIGCONT)
    assert (await end(database)).attempts == 2
    steps = [int(line.split()[1]) for line in cluster.ledger if line.startswith("step")]
    assert len(steps) == len(set(steps)), "no step twice"
    assert f"stopped {frozen.pid}" in cluster.ledger


async def test_a_stopping_node_hands_its_job_over_and_no_attempt_is_lost(cluster: Cluster, database: Database):
    stopping = await begin(cluster, database)
    stopping.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stopping.wait, 20) == 0
    record = await end(database)
    assert (record.attempts, record.epoch) == (1, 2)
