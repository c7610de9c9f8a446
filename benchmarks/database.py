"""A PostgreSQL with databases of its own for whoever is measured, and statements on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg

Result = TypeVar("Result")
_STATEMENT_TIMEOUT_S = 1800


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
            await connection.execute(statement, timeout=_STATEMENT_TIMEOUT_S)

    run(dsn, act)


def fetchval(dsn: str, sql: str, *args: Any) -> Any:
    """Run one statement and return the first column of its first row."""
    return run(dsn, lambda connection: connection.fetchval(sql, *args))
