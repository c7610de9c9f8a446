"""A database that stands still takes the leases of healthy nodes with it: nobody's runs may be taken over for that."""

from __future__ import annotations

import asyncio
import os
import signal

from serai.engine.node import Node
from serai.storage.runs import RunStore
from tests.postgres import POSTGRES_VERSION, PostgresServer, fresh_database, running_server
from tests.run_values import new_run, open_database, submit

LEASE_S = 2.0


_BACKENDS = """
select pid, application_name = 'serai-node' as is_node from pg_stat_activity
where pid <> pg_backend_pid() and backend_type = 'client backend' order by backend_start"""


def send(process_ids: list[int], number: signal.Signals) -> None:
    for process_id in process_ids:
        os.kill(process_id, number)


def test_a_standstill_of_the_database_is_no_reason_to_take_runs_over():
    released: list[str] = []
    with running_server(POSTGRES_VERSION) as server:
        asyncio.run(stand_still(server, released))


async def stand_still(server: PostgresServer, released: list[str]) -> None:
    async with fresh_database(server) as dsn, open_database(dsn) as database:
        nodes = [Node(dsn, name=name, lease_s=LEASE_S, on_released=lambda: released.append("")) for name in ("a", "b")]
        for node in nodes:
            await node.start()
            await submit(RunStore(database), new_run(f"session of {node.name}", node_id=node.id))
        backends = await database.fetch(_BACKENDS)
        first, *others = [row["pid"] for row in backends if row["is_node"]]
        send([first, *others], signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE_S)
        # One node is served again before the other, whose lease has run out through no fault of its own.
        send([first], signal.SIGCONT)
        await asyncio.sleep(1.5)
        send(others, signal.SIGCONT)
        await asyncio.sleep(1)
        runs = await database.fetch("select takeovers, status from runs")
        assert [tuple(row.values()) for row in runs] == [(0, "RUNNING")] * 2
        assert released == []
        for node in nodes:
            await node.stop()
