"""Deletes by query and exports over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.storage.connection import connect
from tests.hosting import RecordsRuntime, http_client, make_os, serving

BASE = "/api/v1/beta/agent-data"
DATA = [{"n": 1, "name": "Ada"}, {"n": 2.5, "name": None}, {"n": "3", "tags": ["x", {"y": 1}]}, {"note": 'a "b",\nc'}]


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        for data in DATA:
            response = await client.post("", json={"deployment_name": "d", "data": data})
            assert response.status_code == 200, response.text
        yield client


async def ask(api: httpx.AsyncClient, path: str, *, key: str | None = None, **members: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api.post(path, json={"deployment_name": "d", **members}, headers=headers)


async def count(api: httpx.AsyncClient) -> int:
    total: int = (await ask(api, "/:search", page_size=0, include_total=True)).json()["total_size"]
    return total


async def test_a_delete_by_query_removes_what_a_search_finds(api: httpx.AsyncClient):
    response = await ask(api, "/:delete", filter={"n": {"ne": None}})
    assert response.json() == {"deleted_count": 3}
    assert await count(api) == 1


async def test_a_delete_that_is_sent_again_gets_its_first_answer(api: httpx.AsyncClient):
    key = str(uuid4())
    first = await ask(api, "/:delete", filter={"n": {"eq": 1}}, key=key)
    await ask(api, "", data={"n": 1})
    again = await ask(api, "/:delete", filter={"n": {"eq": 1}}, key=key)
    assert first.json() == again.json() == {"deleted_count": 1}
    assert await count(api) == 4


async def test_one_key_for_two_deletes_is_409_and_removes_nothing(api: httpx.AsyncClient):
    key = str(uuid4())
    await ask(api, "/:delete", filter={"n": {"eq": 1}}, key=key)
    other = await ask(api, "/:delete", key=key)
    assert (other.status_code, other.headers["x-should-retry"]) == (409, "false")
    assert await count(api) == 3


@pytest.mark.parametrize(
    ("members", "loc"),
    [
        ({"filters": {"n": {"eq": 1}}}, ["filters"]),
        ({"Filter": {"n": {"eq": 1}}}, ["Filter"]),
        ({"filter": {"n": {"equals": 1}}}, ["filter", "n", "equals"]),
        ({"filter": [{"n": {"eq": 1}}]}, ["filter"]),
        ({"filter": {"created_at": {"lt": "tomorrow"}}}, ["filter", "created_at", "lt"]),
        ({"filter": {"n": {"eq": 1}}, "page_size": 1}, ["page_size"]),
    ],
)
async def test_a_delete_with_a_mistake_removes_nothing(api: httpx.AsyncClient, members: dict[str, Any], loc: list[str]):
    response = await ask(api, "/:delete", **members)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", *loc]
    assert await count(api) == 4


async def test_an_export_has_a_record_a_line(api: httpx.AsyncClient):
    response = await ask(api, "/:export", order_by="created_at")
    assert response.headers["content-type"] == "application/x-ndjson"
    found = (await ask(api, "/:search", order_by="created_at")).json()["items"]
    assert [json.loads(line) for line in response.content.splitlines()] == found


async def test_an_export_has_only_what_matches(api: httpx.AsyncClient):
    response = await ask(api, "/:export", filter={"n": {"gt": 0}}, order_by="n desc")
    assert [json.loads(line)["data"]["n"] for line in response.content.splitlines()] == [2.5, 1]


async def test_a_table_has_a_column_for_each_member(api: httpx.AsyncClient):
    response = await ask(api, "/:export", format="csv", order_by="created_at")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="records.csv"'
    table = list(csv.DictReader(io.StringIO(response.text, newline="")))
    found = (await ask(api, "/:search", order_by="created_at")).json()["items"]
    assert [(row["id"], row["created_at"], row["updated_at"]) for row in table] == [
        (item["id"], item["created_at"], item["updated_at"]) for item in found
    ]
    assert [[row[name] for name in ("n", "name", "note", "tags")] for row in table] == [
        ["1", "Ada", "", ""],
        ["2.5", "", "", ""],
        ["3", "", "", '["x", {"y": 1}]'],
        ["", "", 'a "b",\nc', ""],
    ]


async def test_a_table_can_be_ordered_by_a_field(api: httpx.AsyncClient):
    response = await ask(api, "/:export", format="csv", order_by="n desc, name", filter={"n": {"ne": None}})
    assert [row["n"] for row in csv.DictReader(io.StringIO(response.text))] == ["3", "2.5", "1"]


async def test_a_table_has_the_fields_that_were_asked_for(api: httpx.AsyncClient):
    response = await ask(api, "/:export", format="csv", fields=["data.name", "no.such"], filter={"n": {"eq": 1}})
    [row] = csv.DictReader(io.StringIO(response.text))
    assert [*row] == ["id", "created_at", "updated_at", "data.name", "no.such"]
    assert (row["data.name"], row["no.such"]) == ("Ada", "")


async def test_an_export_of_nothing_is_empty(api: httpx.AsyncClient):
    assert (await ask(api, "/:export", collection="none")).content == b""
    assert (await ask(api, "/:export", collection="none", format="csv")).text.strip() == "id,created_at,updated_at"


@pytest.mark.parametrize(
    ("members", "loc"),
    [
        ({"format": "xlsx"}, ["format"]),
        ({"filter": {"n": {"eq": [1]}}}, ["filter", "n", "eq"]),
        ({"order_by": "n up"}, ["order_by"]),
        ({"format": "csv", "fields": ["a", "b."]}, ["fields", 1]),
        ({"page_size": 10}, ["page_size"]),
    ],
)
async def test_an_export_names_what_is_wrong(api: httpx.AsyncClient, members: dict[str, Any], loc: list[Any]):
    response = await ask(api, "/:export", **members)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", *loc]


async def test_a_reader_who_leaves_takes_the_export_along(api: httpx.AsyncClient, shared_url: str):
    items = [{"data": {"text": "x" * 10_000, "n": n}} for n in range(1000)]
    for _ in range(3):
        assert (await ask(api, "/:batch", items=items)).status_code == 200
    connection = await connect(shared_url)
    try:
        exports = "select count(*) from pg_stat_activity where application_name = 'serai-export'"
        async with api.stream("POST", "/:export", json={"deployment_name": "d"}) as response:
            pieces = response.aiter_raw(1000)
            await anext(pieces)
            assert await connection.fetchval(exports) == 1
        async with asyncio.timeout(5):
            while await connection.fetchval(exports):  # noqa: ASYNC110 - another process is watched
                await asyncio.sleep(0.02)
    finally:
        await connection.close()
