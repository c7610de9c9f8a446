"""A node is killed before, while and after a run stores what it learnt of its user: another one sees to the rest."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.acceptance.cluster import Cluster, submit
from tests.run_values import open_database, until


@pytest.mark.parametrize(
    ("fault", "window"),
    [
        ("before_step_commit/tool_call/1/call:kill", ("RUNNING", 1, 0)),
        ("after_finish_commit:kill", ("COMPLETED", 1, 1)),
    ],
)
async def test_what_a_run_of_a_killed_node_learnt_is_remembered_once(
    cluster: Cluster, fault: str, window: tuple[str, int, int]
):
    cluster.os_file = Path(__file__).parent / "memory_os.py"
    doomed = cluster.start_node(fault=fault)
    await submit(doomed.base_url, "I have a dog. Be short.", run_id="run-1", user_id="ann")
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    async with open_database(cluster.dsn) as database:
        counts = "(select count(*) from memories), (select count(*) from jobs where status = 'PENDING')"
        found = await database.fetchrow(f"select status, {counts} from runs")
        assert tuple(found or ()) == window, "the kill was meant for another moment"
        cluster.start_node()
        await until(database, "select exists (select from jobs where status = 'COMPLETED')", timeout_s=20)
        changes = await database.fetch("select origin, run_id from memory_changes order by id")
        memories = await database.fetch("select memory from memories order by id")
    assert [tuple(row) for row in changes] == [("tool", "run-1"), ("extraction", "run-1")]
    assert [row["memory"] for row in memories] == ["Wants short answers.", "Has a dog."]
