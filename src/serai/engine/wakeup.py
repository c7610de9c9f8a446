"""Wake-ups between nodes: one connection that listens and notifies, after the commits and coalesced.

A wake-up is a hint: whoever misses one polls within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from serai.errors import DatabaseUnavailableError, SeraiError
from serai.storage.connection import Connection, connect, is_connection_failure

CHANNEL: Final = "serai_wakeup"
SHARDS: Final = 64
ALL_SHARDS: Final = (1 << SHARDS) - 1
_COALESCE_S: Final = 0.01
_RUNS: Final = 1
_JOBS: Final = 2
_log = structlog.get_logger("serai.engine")


def shard_bit(key: UUID) -> int:
    """Return the bit that stands for a run in a wake-up's mask."""
    return 1 << (key.int % SHARDS)


class Wakeups:
    """Tells other nodes of claimable runs and jobs and of new events, and this node of theirs.

    Args:
        dsn: a direct connection, not one behind a transaction pooler.
        node_id: own notifications are recognised by it and passed over.
        is_alone: when true nobody is told, for nobody listens.
    """

    def __init__(self, dsn: str, *, node_id: str, is_alone: Callable[[], bool]) -> None:
        self._dsn = dsn
        self._node_id = node_id
        self._is_alone = is_alone
        self._queues = 0
        self._mask = 0
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(
        self, *, on_queue: Callable[[], None], on_jobs: Callable[[], None], on_events: Callable[[int], None]
    ) -> None:
        """Begin listening, in the background.

        Args:
            on_queue: called when a run may have become claimable.
            on_jobs: called when a job may have become claimable.
            on_events: called with the mask of shards that have new events.
        """
        self._on_queue = on_queue
        self._on_jobs = on_jobs
        self._on_events = on_events
        self._task = asyncio.create_task(self._run(), name="serai-wakeups")

    async def stop(self) -> None:
        """Send what is due and close the connection."""
        if self._task is not None:
            if self._due.is_set():
                await asyncio.sleep(2 * _COALESCE_S)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell_queue(self) -> None:
        """Tell other nodes that a run may be claimable."""
        self._tell_queue(_RUNS)

    def tell_jobs(self) -> None:
        """Tell other nodes that a job may be claimable."""
        self._tell_queue(_JOBS)

    def tell_events(self, key: UUID) -> None:
        """Tell other nodes that a run has new committed events."""
        if not self._is_alone():
            self._mask |= shard_bit(key)
            self._due.set()

    def _tell_queue(self, queue: int) -> None:
        if not self._is_alone():
            self._queues |= queue
            self._due.set()

    async def _run(self) -> None:
        pause_s = 0.05
        while True:
            try:
                connection = await connect(
                    self._dsn, application_name="serai-wakeups", settings={"synchronous_commit": "off"}
                )
            except SeraiError as error:
                if not isinstance(error, DatabaseUnavailableError):
                    _log.warning("wakeups_wait", reason=error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)
                continue
            pause_s = 0.05
            try:
                await self._serve(connection)
            except Exception as error:  # noqa: BLE001 - without it this node would hear of nothing any more
                if is_connection_failure(error):
                    _log.info("wakeups_reconnect", reason=str(error))
                else:
                    _log.exception("wakeups_failed")
                    await asyncio.sleep(1.0)
            finally:
                connection.terminate()

    async def _serve(self, connection: Connection) -> None:
        connection.add_termination_listener(lambda _: self._due.set())
        await connection.add_listener(CHANNEL, self._receive)
        # What was said while nobody listened is unknown: look at everything once.
        self._on_queue()
        self._on_jobs()
        self._on_events(ALL_SHARDS)
        while not connection.is_closed():
            await self._due.wait()
            await asyncio.sleep(_COALESCE_S)
            self._due.clear()
            queues, mask = self._queues, self._mask
            self._queues, self._mask = 0, 0
            if queues or mask:
                payload = f"{self._node_id}:{queues}:{mask:x}"
                await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        node_id, queues, mask = str(payload).split(":")
        if node_id == self._node_id:
            return
        if int(queues) & _RUNS:
            self._on_queue()
        if int(queues) & _JOBS:
            self._on_jobs()
        if mask != "0":
            self._on_events(int(mask, 16))
