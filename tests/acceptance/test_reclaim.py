"""A node that lost its run and claims the same run again: its first task is in the way, and must not be."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter

import pytest

from serai.engine.node import Node as Watcher
from tests.acceptance.cluster import Cluster, follow, read_run, submit
from tests.run_values import open_database, until


@pytest.mark.parametrize("message", ["stream 150 0.02", "tools " + " ".join("abcdefghijklmnop")])
async def test_a_thawed_node_goes_on_with_the_run_it_had_lost(cluster: Cluster, message: str):
    node = cluster.start_node(lease_s="2")
    released = threading.Event()
    # A node that takes runs from the frozen one and claims none itself.
    watcher = Watcher(cluster.dsn, name="watcher", lease_s=60, on_released=released.set)
    await watcher.start()
    try:
        async with open_database(cluster.dsn) as database:
            await submit(node.base_url, message, run_id="run-1", stream="true")
            await until(database, "select count(*) > 20 from run_events")
            node.signal(signal.SIGSTOP)
            assert await asyncio.to_thread(released.wait, 10)
            node.signal(signal.SIGCONT)
            async with asyncio.timeout(30):
                events = [event async for event in follow(node.base_url, "run-1")]
            assert await database.fetchval("select epoch from runs") == 2
    finally:
        await watcher.stop()
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["event"] == "RunCompleted"
    assert (await read_run(node.base_url, "run-1"))["status"] == "COMPLETED"
    tools = Counter(line for line in cluster.ledger if line.startswith("tool "))
    assert sum(tools.values()) - len(tools) <= 1, "only the call in flight was made again"
