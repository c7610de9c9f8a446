"""The list of collections over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from serai.records.arguments import Arguments
from serai.records.collections import DEEPEST_FIELD, MOST_FIELDS, SAMPLED_AT_EACH_END, Listing, names_statement
from serai.storage.connection import connect
from tests.hosting import RecordsRuntime, http_client, make_os, serving

BASE = "/api/v1/beta/agent-data"
INDEX = """
insert into record_indexes (name, project_id, deployment_name, collection, kind, shape, declared, state, error, uses,
                            created_at, built_at, last_used_at)
values ($1, $2, 'd', $3, $4, $5::jsonb, $6, $7, $8, $9, '2026-01-02 03:04:05Z', $10, $10)
"""


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


async def store(api: httpx.AsyncClient, *payloads: Any, collection: str = "c", deployment: str = "d") -> None:
    body = {"deployment_name": deployment, "collection": collection, "items": [{"data": data} for data in payloads]}
    response = await api.post("/:batch", json=body)
    assert response.status_code == 200, response.text


async def listed(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    response = await api.get("/:collections", params=query)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def fields(api: httpx.AsyncClient, *payloads: Any) -> dict[str, list[str]]:
    await store(api, *payloads)
    [found] = await listed(api)
    return {field["path"]: field["types"] for field in found["fields"]}


async def test_a_project_without_records_has_no_collections(api: httpx.AsyncClient):
    response = await api.get("/:collections")
    assert response.json() == {"items": [], "next_page_token": None, "total_size": None}


async def test_collections_are_listed_by_name_with_their_numbers_of_records(api: httpx.AsyncClient):
    await store(api, {"n": 1}, {"n": 2}, collection="b")
    await store(api, {}, collection="a")
    await store(api, {}, deployment="a", collection="z")
    found = await listed(api)
    assert [(one["deployment_name"], one["collection"], one["count"]) for one in found] == [
        ("a", "z", 1),
        ("d", "a", 1),
        ("d", "b", 2),
    ]
    assert [one["collection"] for one in await listed(api, deployment_name="d")] == ["a", "b"]
    assert await listed(api, deployment_name="none") == []
    assert await listed(api, project_id=api.headers["Project-Id"]) == found


async def test_other_projects_are_not_seen(api: httpx.AsyncClient):
    await store(api, {})
    response = await api.get("/:collections", headers={"Project-Id": str(uuid4())})
    assert response.json()["items"] == []


async def test_sizes_are_those_of_the_payloads_as_stored(api: httpx.AsyncClient, shared_url: str):
    await store(api, *({"n": n, "text": "x" * 40 * n} for n in range(20)))
    connection = await connect(shared_url)
    stored = await connection.fetchval(
        "select sum(pg_column_size(data)) from records where project_id = $1", api.headers["Project-Id"]
    )
    await connection.close()
    assert (await listed(api))[0]["bytes"] == stored


async def test_fields_are_named_with_all_types_that_were_seen(api: httpx.AsyncClient):
    assert await fields(
        api,
        {"name": "Ada", "age": 36, "tags": ["x", 1, None], "at": {"city": "Rome", "zip": {"code": 1}}},
        {"name": None, "age": True, "tags": [], "at": {"city": "Bonn"}},
        {"tags": [["x"], {"y": 1}], "at": "nowhere"},
    ) == {
        "age": ["boolean", "number"],
        "at": ["object", "string"],
        "at.city": ["string"],
        "at.zip": ["object"],
        "at.zip.code": ["number"],
        "name": ["null", "string"],
        "tags": ["array", "array[]", "null[]", "number[]", "object[]", "string[]"],
    }


ODD_NAMES = ["a.b", "two words", 'say "x"', "data", "created_at", "updated_at", "ünï", "a,b", "1", "*", "$x"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("inner", [None, "data", "x.y"])
async def test_a_fields_path_finds_its_records_as_it_is(api: httpx.AsyncClient, name: str, inner: str | None):
    value: Any = "v" if inner is None else {inner: "v"}
    found = await fields(api, {name: value}, {"other": 1})
    [path] = [path for path, types in found.items() if types == ["string"]]
    scope = {"deployment_name": "d", "collection": "c"}
    search = {**scope, "filter": {path: {"eq": "v"}}, "order_by": f"{path} desc"}
    page = (await api.post("/:search", json=search)).json()
    assert [record["data"] for record in page["items"]] == [{name: value}]
    groups = (await api.post("/:aggregate", json={**scope, "group_by": [path], "count": True})).json()
    assert [(group["group_key"], group["count"]) for group in groups["items"]] == [({path: "v"}, 1), ({path: None}, 1)]


async def test_members_without_a_name_cannot_be_addressed_and_are_left_out(api: httpx.AsyncClient):
    assert await fields(api, {"": 1, "x": {"": {"y": 1}}}) == {"x": ["object"]}


async def test_fields_and_their_depth_are_bounded_and_the_most_frequent_are_kept(api: httpx.AsyncClient):
    deep: Any = 1
    for _ in range(DEEPEST_FIELD + 5):
        deep = {"d": deep}
    found = await fields(api, *({f"only-{n}": n, "always": n} for n in range(SAMPLED_AT_EACH_END)), deep, deep)
    assert len(found) == MOST_FIELDS
    assert "always" in found
    assert max(path.count(".") + 1 for path in found) == DEEPEST_FIELD


async def test_the_sample_is_of_both_ends(api: httpx.AsyncClient):
    count = 2 * SAMPLED_AT_EACH_END + 100
    found = await fields(api, *({"n": n, f"at-{n}": n} if n in (0, 250, count - 1) else {"n": n} for n in range(count)))
    assert sorted(found) == ["at-0", f"at-{count - 1}", "n"]
    assert (await listed(api))[0]["count"] == count


async def test_a_sample_of_huge_payloads_is_bounded_and_has_one_at_least(api: httpx.AsyncClient):
    for n in range(2):
        await store(api, {f"at-{n}": [uuid4().hex for _ in range(32_000)]})
    [found] = await listed(api)
    assert (found["count"], len(found["fields"])) == (2, 1)
    assert found["bytes"] > 2_000_000


async def test_pages_follow_each_other_without_gaps(api: httpx.AsyncClient):
    names = [f"c{n}" for n in range(7)]
    for name in names:
        await store(api, {}, collection=name)
        await store(api, {}, collection=name, deployment="e")
    scopes: list[dict[str, str]] = [{}, {"deployment_name": "e"}]
    for scope in scopes:
        whole = await listed(api, **scope)
        walked: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = (await api.get("/:collections", params={**scope, "page_size": 3, "page_token": token})).json()
            walked += page["items"]
            token = page["next_page_token"]
        assert walked == whole
        assert len(whole) == len(names) * (1 if scope else 2)


async def test_a_page_may_be_asked_to_be_of_any_size(api: httpx.AsyncClient):
    assert (await api.get("/:collections", params={"page_size": "9" * 30})).json()["items"] == []


async def test_a_page_of_none_is_empty(api: httpx.AsyncClient):
    await store(api, {})
    assert (await api.get("/:collections?page_size=0")).json() == {
        "items": [],
        "next_page_token": None,
        "total_size": None,
    }


async def token_of(api: httpx.AsyncClient) -> str:
    await store(api, {}, collection="a")
    await store(api, {}, collection="b")
    token: str = (await api.get("/:collections?page_size=1")).json()["next_page_token"]
    return token


def forged(token: str, values: list[Any]) -> str:
    binding = base64.urlsafe_b64decode(token)[:9]
    return base64.urlsafe_b64encode(binding + json.dumps(values).encode()).decode()


async def test_a_token_belongs_to_its_question(api: httpx.AsyncClient):
    token = await token_of(api)
    params: list[dict[str, str]] = [
        {"page_token": "nonsense"},
        {"page_token": token, "deployment_name": "d"},
        {"page_token": token, "project_id": str(uuid4())},
        {"page_token": forged(token, ["a\0", "b"])},
        {"page_token": forged(token, ["a", None])},
        {"page_token": forged(token, ["a"])},
    ]
    for query in params:
        headers = {"Project-Id": query["project_id"]} if "project_id" in query else {}
        response = await api.get("/:collections", params=query, headers=headers)
        assert response.status_code == 422, query
        assert response.json()["detail"][0]["loc"] == ["query", "page_token"]


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"page_size": "-1"}, "page_size"),
        ({"page_size": "x"}, "page_size"),
        ({"page_size": "1.5"}, "page_size"),
        ({"page_size": "٣"}, "page_size"),
        ({"deployment_name": "x" * 201}, "deployment_name"),
        ({"deployment_name": "a\0"}, "deployment_name"),
    ],
)
async def test_wrong_parameters_are_named(api: httpx.AsyncClient, query: dict[str, str], loc: str):
    response = await api.get("/:collections", params=query)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", loc]


async def test_the_path_is_served_in_all_its_spellings(api: httpx.AsyncClient):
    for path in ("/:collections/", "/%3Acollections"):
        assert (await api.get(path)).status_code == 200


async def test_indexes_are_listed_with_what_they_are_for(api: httpx.AsyncClient, shared_url: str):
    await store(api, {"status": "open"})
    project = api.headers["Project-Id"]
    name = f"records_gin_{uuid4().hex}"
    shape = json.dumps({"equal": ["status"], "ranged": ['"a.b"'], "order": [["total", "desc"], ["created_at", "asc"]]})
    connection = await connect(shared_url)
    await connection.execute(f"create index {name} on records using gin (data jsonb_path_ops)")
    now = await connection.fetchval("select '2026-01-02 03:04:05.25Z'::timestamptz")
    await connection.execute(INDEX, name, project, "c", "gin", "{}", True, "ready", None, 7, now)
    failed = f"Odd name {uuid4().hex}"
    await connection.execute(INDEX, failed, project, "c", "shape", shape, False, "failed", "no room", 0, None)
    await connection.execute(INDEX, f"{failed}2", project, "later", "gin", "{}", True, "building", None, 0, None)
    await connection.execute(INDEX, f"{failed}3", "another", "c", "gin", "{}", True, "building", None, 0, None)
    await connection.close()

    here, later = await listed(api)
    assert [index["name"] for index in here["indexes"]] == sorted([failed, name])
    by_name = {index["name"]: index for index in here["indexes"]}
    assert by_name[name].pop("bytes") > 0
    assert by_name[name] == {
        "name": name,
        "kind": "gin",
        "fields": [],
        "shape": {},
        "declared": True,
        "state": "ready",
        "error": None,
        "uses": 7,
        "created_at": "2026-01-02T03:04:05.000000Z",
        "built_at": "2026-01-02T03:04:05.250000Z",
        "last_used_at": "2026-01-02T03:04:05.250000Z",
    }
    assert by_name[failed]["fields"] == ["status", '"a.b"', "total"]
    assert by_name[failed]["shape"]["order"] == [["total", "desc"], ["created_at", "asc"]]
    assert (by_name[failed]["error"], by_name[failed]["bytes"], by_name[failed]["built_at"]) == ("no room", None, None)
    assert (later["collection"], later["count"], later["bytes"], later["fields"]) == ("later", 0, 0, [])
    assert [index["state"] for index in later["indexes"]] == ["building"]


@pytest.mark.parametrize("deployment", [None, "d"])
async def test_names_are_found_without_reading_the_records(
    api: httpx.AsyncClient, shared_url: str, deployment: str | None
):
    for name in ("a", "b", "c"):
        await store(api, *({"n": n} for n in range(1000)), collection=name)
    listing = Listing(project_id=api.headers["Project-Id"], deployment_name=deployment)
    connection = await connect(shared_url)
    await connection.execute("vacuum analyze records")
    arguments = Arguments()
    statement = names_statement(listing, ("", ""), arguments)
    explained = await connection.fetchval(f"explain (analyze, format json) {statement}", *arguments.values)
    await connection.close()
    scans = [node for node in nodes(json.loads(explained)[0]["Plan"]) if node.get("Relation Name") == "records"]
    assert {scan.get("Index Name") for scan in scans} == {"records_newest"}
    assert sum(scan["Actual Rows"] * scan["Actual Loops"] for scan in scans) < 5  # averages, which old versions round
    assert [scan for scan in scans if scan.get("Rows Removed by Filter")] == []


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
