"""Records on a real PostgreSQL: values survive, order holds, filters find, and batches keep their items apart."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from serai.errors import ConflictError, InvalidFieldError, NotFoundError
from serai.records.paging import Page
from serai.records.payload import payload_text
from serai.records.place import Place
from serai.records.queries import RecordQueries
from serai.records.search import Search
from serai.records.store import RecordStore
from serai.storage.connection import Database

PLACE = Place(project_id="p", deployment_name="_public", collection="default")


@pytest.fixture
async def store(shared_url: str) -> AsyncIterator[RecordStore]:
    database = Database(shared_url)
    await database.open()
    await database.execute("truncate records, idempotency_keys")
    yield RecordStore(database)
    await database.close()


async def put(store: RecordStore, data: Any, *, place: Place = PLACE, key: str | None = None) -> dict[str, Any]:
    text = data if isinstance(data, str) else json.dumps(data)
    payload = payload_text(text.encode(), loc=("body", "data"))
    record: dict[str, Any] = json.loads((await store.create(place, payload, idempotency_key=key)).body)
    return record


async def get(store: RecordStore, record_id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((await store.get("p", record_id)).body)
    return record


async def find(store: RecordStore, wanted: Any = None, **members: Any) -> list[Any]:
    page = json.loads(
        await RecordQueries(store._database).search(Search(place=PLACE, filter=json.dumps(wanted).encode(), **members))
    )
    return [item["data"] for item in page["items"]]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"big": 2**63 - 1, "small": -(2**63), "huge": 10**400},
        {
            "floats": [
                0.1,
                1.0,
                -2.5,
                1e22,
                1e23,
                1.7976931348623157e308,
                5e-324,
                2.2250738585072014e-308,
                1e-7,
                123456.789,
            ]
        },
        {"id": "mine", "created_at": "never", "data": {"data": None}},
        {"text": '\x01\x1f\x7f\x85\u2028\u2029\ufeff\uffff\U0010ffff é 𝕏 "\\/'},
        {"nested": [[[{"a": [True, False, None]}]]]},
        {"": "empty name", "a.b": 1, '"': 2},
        {"looks like a number": "1e400", "and": "NaN", "long": "9" * 5000},
    ],
)
async def test_values_survive_exactly(store: RecordStore, data: dict[str, Any]):
    created = await put(store, data)
    read = await get(store, created["id"])
    assert read["data"] == created["data"] == data
    assert repr_types(read["data"]) == repr_types(data)


async def test_the_last_of_duplicate_members_counts(store: RecordStore):
    created = await put(store, '{"a": 1, "a": 2}')
    assert created["data"] == (await get(store, created["id"]))["data"] == {"a": 2}


async def test_a_create_answers_the_text_that_get_answers(store: RecordStore):
    for text in ('{"a": 1, "b": {"c": 1, "c": 2}, "a": -0.0}', '{"bb": 1.50, "a": [-0, 0e5, 1E2, 1e23]}'):
        created = await store.create(PLACE, payload_text(text.encode(), loc=()))
        assert created == await store.get("p", json.loads(created.body)["id"])


async def test_creates_that_share_a_batch_keep_their_keys_apart(store: RecordStore):
    keys = random.Random(1).choices([None, "a", "b", "c"], k=100)
    records = await asyncio.gather(*(put(store, {"key": key}, key=key) for key in keys))
    assert [record["data"]["key"] for record in records] == keys
    assert len({record["id"] for record in records}) == 3 + keys.count(None)
    assert len(await find(store, page=Page(200))) == 3 + keys.count(None)


async def test_one_key_for_two_payloads_in_a_batch_stores_the_first(store: RecordStore):
    results = await asyncio.gather(*(put(store, {"n": n}, key="k") for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [dict, ConflictError, ConflictError]
    assert await find(store) == [{"n": 0}]


async def test_stores_that_take_the_same_keys_in_opposite_order_agree(store: RecordStore, shared_url: str):
    database = Database(shared_url)
    await database.open()
    keys = [str(n) for n in range(200)]
    other = RecordStore(database)
    here = [put(store, {}, key=key) for key in keys]
    there = [put(other, {}, key=key) for key in reversed(keys)]
    records = await asyncio.gather(*here, *there)
    await database.close()
    assert records[:200] == records[:199:-1]
    assert len(await find(store, page=Page(1000))) == 200


async def test_created_at_follows_the_order_of_insertion_and_ids_rise_with_it(store: RecordStore):
    records = await asyncio.gather(*(put(store, {"n": n}) for n in range(200)))
    assert [record["created_at"] for record in records] == sorted({record["created_at"] for record in records})
    assert [record["id"] for record in records] == sorted({record["id"] for record in records})
    assert await find(store, page=Page(200)) == [{"n": n} for n in reversed(range(200))]


async def test_updated_at_is_strictly_greater_after_each_of_many_updates(store: RecordStore):
    record = await put(store, {})
    updates = await asyncio.gather(*(store.update("p", record["id"], "{}") for _ in range(50)))
    times = [record["updated_at"], *(json.loads(update.body)["updated_at"] for update in updates)]
    assert len(set(times)) == 51
    assert (await get(store, record["id"]))["updated_at"] == max(times)


async def test_one_bad_create_in_a_batch_fails_alone(store: RecordStore):
    texts = [f'{{"n": {n}}}' for n in range(20)]
    texts[7] = r'{"n": "\u0000"}'
    texts[13] = r'{"n": "\ud800"}'
    results = await asyncio.gather(*(put(store, text) for text in texts), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, InvalidFieldError)] == [7, 13]
    assert len(await find(store)) == 18


async def test_gets_that_wait_together_share_a_statement_and_each_gets_its_own(store: RecordStore):
    records = [await put(store, {"n": n}) for n in range(10)]
    wanted = random.Random(1).choices(records, k=100)
    found = await asyncio.gather(
        *(store.get("p", record["id"]) for record in wanted), store.get("q", records[0]["id"]), return_exceptions=True
    )
    assert [json.loads(item.body) for item in found[:-1] if not isinstance(item, BaseException)] == wanted
    assert isinstance(found[-1], NotFoundError)


async def test_a_create_that_was_answered_is_seen_by_everybody(store: RecordStore, shared_url: str):
    record = await put(store, {"a": 1})
    connection = await asyncpg.connect(shared_url)
    assert await connection.fetchval("select data::text from records where id = $1", record["id"]) == '{"a": 1}'
    await connection.close()


async def test_places_do_not_see_each_other(store: RecordStore):
    await put(store, {"here": True})
    for other in (
        Place(project_id="q", deployment_name="_public", collection="default"),
        Place(project_id="p", deployment_name="other", collection="default"),
        Place(project_id="p", deployment_name="_public", collection="other"),
    ):
        await put(store, {"here": False}, place=other)
    assert await find(store) == [{"here": True}]


A = {"v": 1, "t": ["x", "y"], "c": {"city": "Rome"}}
B = {"v": "1", "t": "x"}
C: dict[str, Any] = {"v": None, "t": []}
D = {"w": True}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, [D, C, B, A]),
        ({}, [D, C, B, A]),
        ({"v": {}}, [D, C, B, A]),
        ({"v": {"eq": 1}}, [A]),
        ({"v": {"eq": 1.0}}, [A]),
        ({"v": {"eq": "1"}}, [B]),
        ({"v": {"eq": None}}, [D, C]),
        ({"v": {"eq": True}}, []),
        ({"t": {"eq": "x"}}, [B]),
        ({"t.0": {"eq": "x"}}, []),
        ({"c.city": {"eq": "Rome"}}, [A]),
        ({"data.c.city": {"eq": "Rome"}}, [A]),
        ({"data.v": {"eq": 1}, "data.c.city": {"eq": "Rome"}}, [A]),
        ({"data.v": {"eq": 1}, "w": {"eq": True}}, []),
        ({"c.city.x": {"eq": None}}, [D, C, B, A]),
        ({"w": {"eq": True}}, [D]),
        ({"w": {"eq": 1}}, []),
        ({"w": {"eq": "'; drop table records; --"}}, []),
        ({"x' or true --": {"eq": 1}}, []),
    ],
)
async def test_equality_finds_by_type_and_value(store: RecordStore, wanted: Any, expected: list[Any]):
    for data in (A, B, C, D):
        await put(store, data)
    assert await find(store, wanted) == expected


async def test_a_path_through_data_falls_back_to_the_payloads_own_member_data(store: RecordStore):
    plain, wrapped = {"vendor": "Acme"}, {"data": {"vendor": "Acme"}}
    shadowed = {"vendor": None, "data": {"vendor": "Acme"}}
    for data in (plain, wrapped, shadowed):
        await put(store, data)
    assert await find(store, {"data.vendor": {"eq": "Acme"}}) == [wrapped, plain]
    assert await find(store, {"vendor": {"eq": "Acme"}}) == [plain]
    assert await find(store, {"data.data.vendor": {"eq": "Acme"}}) == [shadowed, wrapped]
    assert await find(store, {'"data".vendor': {"eq": "Acme"}}) == [shadowed, wrapped]
    assert await find(store, {"data.created_at": {"eq": None}}) == [shadowed, wrapped, plain]


async def test_a_float_that_jsonb_would_widen_is_found_by_equality(store: RecordStore):
    await put(store, {"v": 1e23})
    assert await find(store, {"v": {"eq": 1e23}}) == [{"v": 1e23}]


async def test_total_counts_all_matches_whatever_the_page(store: RecordStore):
    for n in range(7):
        await put(store, {"n": n, "even": n % 2 == 0})
    search = Search(place=PLACE, filter=b'{"even": {"eq": true}}', page=Page(1, 2), include_total=True)
    page = json.loads(await RecordQueries(store._database).search(search))
    assert page["total_size"] == 4
    assert [item["data"]["n"] for item in page["items"]] == [2]
    assert page["next_page_token"] is not None


async def test_an_operand_that_no_record_can_hold_is_refused(store: RecordStore):
    with pytest.raises(InvalidFieldError):
        await RecordQueries(store._database).search(Search(place=PLACE, filter=rb'{"v": {"eq": "\u0000"}}'))


async def test_walking_by_tokens_visits_each_record_once_while_others_come_and_go(store: RecordStore):
    records = [await put(store, {"n": n}) for n in range(25)]
    seen: list[int] = []
    token = None
    while True:
        page = json.loads(await RecordQueries(store._database).search(Search(place=PLACE, page=Page(4, token=token))))
        seen += [item["data"]["n"] for item in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
        await put(store, {"n": "newer"})
        await store.delete("p", records[seen[-1]]["id"])
    assert seen == list(reversed(range(25)))


def repr_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: repr_types(member) for name, member in value.items()}
    if isinstance(value, list):
        return [repr_types(member) for member in value]
    return type(value)
