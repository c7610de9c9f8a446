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

from serai.storage.connection import Database
from serai.storage.embedded import EmbeddedPostgres
from serai.storage.migrate import migrate
from serai.storage.partitions import create_partitions

POSTGRES_VERSION = os.environ.get("SERAI_TEST_POSTGRES", "18")
_TEMPLATE = "serai_template"
_IDLE: dict[str, list[str]] = {}
"""Databases of each server that no test uses just now."""

_END_SESSIONS = """
do $$
begin
  perform pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{name}';
end $$"""
_SHAPE = """
select md5(string_agg(concat_ws(' ', relname, relkind, relhassubclass, reloptions), ',' order by relname))
       || (select count(*) from pg_attribute where attrelid >= 16384)
       || (select count(*) from pg_trigger) || ' ' || (select count(*) from pg_proc where oid >= 16384)
       || ' ' || (select count(*) from pg_constraint)
       || (select count(*) from pg_db_role_setting join pg_database on setdatabase = pg_database.oid
           where datname = current_database())
from pg_class where relnamespace = 'public'::regnamespace"""
_REMOVE_ROWS = """
do $$
declare name text;
begin
  perform set_config('session_replication_role', 'replica', true);  -- no trigger counts what goes
  for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations' loop
    execute format('delete from %I', name);
  end loop;
  perform setval(format('%I', sequencename)::regclass, start_value, false)
  from pg_sequences where schemaname = 'public';
end $$"""
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
    database = Database(server.url(_TEMPLATE), connections=2)
    await create_partitions(database)  # as each server does at its start
    await database.close()


@asynccontextmanager
async def fresh_database(server: PostgresServer) -> AsyncIterator[str]:
    """Make a migrated database of its own; yields its DSN.

    Afterwards its rows are removed, and another test may have it: that takes a tenth of making one. One whose tables
    were changed is dropped.
    """
    idle = _IDLE.setdefault(server.dsn, [])
    name = idle.pop() if idle else await _make_database(server)
    try:
        yield server.url(name)
    finally:
        if await _clear(server, name):
            idle.append(name)
        else:
            await _execute(server.dsn, f"drop database {name} with (force)")


async def _make_database(server: PostgresServer) -> str:
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server.dsn, f"create database {name} template {_TEMPLATE}")
    return name


async def _clear(server: PostgresServer, name: str) -> bool:
    """Remove all rows of a database; False when it is not as migrations have left it."""
    try:
        await _execute(server.dsn, _END_SESSIONS.format(name=name))
        if await fetch(server.url(name), _SHAPE) != await fetch(server.url(_TEMPLATE), _SHAPE):
            return False
        await _execute(server.url(name), _REMOVE_ROWS)
    except (OSError, asyncpg.PostgresError):  # a test may have stopped the server
        return False
    return True


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
