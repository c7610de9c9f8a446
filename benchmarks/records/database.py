"""The PostgreSQL that all stores share, each with a database of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg

Result = TypeVar("Result")
_LOAD_TIMEOUT_S = 1800
_SETTLED_S = 6.0
_POLL_S = 0.5


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL behind a unix socket.

    Attributes:
        url: of its first database.
    """

    url: str

    @property
    def socket_folder(self) -> str:
        """The folder of the socket."""
        return parse_qs(urlsplit(self.url).query)["host"][0]

    def dsn(self, database: str) -> str:
        """Return the URL of a database."""
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def create(self, database: str) -> str:
        """Create a database and return its URL."""
        run(self.url, lambda connection: connection.execute(f"create database {database} encoding utf8"))
        return self.dsn(database)


def run(dsn: str, act: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[Result]]) -> Result:
    """Connect, act, and return what that returns."""

    async def connected() -> Result:
        connection = await asyncpg.connect(
            dsn, server_settings={"jit": "off", "idle_in_transaction_session_timeout": "0"}
        )
        try:
            return await act(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def execute(dsn: str, *statements: str) -> None:
    """Run statements one after the other; each may take half an hour."""

    async def act(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        for statement in statements:
            await connection.execute(statement, timeout=_LOAD_TIMEOUT_S)

    run(dsn, act)


def fetchval(dsn: str, sql: str, *args: Any) -> Any:
    """Run one statement and return the first column of its first row."""
    return run(dsn, lambda connection: connection.fetchval(sql, *args))


# What a store has built by itself so far: its valid indexes, and those under way.
_INDEXES = """
select coalesce(array_agg(c.relname || case when i.indisvalid then '' else ' (building)' end order by c.relname), '{}')
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'pg_toast')
"""

# Statements other than this one that run now, and so may be building.
_BUSY = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()
"""


def indexes(dsn: str) -> list[str]:
    """Return the names of all indexes in a database."""
    found: list[str] = fetchval(dsn, _INDEXES)
    return found


def wait_until_built(dsn: str, *, settled_s: float = _SETTLED_S, timeout_s: float = 600) -> float:
    """Wait until no index has come or gone, and nothing has run, for a while; returns the seconds that took."""
    began = changed = time.monotonic()
    before = indexes(dsn)
    while time.monotonic() - changed < settled_s and time.monotonic() - began < timeout_s:
        time.sleep(_POLL_S)
        now = indexes(dsn)
        if now != before or any("(building)" in name for name in now) or fetchval(dsn, _BUSY):
            before, changed = now, time.monotonic()
    return changed - began
