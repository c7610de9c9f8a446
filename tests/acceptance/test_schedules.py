"""A node is killed between a schedule's run and the schedule itself; another one neither loses nor repeats the run."""

from __future__ import annotations

import contextlib
from pathlib import Path

import asyncpg
import httpx

from tests.acceptance.cluster import Cluster
from tests.run_values import until

OS_FILE = Path(__file__).parent / "schedule_os.py"


async def test_a_kill_between_run_and_schedule_neither_loses_nor_repeats_the_run(cluster: Cluster):
    cluster.os_file = OS_FILE
    doomed = cluster.start_node(fault="before_schedule_commit:kill")
    connection = await asyncpg.connect(cluster.dsn)
    try:
        due = "update schedules set next_fire_at = date_trunc('second', now()) returning next_fire_at"
        due_at = await connection.fetchval(due)
        async with httpx.AsyncClient(base_url=doomed.base_url) as client:
            with contextlib.suppress(httpx.TransportError):  # it may be gone before it has answered
                await client.post("/schedules/seldom/resume")  # has it look now
        doomed.wait()
        assert await connection.fetchval("select count(*) from runs") == 1
        assert await connection.fetchval("select next_fire_at from schedules") == due_at
        cluster.start_node()
        await until(connection, "select last_run_id is not null from schedules", timeout_s=20)
        await until(connection, "select status = 'COMPLETED' from runs", timeout_s=20)
        assert await connection.fetchval("select count(*) from runs") == 1
        assert await connection.fetchval("select last_fire_at from schedules") == due_at
        assert await connection.fetchval("select last_run_id = runs.id from schedules, runs")
        assert await connection.fetchval("select next_fire_at > now() from schedules")
    finally:
        await connection.close()
