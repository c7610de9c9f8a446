"""Agent Data over HTTP: shapes, errors and scope as the published clients need them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.hosting import RecordsRuntime, connected, http_client, make_os, serving

BASE = "/api/v1/beta/agent-data"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
async def url(shared_url: str) -> AsyncIterator[str]:
    async with serving(make_os(RecordsRuntime(shared_url)).app) as url:
        yield url


@pytest.fixture
async def api(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client:
        yield client


async def create(api: httpx.AsyncClient, data: Any, **members: Any) -> dict[str, Any]:
    response = await api.post("", json={"deployment_name": "_public", "data": data, **members})
    assert response.status_code == 200, response.text
    record: dict[str, Any] = response.json()
    return record


async def search(api: httpx.AsyncClient, **members: Any) -> dict[str, Any]:
    response = await api.post("/:search", json={"deployment_name": "_public", **members})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def test_a_record_has_all_seven_members(api: httpx.AsyncClient):
    record = await create(api, {"name": "Ada", "age": 36}, collection="people")
    assert set(record) == {"id", "deployment_name", "project_id", "collection", "data", "created_at", "updated_at"}
    assert re.fullmatch(r"[0-9a-f-]{36}", record["id"])
    assert record["deployment_name"] == "_public"
    assert record["collection"] == "people"
    assert record["data"] == {"name": "Ada", "age": 36}
    assert TIME.fullmatch(record["created_at"])
    assert record["updated_at"] == record["created_at"]
    assert (await api.get(f"/{record['id']}")).json() == record


async def test_every_answer_is_json_by_its_header(api: httpx.AsyncClient):
    record = await create(api, {})
    for response in (await api.get(f"/{record['id']}"), await api.get("/none"), await api.post("", content=b"{")):
        assert response.headers["content-type"] == "application/json"


async def test_the_collection_defaults_when_absent_or_null(api: httpx.AsyncClient):
    assert (await create(api, {}))["collection"] == "default"
    assert (await create(api, {}, collection=None))["collection"] == "default"


async def test_a_create_answers_what_is_stored(api: httpx.AsyncClient):
    content = '{"deployment_name": "_public", "data": {"a": 1, "a": 2, "zero": -0.0, "n": {"b": 1, "b": []}}}'
    response = await api.post("", content=content)
    assert response.text == (await api.get(f"/{response.json()['id']}")).text
    assert '{"a": 2, "n": {"b": []}, "zero": 0.0}' in response.text


async def test_a_create_sent_twice_with_one_key_is_one_record(api: httpx.AsyncClient):
    body = {"deployment_name": "_public", "data": {"a": 1}}
    lost, first = [await api.post("", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.status_code, first.text) == (200, lost.text)
    assert (await search(api))["items"] == [first.json()]


async def test_twenty_creates_at_once_with_one_key_are_one_record(api: httpx.AsyncClient):
    body = {"deployment_name": "_public", "data": {"a": 1}}
    answers = await asyncio.gather(*(api.post("", json=body, headers={"Idempotency-Key": "k"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await search(api))["items"] == [answers[0].json()]


async def test_a_repeated_create_gets_the_first_answer_whatever_became_of_the_record(api: httpx.AsyncClient):
    body = {"deployment_name": "_public", "data": {"a": 1}}
    first = await api.post("", json=body, headers={"Idempotency-Key": "k"})
    path = f"/{first.json()['id']}"
    for change in (api.put(path, json={"data": {"a": 2}}), api.delete(path)):
        await change
        again = await api.post("", json=body, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.text, again.headers["etag"]) == (200, first.text, first.headers["etag"])
    assert (await search(api))["items"] == []


@pytest.mark.parametrize("other", [{"data": {"a": 2}}, {"collection": "x"}, {"deployment_name": "x"}], ids=str)
async def test_a_key_used_for_another_record_is_409_and_not_worth_a_retry(api: httpx.AsyncClient, other: Any):
    body = {"deployment_name": "_public", "data": {"a": 1}}
    await api.post("", json=body, headers={"Idempotency-Key": "k"})
    response = await api.post("", json={**body, **other}, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.headers["x-should-retry"]) == (409, "false")
    assert "Idempotency-Key" in response.json()["detail"]
    assert (await search(api, include_total=True))["total_size"] == 1


async def test_a_key_belongs_to_its_project_and_an_empty_one_is_none(api: httpx.AsyncClient):
    body = {"deployment_name": "_public", "data": {"a": 1}}
    for headers in ({"Project-Id": "a"}, {"Project-Id": "b"}):
        answers = [await api.post("", json=body, headers={**headers, "Idempotency-Key": key}) for key in ("k", "", "")]
        assert len({answer.json()["id"] for answer in answers}) == 3


async def test_a_key_that_is_too_long_is_422(api: httpx.AsyncClient):
    body = {"deployment_name": "_public", "data": {}}
    response = await api.post("", json=body, headers={"Idempotency-Key": "k" * 201})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_update_replaces_the_payload_as_a_whole(api: httpx.AsyncClient):
    record = await create(api, {"a": 1, "b": 2})
    updated = (await api.put(f"/{record['id']}", json={"data": {"c": 3}})).json()
    assert updated["data"] == {"c": 3}
    assert updated["created_at"] == record["created_at"]
    assert updated["updated_at"] > record["updated_at"]
    assert (await api.get(f"/{record['id']}")).json() == updated


async def test_delete_answers_an_object_of_strings_and_the_record_is_gone(api: httpx.AsyncClient):
    record = await create(api, {})
    response = await api.delete(f"/{record['id']}")
    assert (response.status_code, response.json()) == (200, {"id": record["id"], "status": "deleted"})
    assert (await api.delete(f"/{record['id']}")).status_code == 404
    assert (await api.get(f"/{record['id']}")).status_code == 404


async def test_a_page_is_newest_first_and_says_nothing_follows(api: httpx.AsyncClient):
    records = [await create(api, {"n": n}) for n in range(3)]
    assert await search(api) == {"items": records[::-1], "next_page_token": None, "total_size": None}


async def test_nulls_in_a_search_mean_absent(api: httpx.AsyncClient):
    await create(api, {})
    names = ("collection", "filter", "order_by", "offset", "page_size", "page_token", "include_total")
    assert await search(api, **dict.fromkeys(names)) == await search(api)


async def test_page_size_zero_counts(api: httpx.AsyncClient):
    for n in range(3):
        await create(api, {"n": n})
    page = await search(api, page_size=0, include_total=True)
    assert page == {"items": [], "next_page_token": None, "total_size": 3}


async def test_pages_by_token_ignore_the_repeated_offset_and_do_not_shift(api: httpx.AsyncClient):
    records = [await create(api, {"n": n}) for n in range(5)]
    first = await search(api, page_size=2, offset=1)
    await create(api, {"n": "later"})
    second = await search(api, page_size=2, offset=1, page_token=first["next_page_token"])
    assert first["items"] + second["items"] == [records[3], records[2], records[1], records[0]]
    assert second["next_page_token"] is None


async def test_an_offset_past_the_end_is_an_empty_page(api: httpx.AsyncClient):
    await create(api, {})
    for offset in (4000, 10**30):
        assert (await search(api, offset=offset))["items"] == []


@pytest.mark.parametrize("suffix", ["", "/"])
@pytest.mark.parametrize("colon", [":", "%3A"])
async def test_paths_are_served_with_a_slash_and_an_escaped_colon_and_never_redirect(
    api: httpx.AsyncClient, suffix: str, colon: str
):
    created = await api.post(suffix, json={"deployment_name": "d", "data": {}})
    assert created.status_code == 200
    assert (await api.get(f"/{created.json()['id']}{suffix}")).status_code == 200
    assert (await api.post(f"/{colon}search{suffix}", json={"deployment_name": "d"})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/no-such-id", "/%00", "/%FF", "/a%2Fb%20c", "/:odd", "/" + "x" * 5000, "/%F0%9F%8D%B5"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_ids_of_any_form_that_do_not_exist_are_404(api: httpx.AsyncClient, method: str, path: str):
    response = await api.request(method, path, json={"data": {}} if method == "PUT" else None)
    assert response.status_code == 404
    assert isinstance(response.json()["detail"], str)


REFUSED_DATA = {
    "array": "[]",
    "text": '"x"',
    "null": "null",
    "number": "1",
    "NaN": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "beyond a float": '{"a": 1e400}',
    "beyond a float, in an array": '{"a": [[-1E+999999999]]}',
    "5000 digits": '{"a": %s}' % ("9" * 5000),
    "U+0000": r'{"a": "x\u0000y"}',
    "U+0000 in a name": r'{"\u0000": 1}',
    "lone high surrogate": r'{"a": "\ud800"}',
    "lone low surrogate": r'{"a": "\udc00x"}',
    "swapped surrogates": r'{"a": "\udc00\ud800"}',
    "raw control character": '{"a": "\n"}',
    "leading zero": '{"a": 01}',
    "trailing comma": '{"a": 1,}',
    "single quotes": "{'a': 1}",
    "truncated": '{"a": ',
    "too deep": f'{{"a": {"[" * 100_000}{"]" * 100_000}}}',
}


@pytest.mark.parametrize("text", REFUSED_DATA.values(), ids=REFUSED_DATA.keys())
async def test_payloads_that_cannot_be_kept_are_422_on_create_and_update(url: str, text: str):
    async with connected(url) as wire:
        body = f'{{"deployment_name": "_public", "data": {text}}}'.encode()
        ok = await wire.ask("POST", BASE, body=b'{"deployment_name": "_public", "data": {}}')
        path = f"{BASE}/{json.loads(ok.body)['id']}"
        for answer in (await wire.ask("POST", BASE, body=body), await wire.ask("PUT", path, body=body)):
            assert answer.status == 422, answer
            for issue in json.loads(answer.body)["detail"]:
                assert {"loc", "msg", "type"} <= set(issue)
                assert issue["loc"][0] == "body"
        # The same connection still serves, and the record was not touched.
        assert json.loads((await wire.ask("GET", path)).body)["data"] == {}


async def test_bytes_that_are_not_utf_8_are_422(api: httpx.AsyncClient):
    response = await api.post("", content=b'{"deployment_name": "_public", "data": {"a": "\xff"}}')
    assert response.status_code == 422


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xef\xbb\xbf{}", b'{"deployment_name":"d","data":{}} x'])
async def test_a_body_that_is_no_json_is_422_of_type_json_invalid(api: httpx.AsyncClient, body: bytes):
    for response in (await api.post("", content=body), await api.post("/:search", content=body)):
        assert response.status_code == 422
        assert response.json()["detail"][0]["type"] == "json_invalid"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"data": {}}, ["body", "deployment_name"]),
        ({"deployment_name": "d"}, ["body", "data"]),
        ({"deployment_name": 1, "data": {}}, ["body", "deployment_name"]),
        ({"deployment_name": "", "data": {}}, ["body", "deployment_name"]),
        ({"deployment_name": "d", "data": {}, "collection": ""}, ["body", "collection"]),
        ({"deployment_name": "d", "data": {}, "collection": ["x"]}, ["body", "collection"]),
        ({"deployment_name": "d", "data": {}, "collection": "a\x00"}, ["body", "collection"]),
        ({"deployment_name": "d" * 201, "data": {}}, ["body", "deployment_name"]),
        ([], ["body"]),
    ],
)
async def test_a_create_names_the_member_that_is_wrong(api: httpx.AsyncClient, body: Any, loc: list[str]):
    response = await api.post("", json=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == loc


@pytest.mark.parametrize(
    ("members", "loc"),
    [
        ({"page_size": -1}, ["body", "page_size"]),
        ({"page_size": "5"}, ["body", "page_size"]),
        ({"page_size": 1.5}, ["body", "page_size"]),
        ({"page_size": True}, ["body", "page_size"]),
        ({"offset": -1}, ["body", "offset"]),
        ({"include_total": 1}, ["body", "include_total"]),
        ({"filter": []}, ["body", "filter"]),
        ({"filter": {"v": 1}}, ["body", "filter", "v"]),
        ({"filter": {"v": {"eq": [1]}}}, ["body", "filter", "v", "eq"]),
        ({"filter": {"v": {"eq": {}}}}, ["body", "filter", "v", "eq"]),
        ({"filter": {"v": {"contains": "1"}}}, ["body", "filter", "v", "contains"]),
        ({"filter": {"v": {"gt": [1]}}}, ["body", "filter", "v", "gt"]),
        ({"filter": {"v": {"includes": 1}}}, ["body", "filter", "v", "includes"]),
        ({"filter": {"v": {"excludes": [1, [2]]}}}, ["body", "filter", "v", "excludes", 1]),
        ({"filter": {"": {"eq": 1}}}, ["body", "filter", ""]),
        ({"filter": {"a..b": {"eq": 1}}}, ["body", "filter", "a..b"]),
        ({"filter": {"created_at": {"eq": "yesterday"}}}, ["body", "filter", "created_at", "eq"]),
        ({"filter": {"updated_at": {"includes": [None, 5]}}}, ["body", "filter", "updated_at", "includes", 1]),
        ({"order_by": "data.name down"}, ["body", "order_by"]),
        ({"order_by": "data."}, ["body", "order_by"]),
        ({"order_by": "name,"}, ["body", "order_by"]),
        ({"page_token": "garbage"}, ["body", "page_token"]),
        ({"page_token": ""}, ["body", "page_token"]),
    ],
)
async def test_a_search_names_the_member_that_is_wrong(api: httpx.AsyncClient, members: Any, loc: list[str]):
    response = await api.post("/:search", json={"deployment_name": "_public", **members})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == loc


async def test_a_token_belongs_to_its_place_and_filter(api: httpx.AsyncClient):
    for _ in range(2):
        await create(api, {"v": 1})
    token = (await search(api, page_size=1))["next_page_token"]
    assert len((await search(api, page_size=9, page_token=token))["items"]) == 1
    for other in ({"collection": "x"}, {"filter": {"v": {"eq": 1}}}, {"deployment_name": "x"}):
        body = {"deployment_name": "_public", "page_token": token, **other}
        assert (await api.post("/:search", json=body)).status_code == 422
    body = {"deployment_name": "_public", "page_token": token}
    assert (await api.post("/:search", json=body, headers={"Project-Id": "other"})).status_code == 422


async def test_unknown_members_of_a_body_are_ignored(api: httpx.AsyncClient):
    assert (await create(api, {"a": 1}, later="x"))["data"] == {"a": 1}
    assert len((await search(api, later={"x": 1}))["items"]) == 1


async def test_the_project_is_the_querys_else_the_headers_else_the_default(url: str):
    body = {"deployment_name": "_public", "data": {}}
    async with http_client(f"{url}{BASE}") as api:
        default = (await api.post("", json=body)).json()
        header = (await api.post("", json=body, headers={"Project-Id": "p1"})).json()
        query = (await api.post("", json=body, params={"project_id": "p2", "organization_id": "o"})).json()
        both = (await api.post("", json=body, params={"project_id": "p1"}, headers={"Project-Id": "p1"})).json()
    assert [r["project_id"] for r in (default, header, query, both)] == ["default", "p1", "p2", "p1"]


async def test_query_and_header_that_disagree_are_400(api: httpx.AsyncClient):
    response = await api.get("/x", params={"project_id": "p1"})
    assert response.status_code == 400
    assert isinstance(response.json()["detail"], str)


async def test_another_project_sees_nothing_of_a_record(api: httpx.AsyncClient):
    record = await create(api, {"a": 1})
    other = {"Project-Id": "other"}
    path = f"/{record['id']}"
    assert (await api.get(path, headers=other)).status_code == 404
    assert (await api.put(path, json={"data": {}}, headers=other)).status_code == 404
    assert (await api.delete(path, headers=other)).status_code == 404
    assert (await api.post("/:search", json={"deployment_name": "_public"}, headers=other)).json()["items"] == []
    assert (await api.get(path)).json() == record


async def test_while_the_database_is_away_records_are_503_with_retry_after(shared_url: str):
    runtime = RecordsRuntime(shared_url)
    async with serving(make_os(runtime).app) as url, http_client(url) as client:
        await runtime.database.close()
        runtime.database.dsn = runtime.database.dsn.replace("host=", "host=/nowhere")
        response = await client.get(f"{BASE}/x")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/health")).status_code == 200
