"""Connections to PostgreSQL: a small stack of our own, statements on it, and the errors callers see.

A connection goes back as it is: nobody may leave session state behind. One that is in doubt is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TypeAlias

import asyncpg
import structlog

from serai.domain.meter import Meter
from serai.errors import ConfigurationError, DatabaseUnavailableError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_MAJOR = 16
_log = structlog.get_logger("serai.storage")
_SESSION = {
    "jit": "off",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "5000",
    # A dead peer is noticed in seconds on either side, so that its locks are freed.
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    # A search of vectors goes on until enough of them pass its filters. Nothing without pgvector.
    "hnsw.iterative_scan": "relaxed_order",
}
_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, until the failover is through
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)


def count_of(tag: str) -> int:
    """Return how many rows a statement changed, by its command tag: ``DELETE 3``."""
    return int(tag.rpartition(" ")[2])


def is_connection_failure(error: BaseException) -> bool:
    """Return whether PostgreSQL, not the statement, is the trouble: the same statement may succeed a moment later."""
    if isinstance(error, asyncpg.InterfaceError):
        return "clos" in str(error) or "another operation" in str(error) or "released" in str(error)
    return isinstance(error, _UNAVAILABLE)


def unavailable(error: BaseException) -> DatabaseUnavailableError:
    """Log why PostgreSQL cannot serve and return what a caller sees: not the reason, which names files and hosts."""
    _log.warning("database_unavailable", reason=str(error) or type(error).__name__)
    lacks_room = isinstance(error, asyncpg.InsufficientResourcesError)
    what = "lacks disk, memory or connections" if lacks_room else "cannot be reached"
    return DatabaseUnavailableError(f"The database {what} just now; try again in a moment.")


async def connect(dsn: str, *, application_name: str = "serai", settings: dict[str, str] | None = None) -> Connection:
    """Open one connection outside any stack, for LISTEN, locks and migrations.

    Raises:
        DatabaseUnavailableError: PostgreSQL does not answer, or is starting or stopping.
        ConfigurationError: it answers and refuses (wrong password, unknown database).
    """
    options = {**_SESSION, "application_name": application_name, **(settings or {})}
    try:
        return await asyncpg.connect(dsn, timeout=10, command_timeout=60, server_settings=options)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        raise ConfigurationError(
            f"PostgreSQL refuses the connection: {error}. Check the user, password and database in SERAI_DATABASE_URL."
        ) from error
    except Exception as error:
        if is_connection_failure(error):
            raise unavailable(error) from error
        raise


class Database:
    """A bounded stack of connections to one PostgreSQL.

    Args:
        dsn: a ``postgresql://`` URL.
        connections: the most that are open at a time.
        application_name: shown in ``pg_stat_activity``.
        meter: told how long connections were waited for and lent; whatever works on this database may tell it more.
    """

    def __init__(
        self, dsn: str, *, connections: int = 8, application_name: str = "serai", meter: Meter | None = None
    ) -> None:
        self.dsn = dsn
        self.meter = meter or Meter()
        self._application_name = application_name
        self._free: list[Connection] = []
        self._slots = asyncio.Semaphore(connections)
        self._closed = False

    async def open(self) -> None:
        """Open the first connection and check the server.

        Raises:
            ConfigurationError: the server is older than PostgreSQL 16 or refuses us.
            DatabaseUnavailableError: it does not answer.
        """
        async with self.connection() as connection:
            version = connection.get_server_version()
        if version.major < OLDEST_MAJOR:
            await self.close()
            raise ConfigurationError(
                f"The PostgreSQL behind SERAI_DATABASE_URL is version {version.major}.{version.minor}; Serai needs "
                f"{OLDEST_MAJOR} or newer. Upgrade it, or unset SERAI_DATABASE_URL to run on the one that Serai brings."
            )

    async def close(self) -> None:
        """Close all idle connections; borrowed ones are closed when they come back."""
        self._closed = True
        free, self._free = self._free, []
        for connection in free:
            try:
                await asyncio.wait_for(connection.close(), timeout=2)
            except Exception as error:
                connection.terminate()
                if not is_connection_failure(error):
                    raise

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; no session state may be left on it.

        Raises:
            DatabaseUnavailableError: PostgreSQL cannot be reached, or was lost on the way.
        """
        asked_at = perf_counter()
        async with self._slots:
            connection = await self._take()
            lent_at = perf_counter()
            try:
                yield connection
            except Exception as error:
                if is_connection_failure(error):
                    connection.terminate()
                    self._drop_idle()
                    raise unavailable(error) from error
                self._give_back(connection)
                raise
            except BaseException:
                connection.terminate()  # cancelled in mid-statement: in doubt
                raise
            else:
                self._give_back(connection)
            finally:
                self.meter.database_used(lent_at - asked_at, perf_counter() - lent_at)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside ``begin … commit``; an exception rolls back."""
        async with self.connection() as connection:
            await connection.execute("begin")
            try:
                yield connection
            except Exception as error:
                if not is_connection_failure(error):
                    await connection.execute("rollback")
                raise
            await connection.execute("commit")

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """Run one statement and return the first column of its first row."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run one statement and return its command tag, for example ``UPDATE 3``."""
        async with self.connection() as connection:
            return await connection.execute(sql, *args)

    async def is_reachable(self, *, timeout_s: float = 2.0) -> bool:
        """Return whether a statement succeeds within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.fetchval("select 1")
        except (DatabaseUnavailableError, ConfigurationError, TimeoutError):
            return False
        return True

    async def _take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return await connect(self.dsn, application_name=self._application_name)

    def _give_back(self, connection: Connection) -> None:
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._free.append(connection)

    def _drop_idle(self) -> None:
        """Forget idle connections after one was lost: the server has most likely restarted."""
        free, self._free = self._free, []
        for connection in free:
            connection.terminate()


async def retry_while_unavailable(
    act: Callable[[], Awaitable[Any]], *, on_wait: Callable[[DatabaseUnavailableError], None] | None = None
) -> Any:
    """Repeat an idempotent act until PostgreSQL answers again; waits grow from 50 ms to 1 s."""
    pause_s = 0.05
    while True:
        try:
            return await act()
        except DatabaseUnavailableError as error:
            if on_wait is not None:
                on_wait(error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 1.0)
