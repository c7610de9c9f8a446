"""Nodes on a real PostgreSQL, as their thread keeps them: the dead and frozen lose their runs, the living do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from serai.engine.node import BEAT_S, Node
from serai.errors import ConfigurationError
from serai.storage import nodes
from serai.storage.connection import Database, connect
from serai.storage.runs import RunStore
from tests.postgres import PostgresServer
from tests.run_values import begin, claim, new_run, submit, until

STATUS = "select status from runs"


class Released:
    """Counts how often a node's thread said that runs had become claimable."""

    def __init__(self) -> None:
        self.times = 0
        self._said = threading.Event()

    def __call__(self) -> None:
        self.times += 1
        self._said.set()

    async def wait(self) -> None:
        assert await asyncio.to_thread(self._said.wait, 10)


@asynccontextmanager
async def node(dsn: str, released: Released | None = None, *, lease_s: float = 60) -> AsyncIterator[Node]:
    member = Node(dsn, name=None, lease_s=lease_s, on_released=released or Released())
    await member.start()
    try:
        yield member
    finally:
        await member.stop()


HOLDER = """
select pid from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted
and (classid::bigint << 32 | objid::bigint) = $1"""


def lock_key(member: Node) -> int:
    return int.from_bytes(bytes.fromhex(member.id), signed=True)


async def test_a_node_is_registered_while_it_lives(database: Database):
    async with node(database.dsn) as member:
        row = await database.fetchrow("select id, name, lease_until > now() + '50 s' as has_lease from nodes")
        assert row is not None
        assert (row["id"], row["has_lease"]) == (member.id, True)
        assert member.is_alone
    assert await database.fetchval("select count(*) from nodes") == 0


async def test_nodes_see_each_other(database: Database):
    async with node(database.dsn) as first, node(database.dsn) as second:
        assert not second.is_alone
        while first.is_alone:  # noqa: ASYNC110 - it learns in its own thread
            await asyncio.sleep(0.02)
    assert first.id != second.id


async def test_a_node_that_cannot_register_says_why(postgres_server: PostgresServer):
    member = Node(postgres_server.url("nowhere"), name=None, lease_s=10, on_released=Released())
    with pytest.raises(ConfigurationError):
        await member.start()


async def test_a_stopping_nodes_runs_can_be_claimed_at_once_and_count_as_no_takeover(database: Database):
    store, released = RunStore(database), Released()
    async with node(database.dsn, released) as member:
        record = await begin(store, node_id=member.id)
    (claimed,) = await claim(store)
    assert (claimed.key, claimed.epoch, claimed.takeovers) == (record.key, 2, 0)
    assert released.times == 1


async def test_a_dead_nodes_runs_are_taken_over_after_two_looks_and_its_row_goes(database: Database):
    store, released = RunStore(database), Released()
    holder = await connect(database.dsn)
    await nodes.hold_lock(holder, 7)
    await nodes.register_node(holder, "doomed", name="doomed", lock_key=7, lease_s=60)
    record = await begin(store, node_id="doomed")
    async with node(database.dsn, released):
        started = asyncio.get_running_loop().time()
        holder.terminate()
        await released.wait()
        assert asyncio.get_running_loop().time() - started >= BEAT_S * 0.9, "one look is not enough"
        (claimed,) = await claim(store)
        assert (claimed.key, claimed.takeovers) == (record.key, 1)
        await until(database, "select not exists (select from nodes where id = 'doomed')")


async def test_a_node_that_holds_its_lock_keeps_its_runs(database: Database):
    store, released = RunStore(database), Released()
    async with node(database.dsn) as member, node(database.dsn, released):
        await begin(store, node_id=member.id)
        await asyncio.sleep(3 * BEAT_S)
        assert await database.fetchval(STATUS) == "RUNNING"
        assert released.times == 0


async def test_a_frozen_nodes_runs_are_taken_over_and_its_row_stays(database: Database):
    """It holds its lock and does not renew its lease."""
    store, released = RunStore(database), Released()
    holder = await connect(database.dsn)
    await nodes.hold_lock(holder, 7)
    await nodes.register_node(holder, "frozen", name="frozen", lock_key=7, lease_s=0.3)
    record = await begin(store, node_id="frozen")
    async with node(database.dsn, released):
        await released.wait()
        (claimed,) = await claim(store)
        assert (claimed.key, claimed.takeovers) == (record.key, 1)
        assert await database.fetchval("select count(*) from nodes") == 2
    holder.terminate()


async def test_a_lease_is_renewed_while_the_event_loop_is_blocked(database: Database):
    async with node(database.dsn, lease_s=1.5) as member, node(database.dsn, Released(), lease_s=1.5):
        await begin(RunStore(database), node_id=member.id)
        release = threading.Event()
        threading.Timer(2.5, release.set).start()
        release.wait()  # the loop stands still for longer than the lease
        assert await database.fetchval("select min(lease_until) > now() from nodes")
        assert await database.fetchval(STATUS) == "RUNNING"


async def test_runs_of_a_node_that_is_not_registered_are_taken_over(database: Database):
    store, released = RunStore(database), Released()
    record = await begin(store, node_id="never-seen")
    async with node(database.dsn, released):
        await released.wait()
        (claimed,) = await claim(store)
        assert (claimed.key, claimed.takeovers) == (record.key, 1)


async def test_a_node_that_loses_its_connection_has_its_lock_back_before_others_look_twice(database: Database):
    store, released = RunStore(database), Released()
    async with node(database.dsn) as member, node(database.dsn, released):
        await begin(store, node_id=member.id)
        for _ in range(5):
            holder = await database.fetchval(HOLDER, lock_key(member))
            await database.fetchval("select pg_terminate_backend($1, 1000)", holder)
            async with asyncio.timeout(BEAT_S / 2):
                assert await until(database, HOLDER, lock_key(member)) != holder
        await asyncio.sleep(2 * BEAT_S)
        assert await database.fetchval(STATUS) == "RUNNING"
        assert await database.fetchval("select takeovers from runs") == 0
        assert released.times == 0
        assert await database.fetchval("select count(*) from nodes") == 2


async def test_waiting_runs_are_no_business_of_the_watch(database: Database):
    store = RunStore(database)
    holder = await connect(database.dsn)
    await nodes.register_node(holder, "doomed", name="doomed", lock_key=7, lease_s=60)
    session = await submit(store, new_run(node_id="doomed"), new_run())
    assert await nodes.release_runs_of(holder, ["doomed", "unknown"], is_takeover=True) == 1
    rows = await database.fetch("select position, status, ready, takeovers from runs order by position")
    assert [tuple(row) for row in rows] == [(1, "PENDING", True, 1), (2, "PENDING", False, 0)]
    assert [record.key for record in await claim(store)] == [session[0].key]
    holder.terminate()


async def test_a_look_at_the_peers_does_not_keep_a_node_from_its_lock(database: Database):
    holder = await connect(database.dsn)
    await nodes.register_node(holder, "free", name="free", lock_key=7, lease_s=60)
    async with database.connection() as watcher:
        assert await nodes.list_peers(watcher, "watcher") == [nodes.Peer("free", is_expired=False, is_lock_free=True)]
        await asyncio.wait_for(nodes.hold_lock(holder, 7), 1)
        assert await nodes.list_peers(watcher, "watcher") == [nodes.Peer("free", is_expired=False, is_lock_free=False)]
    holder.terminate()
