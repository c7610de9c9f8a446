"""Backups: what was saved comes back, all of it or nothing; and the move to a newer PostgreSQL."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from serai.errors import ConfigurationError
from serai.storage.backup import back_up, restore
from serai.storage.client_programs import find_client_programs, split_password
from serai.storage.embedded import EmbeddedPostgres
from serai.storage.migrate import migrate
from serai.storage.upgrade import upgrade
from tests.postgres import PostgresServer, data_folder, empty_database, fetch, fresh_database, running_server


@pytest.fixture(scope="module", params=["16", "18"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with running_server(request.param) as running:
        yield running


@pytest.fixture
async def filled(server: PostgresServer) -> AsyncIterator[str]:
    async with fresh_database(server) as dsn:
        await fetch(dsn, "create table notes as select n, 'é' || n as text from generate_series(1, 5000) n")
        yield dsn


async def test_backup_is_restored_into_an_empty_database(server, filled, tmp_path):
    file = tmp_path / "saved.dump"
    size_bytes = await back_up(filled, file)

    assert size_bytes == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with empty_database(server) as other:
        await restore(other, file)
        assert await fetch(other, "select text from notes where n = 5000") == "é5000"
        assert await migrate(other) == []


async def test_database_that_is_not_empty_is_replaced_only_when_asked(filled, tmp_path):
    file = tmp_path / "saved.dump"
    await back_up(filled, file)
    await fetch(filled, "create table newer ()")

    with pytest.raises(ConfigurationError, match="not empty"):
        await restore(filled, file)
    await restore(filled, file, replace=True)
    assert await fetch(filled, "select to_regclass('newer')") is None
    assert await fetch(filled, "select count(*) from notes") == 5000


async def test_torn_backup_changes_nothing(filled, tmp_path):
    file = tmp_path / "saved.dump"
    await back_up(filled, file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 9 // 10])
    await fetch(filled, "create table newer ()")

    with pytest.raises(ConfigurationError, match="pg_restore failed"):
        await restore(filled, file, replace=True)
    assert await fetch(filled, "select to_regclass('newer')::text") == "newer"
    assert await fetch(filled, "select count(*) from notes") == 5000


async def test_database_in_use_is_not_restored(filled, tmp_path):
    connection = await asyncpg.connect(filled)
    try:
        with pytest.raises(ConfigurationError, match="1 other sessions use"):
            await restore(filled, tmp_path / "any.dump", replace=True)
    finally:
        await connection.close()


async def test_missing_backup_and_unwritable_target_are_named(filled, tmp_path):
    with pytest.raises(ConfigurationError, match=r"no backup .*nothing\.dump"):
        await restore(filled, tmp_path / "nothing.dump", replace=True)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await back_up(filled, tmp_path / "no_folder" / "saved.dump")


def test_password_stays_out_of_the_command_line():
    programs = find_client_programs("postgresql://me:se%20cret@db.example:5433/app?connect_timeout=3", 18)
    assert programs.url == "postgresql://me@db.example:5433/app?connect_timeout=3"
    assert programs.environment["PGPASSWORD"] == "se cret"
    assert split_password("postgresql://me@h/app?password=x&sslmode=require") == (
        "postgresql://me@h/app?sslmode=require",
        "x",
        True,
    )


def test_server_newer_than_every_program_is_named():
    with pytest.raises(ConfigurationError, match="client programs of PostgreSQL 99"):
        find_client_programs("postgresql://me@h/app", 99)


def test_upgrade_keeps_the_rows_and_the_old_data():
    with data_folder() as folder:
        with EmbeddedPostgres(folder, postgres_version="16") as embedded:
            dsn = embedded.start()
            asyncio.run(migrate(dsn))
            asyncio.run(fetch(dsn, "create table notes as select n from generate_series(1, 1000) n"))
            with pytest.raises(ConfigurationError, match="Stop them all"):
                upgrade(folder, report=print)

        steps: list[str] = []
        done = upgrade(folder, report=steps.append)

        assert (done.old_major, done.new_major) == (16, 18)
        assert steps
        assert done.kept == folder / "postgresql-16.old"
        assert (done.kept / "PG_VERSION").exists()
        with EmbeddedPostgres(folder) as embedded:
            dsn = embedded.start()
            assert asyncio.run(fetch(dsn, "select count(*) from notes")) == 1000
            assert asyncio.run(migrate(dsn)) == []
        assert upgrade(folder, report=print).kept is None


def test_upgrade_of_an_empty_place_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="nothing to upgrade"):
        upgrade(tmp_path / "nothing", report=print)
