"""Writes of records when servers and databases die: nothing answered is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.storage.embedded import EmbeddedPostgres
from tests.acceptance.cluster import Cluster, Node

RECORDS = "/api/v1/beta/agent-data"
PLACE = {"deployment_name": "_public"}
PAUSE_S = 0.05


async def send(client: httpx.AsyncClient, method: str, path: str, key: str, **options: Any) -> httpx.Response:
    """Send a write again and again, as a client with an idempotency key may, until the server has answered it."""
    headers = {"Idempotency-Key": key, **options.pop("headers", {})}
    while True:
        with suppress(httpx.TransportError):
            response = await client.request(method, f"{RECORDS}{path}", headers=headers, **options)
            if response.status_code != 503:
                return response
        await asyncio.sleep(PAUSE_S)


async def everything(client: httpx.AsyncClient) -> list[Any]:
    """Return all payloads, the oldest first."""
    answer = await client.post(f"{RECORDS}/:search", json={**PLACE, "order_by": "created_at", "page_size": 1000})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_page_token"] is None
    return [item["data"] for item in answer.json()["items"]]


async def lose_the_answer(client: httpx.AsyncClient, node: Node, **request: Any) -> None:
    """Send a request to a server that dies before it answers."""
    with pytest.raises(httpx.TransportError):
        await client.request(**request)
    node.wait()


Request = tuple[str, str, Any]
CREATE: Request = ("POST", "", {**PLACE, "data": {"n": 1}})
BATCH: Request = ("POST", "/:batch", {**PLACE, "items": [{"data": {"n": 1}}, {"data": {"n": 2}}]})
UPDATE: Request = ("PUT", "/mine", {"data": {"n": 1}})
DELETE: Request = ("DELETE", "/mine", None)


@pytest.mark.parametrize(
    ("point", "request_", "expected"),
    [
        ("create", CREATE, [{"n": 0}, {"n": 1}]),
        ("batch", BATCH, [{"n": 0}, {"n": 1}, {"n": 2}]),
        ("update", UPDATE, [{"n": 1}]),
        ("delete", DELETE, []),
    ],
    ids=["create", "batch", "update", "delete"],
)
async def test_a_write_whose_answer_died_with_the_server_is_done_once(
    cluster: Cluster, point: str, request_: Request, expected: list[Any]
):
    method, path, body = request_
    key = {"Idempotency-Key": "k"}
    doomed = cluster.start_node(fault=f"after_record_commit/{point}:kill")
    other = cluster.start_node()
    async with httpx.AsyncClient(base_url=other.base_url, timeout=20) as client:
        mine = await client.post(RECORDS, json={**PLACE, "data": {"n": 0}, "id": "mine"})
        assert mine.status_code == 200
        url = f"{doomed.base_url}{RECORDS}{path}"
        await lose_the_answer(client, doomed, method=method, url=url, json=body, headers=key)
        assert await everything(client) == expected
        first, again = [await client.request(method, RECORDS + path, json=body, headers=key) for _ in range(2)]
        assert (first.status_code, again.text) == (200, first.text)
        assert await everything(client) == expected


async def test_a_database_that_restarts_under_load_loses_and_doubles_no_write(
    own_postgres: EmbeddedPostgres, own_cluster: Cluster
):
    node = own_cluster.start_node()
    stop = asyncio.Event()
    created: list[str] = []
    counts = dict.fromkeys((f"counter-{n}" for n in range(8)), 0)

    async def create(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            name = str(uuid4())
            answer = await send(client, "POST", "", name, json={**PLACE, "data": {"name": name}})
            assert answer.status_code == 200, answer.text
            created.append(name)

    async def count(client: httpx.AsyncClient, name: str) -> None:
        while not stop.is_set():
            data = {"name": name, "count": counts[name] + 1}
            answer = await send(client, "PUT", f"/{name}", str(uuid4()), json={"data": data})
            assert answer.status_code == 200, answer.text
            counts[name] += 1

    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=node.base_url, timeout=20, limits=limits) as client:
        for name in counts:
            body = {**PLACE, "collection": "counters", "data": {"name": name, "count": 0}, "id": name}
            assert (await client.post(RECORDS, json=body)).status_code == 200
        async with asyncio.TaskGroup() as load:
            for name in counts:
                load.create_task(create(client))
                load.create_task(count(client, name))
            for _ in range(2):
                await _grow(created)
                await asyncio.to_thread(own_postgres.stop)
                await asyncio.to_thread(own_postgres.start)
            await _grow(created)
            stop.set()
        await _check_names(client, created)
        for name, expected in counts.items():
            stored = (await client.get(f"{RECORDS}/{name}")).json()["data"]
            assert stored == {"name": name, "count": expected}


async def _check_names(client: httpx.AsyncClient, names: list[str]) -> None:
    question = {**PLACE, "group_by": ["name"], "count": True, "page_size": 1000}
    groups: list[Any] = []
    token = None
    while True:
        page = (await client.post(f"{RECORDS}/:aggregate", json={**question, "page_token": token})).json()
        groups += page["items"]
        token = page["next_page_token"]
        if token is None:
            break
    assert {group["group_key"]["name"]: group["count"] for group in groups} == dict.fromkeys(names, 1)


async def _grow(created: list[str]) -> None:
    """Wait for some more records."""
    enough = len(created) + 20
    async with asyncio.timeout(60):
        while len(created) < enough:  # noqa: ASYNC110 - a plain list of the test's own
            await asyncio.sleep(PAUSE_S)


async def test_64_writers_with_if_match_on_two_servers_lose_no_update(cluster: Cluster):
    nodes = [cluster.start_node() for _ in range(2)]
    times = 2

    async def increment(client: httpx.AsyncClient) -> None:
        done = 0
        while done < times:
            read = await client.get(f"{RECORDS}/counter")
            data = {"count": read.json()["data"]["count"] + 1}
            headers = {"If-Match": read.headers["etag"]}
            answer = await send(client, "PUT", "/counter", str(uuid4()), json={"data": data}, headers=headers)
            assert answer.status_code in (200, 412), answer.text
            done += answer.status_code == 200

    clients = [httpx.AsyncClient(base_url=node.base_url, timeout=60) for node in nodes]
    body = {**PLACE, "data": {"count": 0}, "id": "counter"}
    assert (await clients[0].post(RECORDS, json=body)).status_code == 200
    writers: list[Awaitable[None]] = [increment(clients[n % 2]) for n in range(64)]
    await asyncio.gather(*writers)
    assert (await clients[1].get(f"{RECORDS}/counter")).json()["data"] == {"count": 64 * times}
    for client in clients:
        await client.aclose()


async def test_a_delete_with_a_misspelt_member_removes_nothing(cluster: Cluster):
    node = cluster.start_node()
    async with httpx.AsyncClient(base_url=node.base_url, timeout=20) as client:
        items = [{"data": {"n": n}} for n in range(3)]
        assert (await client.post(f"{RECORDS}/:batch", json={**PLACE, "items": items})).status_code == 200
        for misspelt in ("filters", "Filter", "where"):
            answer = await client.post(f"{RECORDS}/:delete", json={**PLACE, misspelt: {"n": {"eq": 1}}})
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["body", misspelt]
        assert len(await everything(client)) == 3
