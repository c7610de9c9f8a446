"""This process as a node: its lock, its lease, and its watch over the others, in a thread with its own connection.

The thread keeps the lease while the event loop is blocked; a tool that blocks it does not lose the node its runs.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from serai.errors import DatabaseUnavailableError
from serai.storage import nodes
from serai.storage.connection import Connection, connect, is_connection_failure

BEAT_S: Final = 0.6
BEATS_PER_ORPHAN_LOOK: Final = 8
_log = structlog.get_logger("serai.engine")


class Node:
    """A member of the cluster.

    Args:
        dsn: a direct connection to PostgreSQL.
        name: for people; default host name and process id.
        lease_s: seconds after which a frozen node's runs are taken over.
        on_released: called in the thread when another node's runs or jobs have become claimable.
    """

    def __init__(self, dsn: str, *, name: str | None, lease_s: float, on_released: Callable[[], None]) -> None:
        self.id = secrets.token_hex(8)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._dsn = dsn
        self._lease_s = lease_s
        self._on_released = on_released
        self._lock_key = int.from_bytes(bytes.fromhex(self.id), signed=True)
        self._peer_count = 0
        self._watched_at: float | None = None
        self._renewed_at = -math.inf
        self._patient_until = 0.0
        self._beats = 0
        self._suspects: dict[str, float] = {}
        self._registered = threading.Event()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="serai-node", daemon=True)

    @property
    def is_alone(self) -> bool:
        """Whether no other node was there at the last look."""
        return self._peer_count == 0

    @property
    def holds_lease(self) -> bool:
        """Whether others take this node for alive: not so for a moment after it was frozen."""
        return time.monotonic() - self._renewed_at < self._lease_s

    async def start(self) -> None:
        """Register; return when the lock is held and the row is there."""
        self._thread.start()
        await asyncio.to_thread(self._registered.wait)
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Leave the cluster: runs and jobs still held become claimable at once, then row and lock go."""
        self._stopping.set()
        if self._loop is not None and self._wake is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._wake.set)
        await asyncio.to_thread(self._thread.join, 10)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits in start
            self._failure = error
            _log.error("node_thread_failed", exc_info=True)
        finally:
            self._registered.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        pause_s = 0.02
        while not self._stopping.is_set():
            try:
                connection = await connect(self._dsn, application_name="serai-node")
                try:
                    await self._live(connection)
                finally:
                    connection.terminate()
            except Exception as error:
                if not isinstance(error, DatabaseUnavailableError) and not is_connection_failure(error):
                    if not self._registered.is_set():
                        raise
                    _log.exception("node_beat_failed")
                # Short: a node must have its lock back before the others look twice.
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.2)

    async def _live(self, connection: Connection) -> None:
        wake = self._wake
        assert wake is not None
        # A lost connection is noticed at once, not at the next beat: the lock must be back before others look twice.
        connection.add_termination_listener(lambda _: wake.set())
        self._suspects.clear()
        await nodes.hold_lock(connection, self._lock_key)
        await nodes.register_node(connection, self.id, name=self.name, lock_key=self._lock_key, lease_s=self._lease_s)
        self._renewed_at = time.monotonic()
        await self._watch(connection)
        self._registered.set()
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(BEAT_S):
                    await wake.wait()
                wake.clear()
            except TimeoutError:
                pass
            if time.monotonic() - self._renewed_at > self._lease_s / 4:
                await nodes.renew_lease(connection, self.id, lease_s=self._lease_s)
                self._renewed_at = time.monotonic()
            await self._watch(connection)
        if await nodes.release_runs_of(connection, [self.id], is_takeover=False):
            self._on_released()
        await nodes.remove_nodes(connection, [self.id])

    async def _watch(self, connection: Connection) -> None:
        peers = await nodes.list_peers(connection, self.id)
        vanished = [peer.id for peer in peers if peer.is_lock_free]
        self._beats += 1
        if self._beats % BEATS_PER_ORPHAN_LOOK < 2:  # two beats in a row, for a suspicion takes two looks
            vanished += await nodes.list_orphans(connection)
        now = time.monotonic()
        if self._watched_at is not None and now - self._watched_at > 3 * BEAT_S:
            # My own look came late: the database stood still, and with it the leases of healthy nodes.
            self._patient_until = now + self._lease_s
        self._watched_at = now
        self._suspects = {node_id: self._suspects.get(node_id, now) for node_id in vanished}
        dead = [node_id for node_id, since in self._suspects.items() if now - since >= BEAT_S * 0.9]
        expired = [peer.id for peer in peers if peer.is_expired and not peer.is_lock_free]
        frozen = expired if now >= self._patient_until else []
        if dead or frozen:
            released = await nodes.release_runs_of(connection, dead + frozen, is_takeover=True)
            await nodes.remove_nodes(connection, dead)
            if released:
                _log.warning("taken_over", count=released, dead=dead, frozen=frozen)
                self._on_released()
        self._peer_count = sum(1 for peer in peers if peer.id not in dead)
