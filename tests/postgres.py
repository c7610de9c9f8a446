"""A PostgreSQL for tests, and fresh migrated databases on it in a few milliseconds. Not a test itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from serai.storage.embedded import EmbeddedPostgres
from serai.storage.migrate import migrate

POSTGRES_VERSION = os.environ.get("SERAI_TEST_POSTGRES", "18")
_TEMPLATE = "serai_template"
_USE_SERVER = """
import sys
from pathlib import Path
from serai.storage.embedded import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1]), postgres_version=sys.argv[2]) as embedded:
    print(embedded.start(), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class PostgresServer:
    """A running server: ``dsn`` is its own database, ``data_dir`` its data folder."""

    dsn: str
    data_dir: Path

    def url(self, database: str) -> str:
        """Return the DSN of another database on the same server."""
        return self.dsn.replace("@/serai?", f"@/{database}?")


@contextmanager
def data_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's user can reach even when the tests run as root; removed afterwards.

    pytest's own tmp_path cannot serve as root: it lies in a private folder.
    """
    parent = Path(tempfile.mkdtemp(prefix="serai-test-", dir="/tmp"))
    parent.chmod(0o711)
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent)


@contextmanager
def running_server(version: str = POSTGRES_VERSION) -> Iterator[PostgresServer]:
    """Run a server in a temporary folder, with a migrated template database."""
    with data_folder() as folder, EmbeddedPostgres(folder, postgres_version=version) as embedded:
        server = PostgresServer(embedded.start(), folder)
        asyncio.run(_make_template(server))
        yield server


async def _make_template(server: PostgresServer) -> None:
    # What PostgreSQL has written outlives its death, and no test takes the machine's power away.
    await _execute(server.dsn, "alter system set fsync = off")
    await _execute(server.dsn, "select pg_reload_conf()")
    await _execute(server.dsn, f"create database {_TEMPLATE}")
    await migrate(server.url(_TEMPLATE))


@asynccontextmanager
async def fresh_database(server: PostgresServer) -> AsyncIterator[str]:
    """Make a migrated database of its own; yields its DSN and drops it afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server.dsn, f"create database {name} template {_TEMPLATE}")
    try:
        yield server.url(name)
    finally:
        await _execute(server.dsn, f"drop database {name} with (force)")


@asynccontextmanager
async def empty_database(server: PostgresServer) -> AsyncIterator[str]:
    """Make a database without any migration; yields its DSN and drops it afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server.dsn, f"create database {name}")
    try:
        yield server.url(name)
    finally:
        await _execute(server.dsn, f"drop database {name} with (force)")


@contextmanager
def process_using(data_dir: Path, version: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process that uses the PostgreSQL of a folder until its input is closed, or until it is killed.

    It prints the DSN as its first line; ``start_of`` reads it.
    """
    command = [sys.executable, "-c", _USE_SERVER, str(data_dir), version]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def start_of(process: subprocess.Popen[str]) -> str:
    """Wait until the other process has its server; returns the DSN."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def fetch(dsn: str, sql: str) -> Any:
    """Run a query that answers one value, on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
