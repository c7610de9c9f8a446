"""Connections to a real PostgreSQL: borrowed clean, dropped in doubt, opened again, and never more than allowed."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from serai.errors import ConfigurationError, DatabaseUnavailableError
from serai.storage.connection import Database, connect, retry_while_unavailable
from tests.postgres import PostgresServer, empty_database
from tests.run_values import open_database, until

PID = "select pg_backend_pid()"
BACKENDS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'serai'"


async def end_backend(dsn: str, pid: int) -> None:
    async with open_database(dsn, application_name="killer") as killer:
        assert await killer.fetchval("select pg_terminate_backend($1, 5000)", pid)


async def test_a_connection_is_used_again(database: Database):
    assert await database.fetchval(PID) == await database.fetchval(PID)
    assert await database.fetchval(BACKENDS) == 1


async def test_statements_of_the_same_moment_use_connections_of_their_own(database: Database):
    pids = await asyncio.gather(*(database.fetchval(f"{PID} from pg_sleep(0.05)") for _ in range(4)))
    assert len(set(pids)) == 4


async def test_every_connection_has_the_same_session(database: Database):
    row = await database.fetchrow(
        "select current_setting('timezone') as zone, current_setting('jit') as jit, "
        "current_setting('idle_in_transaction_session_timeout') as idle"
    )
    assert row is not None
    assert tuple(row) == ("UTC", "off", "5s")


async def test_a_wrong_statement_leaves_the_connection_as_it_was(database: Database):
    pid = await database.fetchval(PID)
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.execute("select * from nowhere")
    with pytest.raises(asyncpg.DataError):
        await database.fetchval("select $1::int", "no number")
    assert await database.fetchval(PID) == pid


async def test_a_transaction_is_committed_whole(database: Database):
    async with database.transaction() as connection:
        await connection.execute("create table one (n int)")
        await connection.execute("insert into one values (1)")
    assert await database.fetchval("select n from one") == 1


@pytest.mark.parametrize("error", [ValueError("ours"), asyncio.CancelledError()])
async def test_a_transaction_with_an_exception_leaves_nothing(database: Database, error: BaseException):
    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute("create table one (n int)")
            raise error

    with pytest.raises(type(error)):
        await fail()
    assert await database.fetchval("select to_regclass('one')") is None
    assert await database.fetchval("select pg_current_xact_id_if_assigned()") is None


async def test_a_transaction_with_a_refused_statement_is_rolled_back_and_the_connection_kept(database: Database):
    pid = await database.fetchval(PID)

    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute("create table one (n int)")
            await connection.execute("select * from nowhere")

    with pytest.raises(asyncpg.UndefinedTableError):
        await fail()
    assert await database.fetchval("select to_regclass('one')") is None
    assert await database.fetchval(PID) == pid


async def test_a_transaction_left_open_never_goes_back(database: Database):
    async with database.connection() as connection:
        pid = await connection.fetchval(PID)
        await connection.execute("begin")
    assert await database.fetchval(PID) != pid


async def test_a_cancelled_statement_takes_its_connection_with_it_and_no_other(database: Database):
    async with database.connection() as first:
        other = await first.fetchval(PID)
        sleeping = asyncio.create_task(database.fetchval("select pg_sleep(0.4)"))
        sql = "select pid from pg_stat_activity where query = 'select pg_sleep(0.4)'"
        dropped = await until(first, sql)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await database.fetchval(PID) not in (other, dropped)
        await until(first, "select not exists (select from pg_stat_activity where pid = $1)", dropped)


async def test_a_lost_connection_is_the_databases_fault_and_the_next_statement_opens_another(database: Database):
    pid = await database.fetchval(PID)
    await end_backend(database.dsn, pid)
    results = await asyncio.gather(database.fetchval(PID), return_exceptions=True)
    if isinstance(results[0], Exception):  # the loss was not noticed before the statement was sent
        assert isinstance(results[0], DatabaseUnavailableError)
    assert await database.fetchval(PID) != pid


async def test_a_connection_lost_in_mid_statement_is_the_databases_fault(database: Database):
    async with database.connection() as connection:
        pid = await connection.fetchval(PID)
    sleeping = asyncio.create_task(database.fetchval("select pg_sleep(30)"))
    async with open_database(database.dsn, application_name="killer") as killer:
        await until(killer, "select state = 'active' from pg_stat_activity where pid = $1", pid)
        await killer.fetchval("select pg_terminate_backend($1)", pid)
    with pytest.raises(DatabaseUnavailableError, match=r"cannot be reached just now.*try again"):
        await sleeping


async def test_a_connection_lost_inside_a_transaction_leaves_nothing(database: Database):
    async def lose() -> None:
        async with database.transaction() as connection:
            await connection.execute("create table one (n int)")
            await end_backend(database.dsn, await connection.fetchval(PID))
            await connection.execute("insert into one values (1)")

    with pytest.raises(DatabaseUnavailableError):
        await lose()
    assert await database.fetchval("select to_regclass('one')") is None


async def test_after_one_lost_connection_the_idle_ones_are_not_trusted(database: Database):
    async with database.connection() as first, database.connection() as second:
        pids = {await first.fetchval(PID), await second.fetchval(PID)}
        third = asyncio.create_task(database.fetchval(f"{PID} from pg_sleep(0.05)"))
        pids.add(await third)
    for pid in pids:
        await end_backend(database.dsn, pid)
    failures = 0
    for _ in range(3):
        try:
            await database.fetchval("select 1")
        except DatabaseUnavailableError:
            failures += 1
    assert failures <= 1


async def test_whoever_finds_no_place_waits(database_url: str):
    async with open_database(database_url, connections=2) as database:
        pids = await asyncio.gather(*(database.fetchval(f"{PID} from pg_sleep(0.01)") for _ in range(10)))
        assert len(set(pids)) <= 2


async def test_a_place_is_free_again_after_every_failure(database_url: str):
    async with open_database(database_url, connections=1) as database:
        for _ in range(3):
            with pytest.raises(asyncpg.UndefinedTableError):
                await database.execute("select * from nowhere")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await database.execute("select pg_sleep(30)")
        assert await asyncio.wait_for(database.fetchval("select 1"), 2) == 1


async def test_closing_closes_what_is_idle_and_what_comes_back(database_url: str):
    async with open_database(database_url, application_name="watcher") as watcher:
        database = Database(database_url)
        async with database.connection():
            await database.fetchval("select 1")
            await database.close()
        await until(watcher, f"select ({BACKENDS}) = 0")


async def test_a_server_that_answers_is_reachable(database: Database):
    await database.open()
    assert await database.is_reachable()


async def test_a_server_that_is_busy_is_not_reachable_in_time(database_url: str):
    async with open_database(database_url, connections=1) as database, database.connection():
        assert not await database.is_reachable(timeout_s=0.05)


@pytest.mark.parametrize("dsn", ["postgresql://127.0.0.1:1/x", "postgresql:///x?host=/nowhere"])
async def test_a_server_that_is_not_there_is_unavailable(dsn: str):
    database = Database(dsn)
    assert not await database.is_reachable()
    with pytest.raises(DatabaseUnavailableError):
        await database.open()


async def test_a_database_that_does_not_exist_is_a_matter_of_configuration(postgres_server: PostgresServer):
    database = Database(postgres_server.url("nowhere"))
    with pytest.raises(ConfigurationError, match="SERAI_DATABASE_URL"):
        await database.open()
    assert not await database.is_reachable()


async def test_a_server_without_a_free_place_is_unavailable(postgres_server: PostgresServer):
    async with empty_database(postgres_server) as dsn, open_database(dsn) as database:
        await database.execute("create role crowded login connection limit 1")
        try:
            first = await connect(dsn.replace("serai@", "crowded@"))
            with pytest.raises(DatabaseUnavailableError, match="lacks disk, memory or connections"):
                await connect(dsn.replace("serai@", "crowded@"))
            await first.close()
        finally:
            await database.execute("drop role crowded")


async def test_what_can_be_repeated_is_repeated_until_the_database_is_back():
    tries = 0
    waits: list[str] = []

    async def act() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise DatabaseUnavailableError("away")
        return tries

    assert await retry_while_unavailable(act, on_wait=lambda error: waits.append(error.message)) == 3
    assert waits == ["away", "away"]


async def test_other_failures_are_not_repeated():
    async def act() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await retry_while_unavailable(act)
