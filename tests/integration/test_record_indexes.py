"""Indexes of records on a real PostgreSQL: built while others write, used, found by slow questions, dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr

from serai import RecordIndex
from serai.errors import DatabaseUnavailableError, FencedError, NotFoundError, RetryLaterError
from serai.records.arguments import Arguments
from serai.records.filters import compile_filter, parse_filter
from serai.records.groups import Aggregation
from serai.records.indexes.builder import build
from serai.records.indexes.catalog import Catalog
from serai.records.indexes.drops import sweep
from serai.records.indexes.requests import IndexLimits, IndexRequest
from serai.records.indexes.slot_filling import SlottedPlace, find_place
from serai.records.paths import Path
from serai.records.paths import parse_path as path
from serai.records.place import Place
from serai.records.queries import RecordQueries
from serai.records.search import COUNT, Search
from serai.records.shapes import Shape, shape_of
from serai.records.slots import keep_slots
from serai.records.sources import source_of
from serai.records.store import RecordStore, Stored
from serai.server.components import Components
from serai.server.runtime import Runtime
from serai.settings import Settings
from serai.storage.connection import Database
from tests.run_values import open_database, until

PLACE = Place(project_id="it's", deployment_name='"_public"', collection="hot \\ ünï")
OTHER = Place(project_id="it's", deployment_name='"_public"', collection="other")
STATUS, DEPT, AGE, TAGS = path("status"), path("dept"), path("data.age"), path("tags")
BY_STATUS = Shape(equal=(STATUS,))
BY_STATUS_AGE = Shape(equal=(STATUS,), order=((AGE, True),))
GROUPS = Shape(group=(STATUS, DEPT))
ROWS = 5_000

INSERT = """
insert into records (id, project_id, deployment_name, collection, data, created_at, updated_at)
select 'r' || i, $1, $2, $3, jsonb_build_object(
    'status', (array['new', 'open', 'done'])[1 + i % 3], 'dept', 'd' || i % 20, 'age', i % 90,
    'tags', jsonb_build_array('t' || i % 50, 'all'), 'note', repeat('x', 150)
), now() - i * interval '1 millisecond', now()
from generate_series(1, $4::int) as i
"""
INDEXES = "select name, kind, shape::text, state, declared, error from record_indexes order by created_at, name"
IN_POSTGRES = "select count(*) from pg_class where relname like 'serai\\_ix\\_%' and relkind = 'i'"
BUILDS_NOTHING = """
select not exists(select from pg_stat_activity where datname = current_database() and state = 'active'
                  and query like 'create index concurrently%')"""
AGED = "update record_indexes set built_at = now() - interval '20 days', last_used_at = null"


async def no_report(progress: Mapping[str, Any]) -> None:
    pass


def names_of(place: Place) -> tuple[str, str, str]:
    return place.project_id, place.deployment_name, place.collection


async def fill(database: Database, place: Place = PLACE, rows: int = ROWS) -> None:
    await database.execute(INSERT, *names_of(place), rows)
    await database.execute("vacuum (analyze) records")


async def build_here(database: Database, shape: Shape, place: Place = PLACE, **options: Any) -> str:
    declared = options.pop("is_declared", False)
    request = IndexRequest(place=place, shape=shape, is_declared=declared)
    return await build(database.dsn, request, options.pop("report", no_report), **options)


async def states(database: Database) -> list[tuple[str, str]]:
    return [(row["kind"], row["state"]) for row in await database.fetch(INDEXES)]


async def place_of(database: Database) -> SlottedPlace | None:
    async with database.connection() as connection:
        return await find_place(connection, PLACE)


async def wrong_slots(database: Database, place: Place = PLACE) -> int:
    """Return how many rows of slots are not what the payloads say: none may be missing, differ or be too many."""
    keep = keep_slots("given").replace("record_slots as kept", "expected as kept")
    async with database.connection() as connection:
        await connection.execute("create temp table expected (like record_slots including all)")
        await connection.execute(f"with given as (select * from records) {keep}")
        count: int = await connection.fetchval(
            "with here as (select * from record_slots) select count(*) from ("
            "(select * from expected except all select * from here) union all "
            "(select * from here except all select * from expected)) as wrong"
        )
        await connection.execute("drop table expected")
    return count


async def explain(database: Database, catalog: Catalog, filter_: Mapping[str, Any]) -> str:
    """Return the plan of a total."""
    terms = parse_filter(json.dumps(filter_).encode())
    plan = catalog.plans(PLACE, shape_of(terms))[0]
    arguments = Arguments()
    source = source_of(PLACE, plan, arguments)
    condition = f"{source.scope} and {compile_filter(terms, source.fields, arguments)}"
    statement = COUNT.format(guard=source.guard, table=source.table, condition=condition)
    rows = await database.fetch(f"explain {statement}", *arguments.values)
    return "\n".join(row[0] for row in rows)


async def ask(queries: RecordQueries) -> Sequence[Any]:
    """Return the answers to some questions."""
    answers = [
        await queries.search(Search(place=PLACE, filter=b'{"status": {"eq": "open"}}', include_total=True)),
        await queries.search(
            Search(place=PLACE, filter=b'{"status": {"eq": "done"}}', order_by="data.age desc", include_total=True)
        ),
        await queries.search(Search(place=PLACE, filter=b'{"tags": {"includes": ["t7"]}}', include_total=True)),
        await queries.aggregate(
            Aggregation(place=PLACE, group_by=("status", "dept"), count=True, first=True, include_total=True)
        ),
    ]
    return [{key: one[key] for key in ("items", "total_size")} for one in map(json.loads, answers)]


async def test_indexes_are_built_and_used_and_answers_stay_the_same(database: Database):
    await fill(database)
    before = await ask(RecordQueries(database))
    assert "was built" in await build_here(database, BY_STATUS)
    for shape in (BY_STATUS, BY_STATUS_AGE, GROUPS):
        assert "was built" in await build_here(database, shape)
        assert "is there" in await build_here(database, shape)
    assert await states(database) == [("gin", "ready")] + [("shape", "ready")] * 3
    assert await wrong_slots(database) == 0
    names = {row["shape"]: row["name"] for row in await database.fetch(INDEXES)}
    catalog = Catalog(database)
    await catalog.read()
    total = await explain(database, catalog, {"status": {"eq": "open"}})
    assert "Index Only Scan using serai_ix_" in total
    assert f"Bitmap Index Scan on {names['{}']}" in await explain(database, catalog, {"tags": {"includes": ["t7"]}})
    for shape in (BY_STATUS, BY_STATUS_AGE, GROUPS):
        assert catalog.plans(PLACE, shape)[0] is not None
    assert await ask(RecordQueries(database, catalog)) == before
    await catalog.close()


async def test_writes_during_a_build_lose_nothing(database: Database):
    await fill(database)
    store = RecordStore(database)
    is_over = asyncio.Event()
    writes = 0

    async def write(worker: int) -> None:
        nonlocal writes
        number = 0
        while not is_over.is_set():
            number += 1
            name = f"w{worker}-{number % 5}"
            await store.create(PLACE, json.dumps({"status": "new", "age": number, "dept": None}))
            change = json.dumps({"status": number, "age": "old"})
            with suppress(NotFoundError):
                await store.update(PLACE.project_id, f"r{(number * 7 + worker) % ROWS}", change)
            with suppress(NotFoundError):
                await store.delete(PLACE.project_id, f"r{(number * 11 + worker) % ROWS}")
            # The same id again and again, gone and come back.
            await store.create(PLACE, json.dumps({"status": name}), record_id=name)
            await store.delete(PLACE.project_id, name)
            if number % 2:
                await store.create(PLACE, json.dumps({"status": "back"}), record_id=name)
                await store.delete(PLACE.project_id, name)
            writes += 4

    workers = [asyncio.create_task(write(worker)) for worker in range(4)]
    await asyncio.sleep(0)
    results = [await build_here(database, shape) for shape in (GROUPS, BY_STATUS_AGE, Shape(ranged=(path("note"),)))]
    is_over.set()
    await asyncio.gather(*workers)
    assert all("was built" in result for result in results)
    assert writes > 50
    assert await wrong_slots(database) == 0
    known = await place_of(database)
    assert known is not None
    assert known.slots.keys() >= {STATUS, DEPT, AGE, path("note")}
    assert known.lacks(known.slots) == 0


async def test_a_build_waits_for_a_writer_that_does_not_know_its_slots(database: Database, database_url: str):
    await fill(database, rows=2_500)
    async with open_database(database_url) as other, other.connection() as writer:
        await writer.execute("begin isolation level repeatable read")
        await writer.fetchval("select count(*) from records")
        await writer.execute("update records set data = '{\"status\": \"late\"}' where id = 'r1'")
        building = asyncio.create_task(build_here(database, GROUPS))
        await until(database, "select count(*) > 0 from record_places")
        done, _ = await asyncio.wait({building}, timeout=0.5)
        assert not done
        await writer.execute("commit")
        assert "was built" in await building
    assert await wrong_slots(database) == 0


async def test_a_build_that_is_fenced_or_killed_is_begun_anew(database: Database):
    await fill(database, rows=2_500)

    async def lose(progress: Mapping[str, Any]) -> None:
        raise FencedError("taken over")

    with pytest.raises(FencedError):
        await build_here(database, GROUPS, report=lose)
    assert await states(database) == [("shape", "building")]

    async def kill(progress: Mapping[str, Any]) -> None:
        await database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'serai record indexes'"
        )

    with pytest.raises(DatabaseUnavailableError):
        await build_here(database, GROUPS, report=kill)
    assert "was built" in await build_here(database, GROUPS)
    assert await states(database) == [("shape", "ready")]
    assert await wrong_slots(database) == 0


async def test_an_invalid_index_of_a_dead_build_is_replaced(database: Database):
    await fill(database, rows=2_500)

    async def lose(progress: Mapping[str, Any]) -> None:
        if progress["phase"] == "index":
            await until(database, "select exists(select from pg_index where not indisvalid)")
            raise FencedError("taken over")

    async with database.connection() as writer:
        await writer.execute("begin")
        await writer.execute("update records set updated_at = now() where id = 'r1'")
        keep_open = asyncio.create_task(build_here(database, Shape(contains=(TAGS,)), report=lose))
        with pytest.raises(FencedError):
            await keep_open
        await until(database, BUILDS_NOTHING)  # what was cancelled could go on to the end, once nobody holds it up
        await writer.execute("rollback")
    invalid = "select count(*) from pg_index where not indisvalid"
    assert await database.fetchval(invalid) == 1
    assert "was built" in await build_here(database, Shape(contains=(TAGS,)))
    assert await database.fetchval(invalid) == 0
    assert await states(database) == [("gin", "ready")]


async def test_a_sweep_drops_what_is_unused_and_what_dead_builds_left(database: Database):
    await fill(database, rows=2_500)
    await build_here(database, BY_STATUS_AGE, is_declared=True)
    await build_here(database, GROUPS)
    await build_here(database, Shape(contains=(TAGS,)))
    assert await sweep(database.dsn, unused_days=14) == []
    await database.execute(AGED)
    assert await sweep(database.dsn, unused_days=None) == []
    assert len(await sweep(database.dsn, unused_days=14)) == 2
    assert await states(database) == [("shape", "ready")]
    known = await place_of(database)
    assert known == SlottedPlace(1, {STATUS: 1, AGE: 2, DEPT: 3}, 0b111)

    await database.execute("update record_indexes set state = 'building'")
    await database.execute("create index serai_ix_0123456789abcdef on records (id)")
    await database.execute("insert into record_slots (place, id, created_at) values (77, 'stray', now())")
    assert len(await sweep(database.dsn, unused_days=14)) == 2
    assert await states(database) == []
    for left in (IN_POSTGRES, "select count(*) from record_slots", "select count(*) from record_places"):
        assert await database.fetchval(left) == 0


async def test_a_slot_given_to_another_field_holds_that_fields_values(database: Database):
    await fill(database, rows=2_500)
    plain_age, note = path("age"), path("note")
    await build_here(database, GROUPS)
    assert await place_of(database) == SlottedPlace(1, {STATUS: 1, DEPT: 2, plain_age: 3}, 0b111)
    others = tuple(path(f"other{number}") for number in range(4, 9))
    await build_here(database, Shape(ranged=others))
    assert "was built" in await build_here(database, Shape(ranged=(note,)))
    slots = {STATUS: 1, DEPT: 2, note: 3, **{other: slot for slot, other in enumerate(others, 4)}}
    assert await place_of(database) == SlottedPlace(1, slots, 0xFF)
    assert await wrong_slots(database) == 0
    refused = await build_here(database, Shape(ranged=(plain_age,)))
    assert refused == "all slots are in use, and none of them may be dropped for another"


async def test_one_filling_serves_the_indexes_that_follow(database: Database):
    await fill(database, rows=2_500)
    await build_here(database, BY_STATUS)
    await build_here(database, Shape(ranged=(STATUS,)))
    filled = await database.fetchval("select max(xmin::text::bigint) from record_slots")
    for shape in (GROUPS, Shape(equal=(DEPT,), order=((path("age"), False),))):
        assert "was built" in await build_here(database, shape)
    assert await database.fetchval("select max(xmin::text::bigint) from record_slots") == filled
    known = await place_of(database)
    assert known == SlottedPlace(1, {STATUS: 1, DEPT: 2, path("age"): 3}, 0b111)


async def test_too_many_indexes_push_out_the_least_used(database: Database):
    await fill(database, rows=2_500)
    await fill_other(database)
    limits = IndexLimits(per_collection=2, total=3)
    for shape in (GROUPS, BY_STATUS_AGE):
        await build_here(database, shape, limits=limits)
    refused = await build_here(database, Shape(ranged=(AGE,)), limits=limits)
    assert refused == "the collection has 2 indexes, and none of them may be dropped for another"
    assert "within the last day" in await build_here(database, Shape(ranged=(AGE,)), limits=limits)
    await database.execute("delete from record_indexes where state = 'failed'")
    await database.execute("update record_indexes set built_at = now() - interval '2 hours'")
    await database.execute("update record_indexes set last_used_at = now() where shape ? 'group'")
    assert "was built" in await build_here(database, Shape(ranged=(AGE,)), limits=limits)
    assert [row["shape"] for row in await database.fetch(INDEXES)] == [
        '{"group": ["status", "dept"]}',
        '{"ranged": ["data.age"]}',
    ]
    assert "was built" in await build_here(database, BY_STATUS, OTHER, limits=limits)
    await database.execute("update record_indexes set declared = true where shape ? 'group'")
    await database.execute("update record_indexes set built_at = now() - interval '3 hours' where shape ? 'ranged'")
    assert "was built" in await build_here(database, BY_STATUS, OTHER, limits=limits)
    assert await states(database) == [("shape", "ready"), ("gin", "ready"), ("shape", "ready")]
    assert await database.fetchval(IN_POSTGRES) == 3


async def fill_other(database: Database) -> None:
    await database.execute(INSERT.replace("'r' ||", "'o' ||"), *names_of(OTHER), 2_500)


async def test_what_makes_no_sense_is_not_built(database: Database):
    await fill(database, rows=1_500)
    assert await build_here(database, GROUPS) == "1500 records need no index"
    assert await states(database) == []
    await database.execute(INSERT.replace("'r' ||", "'s' ||"), *names_of(PLACE), 1_000)
    assert "tags holds arrays" in await build_here(database, Shape(group=(TAGS,)))
    assert "has a number" in await build_here(database, Shape(ranged=(Path(("a", "0")),)))
    await database.execute(
        "update records set data = data || jsonb_build_object('dept', repeat('x', 401)) where id = 'r7'"
    )
    assert "no slot can hold" in await build_here(database, GROUPS)
    assert await states(database) == [("shape", "failed")] * 3
    assert await database.fetchval(IN_POSTGRES) == 0
    assert await database.fetchval("select count(*) from record_slots") == 0


async def test_only_one_index_is_built_at_a_time(database: Database, database_url: str):
    await fill(database, rows=2_500)
    lock = "select pg_advisory_lock(hashtextextended('serai record indexes', 0))"
    async with open_database(database_url) as other, other.connection() as holder:
        await holder.execute(lock)
        with pytest.raises(RetryLaterError, match="Another index"):
            await build_here(database, GROUPS, wait_s=0.1)
        assert await sweep(database.dsn, unused_days=1) == []
        await holder.execute("select pg_advisory_unlock_all()")
    first, second = await asyncio.gather(build_here(database, GROUPS), build_here(database, GROUPS))
    assert sorted((first.split()[1:], second.split()[1:])) == [["is", "there"], ["was", "built"]]


async def test_no_value_makes_a_write_fail(database: Database):
    await fill(database, rows=2_500)
    fields = [path(name) for name in "abcde"]
    shape = Shape(equal=tuple(fields[:2]), order=((fields[2], False),), ranged=tuple(fields[3:]))
    assert "was built" in await build_here(database, shape, is_declared=True)
    store = RecordStore(database)
    values = [
        *("x" * 400, "ü" * 200, "x" * 401, "y" * 5_000, "\U0001f600" * 5_000),
        *(10**39, 10**40, -(10**400), 1e-300, [1] * 3_000, {"a": "z" * 9_000}, None, True),
    ]
    for number, value in enumerate(values):
        name = f"{number:x>200}"
        data = json.dumps(dict.fromkeys("abcde", value), ensure_ascii=False)
        stored = await store.create(PLACE, data, record_id=name)
        assert isinstance(stored, Stored)
        assert json.loads(stored.body)["data"]["a"] == value
        await store.update(PLACE.project_id, name, data)
    assert await wrong_slots(database) == 0


@asynccontextmanager
async def running(dsn: str, *indexes: RecordIndex, **settings: Any) -> AsyncIterator[Runtime]:
    options = Settings(database_url=SecretStr(dsn), **settings)
    runtime = Runtime(settings=options, components=Components(), record_indexes=indexes)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


IS_READY = "select count(*) = $1 from record_indexes where state = 'ready'"


async def test_slow_questions_get_an_index_in_the_background(database: Database, database_url: str):
    await fill(database)
    before = (await ask(RecordQueries(database)))[3]
    async with running(database_url, record_index_slow_ms=0.001) as runtime:
        question = Aggregation(place=PLACE, group_by=("status", "dept"), count=True, first=True, include_total=True)
        for _ in range(4):
            await runtime.record_queries.aggregate(question)
        await until(database, "select count(*) = 1 from jobs where status = 'COMPLETED'")
        assert await database.fetchval(IS_READY, 1)
        after = json.loads(await runtime.record_queries.aggregate(question))
    assert {key: after[key] for key in before} == before
    assert [row["shape"] for row in await database.fetch(INDEXES)] == ['{"group": ["status", "dept"]}']
    jobs = await database.fetch("select status, progress->>'result' as result from jobs")
    assert [row["status"] for row in jobs] == ["COMPLETED"]
    assert "was built" in jobs[0]["result"]


async def test_declared_indexes_are_made_at_the_start_and_stay(database: Database, database_url: str):
    where = {"collection": PLACE.collection, "deployment_name": PLACE.deployment_name, "project_id": PLACE.project_id}
    index = RecordIndex(**where, filter=["status"], order_by="data.age desc", includes=["tags"])
    async with running(database_url, index, record_indexes="declared"):
        await until(database, IS_READY, 2)
    assert {(row["kind"], row["declared"]) for row in await database.fetch(INDEXES)} == {("gin", True), ("shape", True)}
    await database.execute(AGED)
    await fill(database, rows=10)
    assert await sweep(database.dsn, unused_days=14) == []
    async with running(database_url, index):
        pass
    assert await database.fetchval("select count(*) from jobs") == 2
    async with running(database_url):
        assert not await database.fetchval("select bool_or(declared) from record_indexes")
    assert len(await sweep(database.dsn, unused_days=14)) == 2


@pytest.mark.parametrize("mode", ["declared", "off"])
async def test_an_operator_can_have_it_otherwise(database: Database, database_url: str, mode: str):
    await fill(database, rows=2_500)
    index = RecordIndex("c", filter=["status"])
    declared = (index,) if mode == "off" else ()
    async with running(database_url, *declared, record_indexes=mode, record_index_slow_ms=0.001) as runtime:
        for _ in range(5):
            await runtime.record_queries.search(Search(place=PLACE, filter=b'{"status": {"eq": "open"}}'))
        await asyncio.sleep(0.05)
    assert await database.fetchval("select count(*) from jobs") == 0
