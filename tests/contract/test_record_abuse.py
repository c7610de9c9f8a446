"""Hostile requests to Agent Data: each is answered soon, and one that is refused names what to change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.errors import RetryLaterError
from serai.records.export import Export
from serai.records.place import Place
from serai.records.queries import MOST_EXPORTS, RecordQueries
from serai.storage.connection import Database
from tests.hosting import RecordsRuntime, http_client, make_os, serving

BASE = "/api/v1/beta/agent-data"


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


def names(count: int) -> list[str]:
    return [f"f{number}" for number in range(count)]


QUESTIONS = (":search", ":aggregate", ":delete", ":export")
ORDERED = (":search", ":aggregate", ":export")
MANY_FIELDS = {name: {"eq": 1} for name in names(1001)}
DEEP = "a" + ".a" * 1000
ABUSES: dict[str, tuple[tuple[str, ...], dict[str, Any], list[Any]]] = {
    "1,001 fields": (QUESTIONS, {"filter": MANY_FIELDS}, ["body", "filter"]),
    "path of 1,001 names": (QUESTIONS, {"filter": {DEEP: {"gt": 1}}}, ["body", "filter", DEEP]),
    "path of 500,000 names": (QUESTIONS, {"filter": {"a." * 500_000: {"eq": 1}}}, ["body", "filter", "a." * 500_000]),
    "order of 101 paths": (ORDERED, {"order_by": ",".join(names(101))}, ["body", "order_by"]),
    "order of one path, often": (ORDERED, {"order_by": ",".join("a" * 100_000)}, ["body", "order_by"]),
    "groups by 101 paths": ((":aggregate",), {"group_by": names(101)}, ["body", "group_by"]),
    "1,001 columns": ((":export",), {"format": "csv", "fields": names(1001)}, ["body", "fields"]),
}


@pytest.mark.parametrize(("operations", "members", "loc"), ABUSES.values(), ids=ABUSES)
async def test_what_asks_for_too_much_is_422(
    api: httpx.AsyncClient, operations: tuple[str, ...], members: dict[str, Any], loc: list[Any]
):
    for operation in operations:
        async with asyncio.timeout(10):
            response = await api.post(f"/{operation}", json={"deployment_name": "d", **members})
        assert response.status_code == 422, operation
        assert response.json()["detail"][0]["loc"] == loc


@pytest.mark.parametrize("operation", QUESTIONS)
async def test_a_filter_with_more_names_than_a_statement_holds_is_422(api: httpx.AsyncClient, operation: str):
    wanted = {".".join(f"{number}-{place}" for place in range(40)): {"lt": 1} for number in range(1000)}
    response = await api.post(f"/{operation}", json={"deployment_name": "d", "filter": wanted})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize("operation", QUESTIONS)
@pytest.mark.parametrize(
    ("wanted", "loc"),
    [(b'{"\xff":{"eq":1}}', ["body", "filter"]), (b'{"a":{"\xff":1}}', ["body", "filter", "a"])],
    ids=["path", "operator"],
)
async def test_names_that_are_not_utf_8_are_422(api: httpx.AsyncClient, operation: str, wanted: bytes, loc: list[str]):
    response = await api.post(f"/{operation}", content=b'{"deployment_name":"d","filter":%b}' % wanted)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == loc


async def test_a_small_body_does_not_become_a_huge_payload(api: httpx.AsyncClient):
    data = b'{"a":[%b]}' % b",".join([b"1e308"] * 60_000)
    response = await api.post("", content=b'{"deployment_name":"d","data":%b}' % data)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "data"]


LISTED = ["a", 1, 1.5, True, None, "missing"]


@pytest.mark.parametrize("operator", ["includes", "excludes"])
@pytest.mark.parametrize("path", ["v", "data.v"])
@pytest.mark.parametrize("sought", LISTED)
async def test_a_long_list_finds_what_a_short_one_finds(api: httpx.AsyncClient, operator: str, path: str, sought: Any):
    values = ["a", "b", 1, 1.0, 1.5, True, False, None, ["a"], [1], [None], [], [["a"]], {"a": "a"}]
    payloads = [{"v": value} for value in values]
    payloads += [{}, {"data": {"v": "a"}}, {"data": {"v": [1]}}, {"v": None, "data": {"v": "a"}}]
    body = {"deployment_name": "d", "items": [{"data": payload} for payload in payloads]}
    assert (await api.post("/:batch", json=body)).status_code == 200
    found = []
    for padding in (0, 200):
        wanted = {path: {operator: [sought, *(f"none {number}" for number in range(padding))]}}
        page = await api.post("/:search", json={"deployment_name": "d", "filter": wanted})
        found.append([json.dumps(item["data"]) for item in page.json()["items"]])
    assert found[0] == found[1]


async def test_a_long_list_reads_a_large_payload_once(api: httpx.AsyncClient):
    data = {"k": "k7", "numbers": list(range(200_000))}
    assert (await api.post("", json={"deployment_name": "d", "data": data})).status_code == 200
    wanted = {"k": {"includes": [f"k{number}" for number in range(10_000)]}}
    async with asyncio.timeout(10):
        body = {"deployment_name": "d", "filter": wanted, "page_size": 0, "include_total": True}
        assert (await api.post("/:search", json=body)).json()["total_size"] == 1


async def test_exports_that_nobody_reads_leave_connections_to_others(api: httpx.AsyncClient, shared_url: str):
    body = {"deployment_name": "d", "items": [{"data": {}}] * 2}
    project = (await api.post("/:batch", json=body)).json()["items"][0]["project_id"]
    queries = RecordQueries(Database(shared_url))
    question = Export(place=Place(project_id=project, deployment_name="d", collection="default"))
    exports = [await queries.export(question) for _ in range(MOST_EXPORTS)]
    for pieces in exports:
        await anext(pieces)
    with pytest.raises(RetryLaterError):
        await queries.export(question)
    for pieces in exports:
        await pieces.aclose()
    assert len([piece async for piece in await queries.export(question)]) == 2
