"""What a running server holds: its database, its engine and its stores, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import structlog

from serai.engine.engine import Engine, EngineOptions
from serai.records.store import RecordStore
from serai.settings import Settings
from serai.storage.connection import Database
from serai.storage.migrate import migrate
from serai.storage.partitions import create_partitions

DAY_S = 86_400
_log = structlog.get_logger("serai.server")


class Runtime:
    """The server behind the routes: ``request.app.state.serai``.

    Args:
        settings: where the database is, and how a node behaves.
        agents: the hosted agents by id.
    """

    database: Database
    engine: Engine
    records: RecordStore

    def __init__(self, *, settings: Settings, agents: Mapping[str, Any]) -> None:
        self.settings = settings
        self.agents = agents
        self._postgres: Any = None
        self._upkeep: asyncio.Task[None] | None = None
        self._is_drained = False

    async def start(self) -> None:
        """Start or join PostgreSQL, bring its tables up to date, and begin to take runs.

        Raises:
            ConfigurationError: the database cannot be used as configured.
        """
        try:
            dsn = await self._start_postgres()
            await migrate(dsn)
            self.database = Database(dsn, connections=self.settings.database_connections)
            await self.database.open()
            await create_partitions(self.database)
            self.records = RecordStore(self.database)
            self.engine = Engine(
                self.database,
                list(self.agents.values()),
                options=EngineOptions(
                    node_name=self.settings.node_name,
                    max_runs=self.settings.max_runs,
                    lease_s=self.settings.lease_s,
                    max_takeovers=self.settings.max_takeovers,
                ),
            )
            await self.engine.start()
        except BaseException:
            await self._stop_postgres()
            raise
        self._upkeep = asyncio.create_task(self._keep_up(), name="serai-upkeep")

    async def drain(self, *, timeout_s: float) -> None:
        """Take no new run, wait for those that run here, hand over what is left after the time."""
        self._is_drained = True
        await self.engine.stop(drain_s=timeout_s)

    async def stop(self) -> None:
        """Hand over what still runs, close the connections, and leave PostgreSQL to whoever still uses it."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
        if not self._is_drained:
            await self.engine.stop()
        await self.database.close()
        await self._stop_postgres()

    async def ready(self) -> bool:
        """Tell whether runs are taken and the database answers now."""
        return not self._is_drained and await self.database.is_reachable()

    async def _start_postgres(self) -> str:
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from serai.storage.embedded import EmbeddedPostgres, default_data_dir  # noqa: PLC0415 - not on every platform

        self._postgres = EmbeddedPostgres(self.settings.data_dir or default_data_dir())
        dsn: str = await asyncio.to_thread(self._postgres.start)
        return dsn

    async def _stop_postgres(self) -> None:
        if self._postgres is not None:
            postgres, self._postgres = self._postgres, None
            await asyncio.to_thread(postgres.stop)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(DAY_S)
            try:
                await create_partitions(self.database)
            except Exception:  # noqa: BLE001 - tomorrow is another day, and there are weeks of room
                _log.exception("upkeep_failed")
