"""Writes that share batches, wait for each other, or come again, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from serai.errors import ConflictError, NotFoundError, PreconditionFailedError
from serai.records.place import Place
from serai.records.store import RecordStore, Stored
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import answer_once, request_key
from serai.storage.migrate import MIGRATIONS, migrate
from serai.storage.rounds import in_rounds
from tests.postgres import PostgresServer, empty_database
from tests.run_values import apply_retention

PLACE = Place(project_id="p", deployment_name="_public", collection="default")
EXPIRE = "update idempotency_keys set expires_at = now() - interval '1 second'"


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with opened(shared_url) as database:
        await database.execute("truncate records, idempotency_keys")
        yield database


@pytest.fixture
def store(database: Database) -> RecordStore:
    return RecordStore(database)


def read(stored: Stored | BaseException) -> dict[str, Any]:
    assert isinstance(stored, Stored), stored
    record: dict[str, Any] = json.loads(stored.body)
    return record


def test_rounds_keep_equal_names_apart_and_in_order():
    assert in_rounds(["a", "b", "a", "ab", "b", ""], tuple) == [[0, 1, 5], [2], [3], [4]]
    assert in_rounds([], tuple) == [[]]


async def test_updates_of_one_record_in_one_batch_happen_in_order_each_with_its_own_answer(store: RecordStore):
    record_id = read(await store.create(PLACE, "{}"))["id"]
    updates = [store.update("p", record_id, f'{{"n": {n}}}') for n in range(30)]
    answers = [read(answer) for answer in await asyncio.gather(*updates)]
    assert [answer["data"]["n"] for answer in answers] == list(range(30))
    times = [answer["updated_at"] for answer in answers]
    assert times == sorted(set(times))
    assert read(await store.get("p", record_id)) == answers[-1]


async def test_changes_in_one_batch_have_outcomes_of_their_own(store: RecordStore):
    first, second = [await store.create(PLACE, "{}", record_id=name) for name in ("a", "b")]
    known = frozenset({first.version})
    outcomes = await asyncio.gather(
        store.update("p", "a", '{"n": 1}', versions=known),
        store.update("p", "a", '{"n": 2}', versions=known),
        store.update("p", "none", "{}"),
        store.update("q", "b", "{}"),
        store.update("p", "b", '{"n": 3}', versions=frozenset({second.version, 1})),
        store.update("p", "a", '{"n": 4}'),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [
        *(Stored, PreconditionFailedError, NotFoundError, NotFoundError, Stored, Stored)
    ]
    assert read(await store.get("p", "a"))["data"] == {"n": 4}
    gone = await asyncio.gather(*(store.delete("p", name) for name in "aab"), return_exceptions=True)
    assert [type(outcome) for outcome in gone] == [type(None), NotFoundError, type(None)]


async def test_an_update_that_waits_for_a_lock_holds_up_no_other(store: RecordStore, database: Database):
    for name in ("locked", "free"):
        await store.create(PLACE, "{}", record_id=name)
    async with database.transaction() as connection:
        await connection.execute("select from records where id = 'locked' for update")
        waiting = [asyncio.create_task(store.update("p", "locked", f'{{"n": {n}}}')) for n in range(3)]
        waiting.append(asyncio.create_task(store.update("p", "locked", '{"n": 3}')))
        async with asyncio.timeout(5):
            assert read(await store.update("p", "free", '{"n": 1}'))["data"] == {"n": 1}
        assert not any(task.done() for task in waiting)
    assert [read(await task)["data"]["n"] for task in waiting] == [0, 1, 2, 3]


async def test_two_nodes_that_change_the_same_records_lose_nothing(store: RecordStore, shared_url: str):
    names = [str(n) for n in range(20)]
    for name in names:
        await store.create(PLACE, '{"n": 0}', record_id=name)

    async def increment(here: RecordStore, name: str) -> None:
        while True:
            seen = await here.get("p", name)
            data = json.dumps({"n": read(seen)["data"]["n"] + 1})
            try:
                await here.update("p", name, data, versions=frozenset({seen.version}))
            except PreconditionFailedError:
                continue
            return

    async with opened(shared_url) as database:
        other = RecordStore(database)
        orders = (names, names[::-1])
        await asyncio.gather(
            *(increment(here, name) for here, order in zip((store, other), orders, strict=True) for name in order * 5)
        )
    assert {read(await store.get("p", name))["data"]["n"] for name in names} == {10}


async def test_creates_with_and_without_ids_and_keys_share_a_batch(store: RecordStore, database: Database):
    await store.create(PLACE, "{}", record_id="taken")
    outcomes = await asyncio.gather(
        store.create(PLACE, "{}"),
        store.create(PLACE, "{}", record_id="new"),
        store.create(PLACE, "{}", record_id="new"),
        store.create(PLACE, "{}", record_id="taken", idempotency_key="k"),
        store.create(PLACE, '{"n": 1}', idempotency_key="k"),
        store.create(PLACE, '{"n": 1}', idempotency_key="k"),
        store.create(PLACE, '{"n": 2}', idempotency_key="k"),
        store.create(PLACE, "{}", record_id="both", idempotency_key="l"),
        store.create(PLACE, "{}", record_id="both", idempotency_key="l"),
        return_exceptions=True,
    )
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Stored, Stored, ConflictError, ConflictError, Stored, Stored, ConflictError, Stored, Stored]
    assert outcomes[4] == outcomes[5]
    assert outcomes[7] == outcomes[8]
    assert await database.fetchval("select count(*) from records") == 5


async def test_a_key_that_has_expired_serves_another_request(store: RecordStore, database: Database):
    first = await store.create(PLACE, '{"n": 1}', idempotency_key="k")
    await database.execute(EXPIRE)
    second = await store.create(PLACE, '{"n": 2}', idempotency_key="k")
    assert read(second)["id"] != read(first)["id"]
    assert await store.create(PLACE, '{"n": 2}', idempotency_key="k") == second
    await database.execute(EXPIRE)
    updated = await store.update("p", read(first)["id"], "{}", idempotency_key="k")
    assert await store.update("p", read(first)["id"], "{}", idempotency_key="k") == updated


async def test_expired_keys_are_removed_and_others_kept(store: RecordStore, database: Database):
    for n in range(5):
        await store.create(PLACE, "{}", idempotency_key=f"old-{n}")
    await database.execute(f"{EXPIRE}, created_at = now() - interval '24 hours 1 second'")
    await store.create(PLACE, "{}", idempotency_key="new")
    assert (await apply_retention(database))["idempotency_keys"] == 5
    assert [row["key"] for row in await database.fetch("select key from idempotency_keys")] == ["new"]


async def test_a_second_request_waits_for_the_answer_of_the_first(database: Database):
    key = request_key("p", "k", "delete-all", "all")
    begun, go_on = asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    async def act(_: Connection) -> dict[str, Any]:
        calls.append("act")
        begun.set()
        await go_on.wait()
        return {"deleted_count": 3}

    first = asyncio.create_task(answer_once(database, key, act))
    await begun.wait()
    second = asyncio.create_task(answer_once(database, key, act))
    done, _ = await asyncio.wait([second], timeout=0.2)
    assert not done
    go_on.set()
    assert await first == await second == {"deleted_count": 3}
    assert calls == ["act"]
    with pytest.raises(ConflictError):
        await answer_once(database, request_key("p", "k", "delete-all", "some"), act)


async def test_a_write_that_fails_frees_its_key_for_those_who_wait(database: Database):
    key = request_key("p", "k", "delete-all", "all")

    async def fail(connection: Connection) -> dict[str, Any]:
        await connection.execute("select 1 / 0")
        return {}

    async def act(_: Connection) -> dict[str, Any]:
        return {"deleted_count": 0}

    with pytest.raises(asyncpg.DivisionByZeroError):
        await answer_once(database, key, fail)
    assert await answer_once(database, key, act) == {"deleted_count": 0}


async def test_keys_of_the_last_day_survive_the_upgrade(postgres_server: PostgresServer, tmp_path: Path):
    for name in ("0001_core.sql", "0002_records.sql"):
        shutil.copy(MIGRATIONS / name, tmp_path)
    async with empty_database(postgres_server) as dsn:
        await migrate(dsn, folder=tmp_path)
        connection = await asyncpg.connect(dsn)
        key = request_key("p", "fresh", "", """('_public', 'default'){"n": 1}""")
        assert key is not None
        for age, name in (("1 hour", "fresh"), ("2 days", "stale")):
            await connection.execute(
                "insert into records values ($1, 'p', '_public', 'default', null, '{\"n\": 2}', "
                "now() - $2::text::interval, now(), $1, $3)",
                *(name, age, key.fingerprint),
            )
        await migrate(dsn)
        assert [row["key"] for row in await connection.fetch("select key from idempotency_keys")] == ["fresh"]
        await connection.close()
        async with opened(dsn) as database:
            store = RecordStore(database)
            again = read(await store.create(PLACE, '{"n": 1}', idempotency_key="fresh"))
            assert (again["id"], again["data"]) == ("fresh", {"n": 1})
            assert again["created_at"] == read(await store.get("p", "fresh"))["created_at"]
            assert read(await store.create(PLACE, '{"n": 1}', idempotency_key="stale"))["id"] != "stale"
