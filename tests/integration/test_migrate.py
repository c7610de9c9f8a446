"""Migrations: each file once, in order, whole or not at all, whoever starts first; and servers that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from serai.errors import ConfigurationError
from serai.storage.migrate import migrate, migration_status, read_migrations
from tests.postgres import PostgresServer, empty_database, fetch, running_server

_MIGRATE = """
import asyncio, sys
from pathlib import Path
from serai.storage.migrate import migrate

print(*asyncio.run(migrate(sys.argv[1], folder=Path(sys.argv[2]))))
"""


@pytest.fixture(scope="module", params=["16", "18"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with running_server(request.param) as running:
        yield running


@pytest.fixture
async def dsn(server: PostgresServer) -> AsyncIterator[str]:
    async with empty_database(server) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_first", "create table first (n int); insert into first values (1);")
    write(tmp_path, "0002_second", "create table second as select n + 1 as n from first;")
    write(tmp_path, "0003_index", "-- serai: no transaction\ncreate index concurrently if not exists i on second (n);")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / f"{name}.sql").write_text(sql)


async def refusal(dsn: str, folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await migrate(dsn, folder=folder)
    assert "\n" not in caught.value.message
    return caught.value.message


async def test_files_run_once_in_order_of_their_names(dsn, folder):
    assert (await migration_status(dsn, folder=folder)).pending == ("0001_first", "0002_second", "0003_index")
    assert await migrate(dsn, folder=folder) == ["0001_first", "0002_second", "0003_index"]
    assert await migrate(dsn, folder=folder) == []
    assert (await migration_status(dsn, folder=folder)).applied == ("0001_first", "0002_second", "0003_index")
    assert await fetch(dsn, "select n from second") == 2


async def test_later_file_is_added_to_what_was_applied(dsn, folder):
    await migrate(dsn, folder=folder)
    write(folder, "0004_later", "create table later ();")
    assert await migrate(dsn, folder=folder) == ["0004_later"]


async def test_four_processes_at_once_apply_each_file_once(dsn, folder):
    write(folder, "0004_slow", "select pg_sleep(0.2); create table slow ();")
    command = [sys.executable, "-c", _MIGRATE, dsn, str(folder)]
    started = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)
    ]
    ended = await asyncio.gather(*(process.communicate() for process in started))

    assert [process.returncode for process in started] == [0] * 4, ended
    applied = " ".join(output.decode() for output, _ in ended).split()
    assert applied == ["0001_first", "0002_second", "0003_index", "0004_slow"]


async def test_file_changed_after_it_was_applied_is_refused(dsn, folder):
    await migrate(dsn, folder=folder)
    write(folder, "0002_second", "create table other ();")
    assert "0002_second was changed" in await refusal(dsn, folder)


async def test_database_of_a_newer_release_is_refused(dsn, folder):
    await migrate(dsn, folder=folder)
    (folder / "0003_index.sql").unlink()
    assert "0003_index, which this Serai does not know" in await refusal(dsn, folder)


async def test_failing_file_leaves_nothing_and_runs_again_when_mended(dsn, folder):
    write(folder, "0004_broken", "create table half (); select 1 / 0;")
    assert "division by zero" in await refusal(dsn, folder)
    assert await fetch(dsn, "select to_regclass('half')") is None
    assert await fetch(dsn, "select count(*) from schema_migrations") == 3

    write(folder, "0004_broken", "create table half ();")
    assert await migrate(dsn, folder=folder) == ["0004_broken"]


async def test_vector_is_created_where_the_server_has_it(dsn, folder):
    assert (await migration_status(dsn, folder=folder)).vector == "available"
    await migrate(dsn, folder=folder)
    assert (await migration_status(dsn, folder=folder)).vector == "installed"


def test_own_migrations_are_numbered_without_a_gap():
    numbers = [int(migration.name[:4]) for migration in read_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


async def test_own_migrations_apply(dsn):
    assert await migrate(dsn) == [migration.name for migration in read_migrations()]


async def test_unreachable_server_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = await refusal(f"postgresql://someone@127.0.0.1:{port}/any", folder)
    assert "cannot be reached" in said
    assert str(port) in said
    assert "SERAI_DATABASE_URL" in said


async def test_unknown_database_is_refused(dsn, folder):
    said = await refusal(dsn.replace("@/test_", "@/missing_"), folder)
    assert "does not exist" in said
    assert "SERAI_DATABASE_URL" in said


async def test_url_that_is_none_is_refused(folder):
    assert "SERAI_DATABASE_URL" in await refusal("mysql://somewhere/else", folder)


async def test_too_old_server_is_refused(folder):
    async with old_server("15.7") as port:
        said = await refusal(f"postgresql://someone@127.0.0.1:{port}/any", folder)
    assert "version 15.7" in said
    assert "16 or newer" in said


@asynccontextmanager
async def old_server(version: str) -> AsyncIterator[int]:
    """Speak as much of PostgreSQL's protocol as a connection needs to learn the version."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # asks for encryption
        writer.write(b"N")
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        parameter = b"server_version\0" + version.encode() + b"\0"
        writer.write(b"R\0\0\0\x08\0\0\0\0" + b"S" + struct.pack("!i", 4 + len(parameter)) + parameter)
        writer.write(b"Z\0\0\0\x05I")
        await reader.readexactly(5)  # takes its leave
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
