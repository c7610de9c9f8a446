"""Retention as a nightly job: once a day on however many nodes, and told as it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from serai.engine.jobs import JobRunner
from serai.engine.retention import JOB, Retention, RetentionRules, enqueue_nightly
from serai.storage.connection import Database
from serai.storage.jobs import JobStatus, JobStore
from tests.run_values import until

NODES = ("one", "two", "three")
MADE = """
insert into sessions (project_id, id, kind, updated_at)
select 'p', 's' || n, 'agent', now() - interval '31 days' from generate_series(1, 250) as n"""


@pytest.fixture
async def runners(database: Database) -> AsyncIterator[list[JobRunner]]:
    retention = Retention(database, RetentionRules(sessions=30))
    async with AsyncExitStack() as stack:
        made = [JobRunner(database, node, {JOB: retention.do}) for node in NODES]
        for runner in made:
            runner.start()
            stack.push_async_callback(runner.stop)
        yield made


async def ask(database: Database, runners: list[JobRunner]) -> list[JobStatus]:
    """Have every node ask for the job several times, and return how all jobs have ended."""
    store = JobStore(database)
    await asyncio.gather(*(enqueue_nightly(store, runner) for runner in runners * 3))
    await until(database, "select bool_and(ended_at is not null) from jobs")
    return [job.status for job in await store.list(kind=JOB)]


async def test_the_rules_are_applied_once_a_day(database: Database, runners: list[JobRunner]):
    await database.execute(MADE)
    assert await ask(database, runners) == [JobStatus.COMPLETED]
    assert await ask(database, runners) == [JobStatus.COMPLETED]
    assert await database.fetchval("select count(*) from sessions") == 0
    (job,) = await JobStore(database).list(kind=JOB)
    assert job.progress is not None
    assert job.progress["removed"]["sessions"] == 250
    await database.execute("update jobs set created_at = created_at - interval '1 day'")
    assert await ask(database, runners) == [JobStatus.COMPLETED] * 2


async def test_what_went_before_a_restart_is_told_too(database: Database):
    await database.execute(MADE)
    store = JobStore(database)
    await store.enqueue(JOB, {}, project_id="p")
    (record,) = await store.claim([JOB], node_id="killed", limit=1)
    await store.report(record, {"removed": {"sessions": 17}})
    await store.release({record.id: record.epoch}, node_id="killed")
    runner = JobRunner(database, "next", {JOB: Retention(database, RetentionRules(sessions=30)).do})
    runner.start()
    try:
        await until(database, "select ended_at is not null from jobs")
    finally:
        await runner.stop()
    job = await store.get(record.id)
    assert job is not None
    assert (job.status, job.progress and job.progress["removed"]["sessions"]) == (JobStatus.COMPLETED, 267)
