"""What writing of records offers beyond the protocol: keys, versions, chosen ids, batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.hosting import RecordsRuntime, http_client, make_os, serving

BASE = "/api/v1/beta/agent-data"
PLACE = {"deployment_name": "_public"}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


async def create(api: httpx.AsyncClient, data: Any, **members: Any) -> httpx.Response:
    response = await api.post("", json={**PLACE, "data": data, **members})
    assert response.status_code == 200, response.text
    return response


async def total(api: httpx.AsyncClient) -> int:
    page = (await api.post("/:search", json={**PLACE, "include_total": True})).json()
    return int(page["total_size"])


async def test_an_update_and_a_delete_with_a_key_are_done_once_and_answered_alike(api: httpx.AsyncClient):
    path = f"/{(await create(api, {'a': 1})).json()['id']}"
    first = await api.put(path, json={"data": {"a": 2}}, headers=KEY)
    await api.put(path, json={"data": {"a": 3}})
    again = await api.put(path, json={"data": {"a": 2}}, headers=KEY)
    assert (again.status_code, again.text, again.headers["etag"]) == (200, first.text, first.headers["etag"])
    assert (await api.get(path)).json()["data"] == {"a": 3}
    gone, lost = [await api.delete(path, headers={"Idempotency-Key": "d"}) for _ in range(2)]
    assert (lost.status_code, lost.text) == (200, gone.text)
    assert (await api.put(path, json={"data": {"a": 2}}, headers=KEY)).text == first.text
    assert (await api.get(path)).status_code == 404


async def test_a_repeated_answer_is_the_same_text_also_for_payloads_that_postgres_writes_anew(api: httpx.AsyncClient):
    data = '{"b": 1.50, "a": 1, "a": [-0.0, 1E2, 1e23, 1e-7], "\\u00e9": "\\ud83d\\ude00 \\/"}'
    content = f'{{"deployment_name": "_public", "data": {data}}}'
    first, again = [await api.post("", content=content, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.text) == (200, first.text)
    path = f"/{first.json()['id']}"
    changed, repeated = [await api.put(path, content=content, headers={"Idempotency-Key": "u"}) for _ in range(2)]
    assert (repeated.text, repeated.text) == (changed.text, (await api.get(path)).text)


async def test_a_key_serves_one_method_path_and_body(api: httpx.AsyncClient):
    one, other = [(await create(api, {})).json()["id"] for _ in range(2)]
    assert (await api.put(f"/{one}", json={"data": {}}, headers=KEY)).status_code == 200
    for response in (
        await api.put(f"/{one}", json={"data": {"a": 1}}, headers=KEY),
        await api.put(f"/{other}", json={"data": {}}, headers=KEY),
        await api.delete(f"/{one}", headers=KEY),
        await api.post("", json={**PLACE, "data": {}}, headers=KEY),
        await api.post("/:batch", json={**PLACE, "items": [{"data": {}}]}, headers=KEY),
    ):
        assert (response.status_code, response.headers["x-should-retry"]) == (409, "false")
    assert await total(api) == 2


async def test_a_write_that_failed_does_not_keep_its_key(api: httpx.AsyncClient):
    path = f"/{(await create(api, {}, id='mine')).json()['id']}"
    wrong = {"If-Match": '"1"', **KEY}
    failures = [
        await api.put("/none", json={"data": {}}, headers=KEY),
        await api.delete("/none", headers=KEY),
        await api.put(path, json={"data": {}}, headers=wrong),
        await api.delete(path, headers=wrong),
        await api.put(path, json={"data": []}, headers=KEY),
        await api.post("", json={**PLACE, "data": {}, "id": "mine"}, headers=KEY),
        await api.post("/:batch", json={**PLACE, "items": [{"data": {}}, {"data": {}, "id": "mine"}]}, headers=KEY),
    ]
    assert [response.status_code for response in failures] == [404, 404, 412, 412, 422, 409, 409]
    assert (await api.delete(path, headers=KEY)).status_code == 200
    assert await total(api) == 0


async def test_twenty_equal_updates_at_once_with_one_key_are_one(api: httpx.AsyncClient):
    record = (await create(api, {})).json()
    path = f"/{record['id']}"
    answers = await asyncio.gather(*(api.put(path, json={"data": {"a": 1}}, headers=KEY) for _ in range(20)))
    assert {answer.text for answer in answers} == {(await api.get(path)).text}
    gone = await asyncio.gather(*(api.delete(path, headers={"Idempotency-Key": "d"}) for _ in range(20)))
    assert {answer.status_code for answer in gone} == {200}


async def test_the_version_is_the_etag_of_get_create_and_update(api: httpx.AsyncClient):
    created = await create(api, {})
    path = f"/{created.json()['id']}"
    assert created.headers["etag"] == (await api.get(path)).headers["etag"]
    updated = await api.put(path, json={"data": {}})
    assert created.headers["etag"] != updated.headers["etag"] == (await api.get(path)).headers["etag"]
    assert updated.headers["etag"].strip('"').isdigit()


async def test_if_match_lets_only_the_known_version_be_changed(api: httpx.AsyncClient):
    created = await create(api, {"n": 0})
    path, tag = f"/{created.json()['id']}", created.headers["etag"]
    for wrong in ('"0"', f"W/{tag}", tag.strip('"'), "", '"x", "999999999999999999999999"'):
        refused = await api.put(path, json={"data": {"n": 9}}, headers={"If-Match": wrong})
        assert refused.status_code == 412, wrong
        assert isinstance(refused.json()["detail"], str)
        assert (await api.delete(path, headers={"If-Match": wrong})).status_code == 412
    assert (await api.get(path)).text == created.text
    updated = await api.put(path, json={"data": {"n": 1}}, headers={"If-Match": f'"0", {tag}'})
    assert updated.status_code == 200
    assert (await api.put(path, json={"data": {"n": 2}}, headers={"If-Match": "*"})).status_code == 200
    assert (await api.delete(path, headers={"If-Match": updated.headers["etag"]})).status_code == 412
    latest = (await api.get(path)).headers["etag"]
    assert (await api.delete(path, headers={"If-Match": latest})).status_code == 200
    for missing in (latest, "*"):
        assert (await api.put(path, json={"data": {}}, headers={"If-Match": missing})).status_code == 404


async def test_of_two_updates_at_once_with_one_tag_the_second_is_412(api: httpx.AsyncClient):
    created = await create(api, {})
    path, headers = f"/{created.json()['id']}", {"If-Match": created.headers["etag"]}
    answers = await asyncio.gather(*(api.put(path, json={"data": {"n": n}}, headers=headers) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    [winner] = [answer for answer in answers if answer.status_code == 200]
    assert (await api.get(path)).json() == winner.json()


async def test_if_none_match_answers_304_while_the_version_is_known(api: httpx.AsyncClient):
    created = await create(api, {})
    path, tag = f"/{created.json()['id']}", created.headers["etag"]
    for known in (tag, f"W/{tag}", f'"0", {tag}', "*"):
        response = await api.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
    await api.put(path, json={"data": {}})
    assert (await api.get(path, headers={"If-None-Match": tag})).status_code == 200
    assert (await api.get("/none", headers={"If-None-Match": "*"})).status_code == 404


@pytest.mark.parametrize("record_id", ["a", "A-z_9", "x" * 200])
async def test_the_caller_may_choose_the_id(api: httpx.AsyncClient, record_id: str):
    assert (await create(api, {"a": 1}, id=record_id)).json()["id"] == record_id
    assert (await api.get(f"/{record_id}")).json()["data"] == {"a": 1}
    taken = await api.post("", json={**PLACE, "data": {"a": 2}, "id": record_id})
    assert (taken.status_code, taken.headers["x-should-retry"]) == (409, "false")
    other = await api.post("", json={**PLACE, "data": {"a": 3}, "id": record_id}, headers={"Project-Id": str(uuid4())})
    assert (other.status_code, other.json()["data"]) == (200, {"a": 3})
    assert (await api.get(f"/{record_id}")).json()["data"] == {"a": 1}
    assert (await api.delete(f"/{record_id}")).status_code == 200
    assert (await api.delete(f"/{record_id}")).status_code == 404
    await create(api, {}, id=record_id)


@pytest.mark.parametrize(
    "record_id", ["", ":a", "a b", "a/b", "é", "x" * 201, "a\n", "a.b", 5, ["a"], "\x00"], ids=ascii
)
async def test_a_chosen_id_of_another_form_is_422(api: httpx.AsyncClient, record_id: Any):
    response = await api.post("", json={**PLACE, "data": {}, "id": record_id})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "id"]
    response = await api.post("/:batch", json={**PLACE, "items": [{"data": {}}, {"data": {}, "id": record_id}]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "items", 1, "id"]


async def test_a_batch_is_stored_in_its_order_and_repeated_by_its_key(api: httpx.AsyncClient):
    items = [{"data": {"n": n, "f": 1.5}, **({"id": f"item-{n}"} if n % 2 else {})} for n in range(1000)]
    body = {**PLACE, "collection": "many", "items": items, "later": 1}
    first = await api.post("/:batch", json=body, headers=KEY)
    assert first.status_code == 200
    records = first.json()["items"]
    assert [record["data"]["n"] for record in records] == list(range(1000))
    assert records[1]["id"] == "item-1"
    times = [record["created_at"] for record in records]
    assert times == sorted(set(times))
    assert (await api.post("/:batch", json=body, headers=KEY)).text == first.text
    page = (await api.post("/:search", json={**PLACE, "collection": "many", "page_size": 1000})).json()
    assert page["items"] == records[::-1]


REFUSED: list[tuple[Any, list[str | int]]] = [
    ([], ["body", "items"]),
    (None, ["body", "items"]),
    ([{"data": {}}] * 1001, ["body", "items"]),
    ([{"data": {}}] * 17 + [{"data": []}], ["body", "items", 17, "data"]),
    ([{"data": {}}] * 17 + [{"data": {"a": "\x00"}}], ["body", "items", 17, "data"]),
    ([{"data": {}}] * 17 + [{}], ["body", "items", 17, "data"]),
    ([{"data": {}}, 5], ["body", "items", 1]),
    ([{"data": {}, "id": "x"}, {"data": {}, "id": "x"}], ["body", "items", 1, "id"]),
]


@pytest.mark.parametrize(("items", "loc"), REFUSED, ids=range(len(REFUSED)))
async def test_a_batch_names_the_item_that_is_wrong_and_stores_none(
    api: httpx.AsyncClient, items: Any, loc: list[str | int]
):
    response = await api.post("/:batch", json={**PLACE, "items": items})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == loc
    assert await total(api) == 0


async def test_a_number_that_only_postgres_refuses_is_found_in_its_batch(api: httpx.AsyncClient):
    items = f'[{{"data": {{}}}}, {{"data": {{"a": 0.{"1" * 20_000}}}}}]'
    response = await api.post("/:batch", content=f'{{"deployment_name": "_public", "items": {items}}}')
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "items", 1, "data"]
    assert await total(api) == 0


async def test_a_batch_with_an_id_that_is_taken_stores_none(api: httpx.AsyncClient):
    await create(api, {}, id="taken")
    items = [{"data": {}}, {"data": {}, "id": "taken"}]
    response = await api.post("/:batch", json={**PLACE, "items": items})
    assert (response.status_code, response.headers["x-should-retry"]) == (409, "false")
    assert "taken" in response.json()["detail"]
    assert await total(api) == 1


async def test_a_page_of_an_allowed_origin_may_send_and_read_what_writing_needs(shared_url: str):
    os = make_os(RecordsRuntime(shared_url), settings={"cors_origins": ["https://app.example"]})
    origin = {"Origin": "https://app.example"}
    names = "authorization,content-type,project-id,idempotency-key,if-match,if-none-match,x-sdk-name,x-stainless-lang"
    async with serving(os.app) as url, http_client(f"{url}{BASE}", headers=origin) as client:
        asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": names}
        allowed = await client.options("/x", headers=asks)
        assert allowed.status_code == 200
        assert set(names.split(",")) <= set(allowed.headers["access-control-allow-headers"].lower().split(","))
        answer = await client.post("", json={**PLACE, "data": {}})
        assert "etag" in answer.headers["access-control-expose-headers"].lower()
