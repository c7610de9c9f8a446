"""The protocol's table of edge cases line by line over HTTP, and its rules of pages, groups, errors and writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.hosting import RecordsRuntime, http_client, make_os, serving
from tests.oracle.edge_cases import GROUPS, RECORDS, REFUSED_FILTERS, REFUSED_GROUPS, REFUSED_ORDERS, SEARCHES
from tests.oracle.mirror import Mirror

BASE = "/api/v1/beta/agent-data"
QUESTIONS = (":search", ":aggregate", ":delete")


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


@pytest.fixture
async def table(api: httpx.AsyncClient) -> Mirror:
    """Return a collection that holds the table's records."""
    mirror = Mirror(api)
    for payload in RECORDS.values():
        await mirror.create(payload)
    return mirror


async def letters(mirror: Mirror, **question: Any) -> str:
    page = await mirror.ask(":search", **question)
    return letters_of(page["items"])


def letters_of(items: list[dict[str, Any]]) -> str:
    return "".join(letter for item in items for letter, data in RECORDS.items() if data == item["data"])


def assert_refused(response: httpx.Response, *loc: str) -> None:
    """Hold a response to be a 422 that names a member of the body."""
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/json"
    issue = response.json()["detail"][0]
    assert tuple(issue["loc"][: len(loc)]) == loc
    assert issue["msg"]
    assert issue["type"]


# Filters and orders


@pytest.mark.parametrize(("question", "expected"), SEARCHES.values(), ids=SEARCHES)
async def test_a_search_finds_what_the_table_says(table: Mirror, question: dict[str, Any], expected: str):
    assert await letters(table, **question) == expected


@pytest.mark.parametrize("operation", QUESTIONS)
@pytest.mark.parametrize("wanted", REFUSED_FILTERS.values(), ids=REFUSED_FILTERS)
async def test_a_filter_of_another_form_is_422_and_removes_nothing(table: Mirror, operation: str, wanted: Any):
    assert_refused(await table.post(operation, filter=wanted), "body", "filter")
    assert await letters(table) == "DCBA"


async def test_an_unknown_operator_is_named(table: Mirror):
    response = await table.post(":search", filter={"v": {"contains": "1"}})
    assert response.json()["detail"][0]["loc"] == ["body", "filter", "v", "contains"]


@pytest.mark.parametrize("operation", QUESTIONS[:2])
@pytest.mark.parametrize("order", REFUSED_ORDERS)
async def test_an_order_of_another_form_is_422(table: Mirror, operation: str, order: str):
    assert_refused(await table.post(operation, order_by=order), "body", "order_by")


@pytest.mark.parametrize("operand", ["\u0000", "a\u0000b"], ids=repr)
async def test_text_that_cannot_be_stored_is_422_or_finds_nothing(table: Mirror, operand: str):
    response = await table.post(":search", filter={"v": {"eq": operand}})
    assert response.status_code == 422 or response.json()["items"] == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"v": {"lt": 10**4000}},
        {"v": {"gt": -(10**400)}},
        {".".join("v" * 500): {"eq": None}},
        {"n" * 10_000: {"eq": None}},
        {f"f{number}": {"ne": 1} for number in range(300)},
        {"v": {"excludes": list(range(2, 5000))}},
        {"'; drop table records; --": {"ne": "'; drop table records; --"}},
    ],
    ids=["huge number", "huge negative number", "deep path", "long name", "300 fields", "5,000 operands", "statement"],
)
async def test_large_and_odd_filters_are_answered(table: Mirror, wanted: Any):
    assert await letters(table, filter=wanted)


@pytest.mark.parametrize("name", ["id", "collection", "project_id", "deployment_name"])
async def test_nothing_else_of_a_record_can_be_asked_for(table: Mirror, name: str):
    assert await letters(table, filter={name: {"ne": None}}) == ""
    await table.create({name: "own"})
    assert (await table.ask(":search", filter={name: {"eq": "own"}}, include_total=True))["total_size"] == 1


# Pages


@pytest.mark.parametrize("absent", [{}, {"page_size": None}], ids=["absent", "null"])
async def test_a_page_has_50_items_when_nothing_is_said(api: httpx.AsyncClient, absent: dict[str, Any]):
    many = Mirror(api)
    await asyncio.gather(*(many.create({"n": number}) for number in range(51)))
    page = await many.ask(":search", **absent)
    assert len(page["items"]) == 50
    last = await many.ask(":search", **absent, page_token=page["next_page_token"])
    assert len(last["items"]) == 1
    assert last["next_page_token"] is None


async def test_a_page_has_1000_items_at_most(api: httpx.AsyncClient):
    many = Mirror(api)
    await many.ask(":batch", items=[{"data": {"n": number}} for number in range(1000)])
    await many.create({"n": 1000})
    page = await many.ask(":search", page_size=5000, include_total=True)
    assert (len(page["items"]), page["total_size"]) == (1000, 1001)
    assert page["next_page_token"] is not None
    groups = await many.ask(":aggregate", page_size=5000, group_by=["n"])
    assert len(groups["items"]) == 1000


async def test_a_page_of_nothing_counts_and_has_no_token(table: Mirror):
    assert await table.ask(":search", page_size=0, include_total=True) == {
        "items": [],
        "next_page_token": None,
        "total_size": 4,
    }


async def test_a_token_comes_exactly_when_more_follow(table: Mirror):
    tokens = [(await table.ask(":search", page_size=size))["next_page_token"] for size in (3, 4, 5)]
    assert [token is None for token in tokens] == [False, True, True]


async def test_a_token_counts_and_the_repeated_offset_does_not(table: Mirror):
    question = {"order_by": "created_at", "page_size": 2, "offset": 1}
    page = await table.ask(":search", **question)
    assert letters_of(page["items"]) == "BC"
    rest = await table.ask(":search", **question, page_token=page["next_page_token"])
    assert letters_of(rest["items"]) == "D"
    assert rest["next_page_token"] is None


async def test_the_size_of_a_page_may_change_between_pages(table: Mirror):
    page = await table.ask(":search", page_size=1)
    rest = await table.ask(":search", page_size=10, page_token=page["next_page_token"])
    assert letters_of(page["items"] + rest["items"]) == "DCBA"


@pytest.mark.parametrize("total", [None, False])
async def test_a_total_is_null_unless_asked_for(table: Mirror, total: bool | None):
    assert (await table.ask(":search", include_total=total))["total_size"] is None
    assert (await table.ask(":aggregate", include_total=total))["total_size"] is None


async def test_a_total_is_of_all_matches_whatever_the_page(table: Mirror):
    question = {"filter": {"v": {"ne": None}}, "include_total": True, "page_size": 1}
    page = await table.ask(":search", **question)
    rest = await table.ask(":search", **question, page_token=page["next_page_token"])
    past = await table.ask(":search", **question, offset=9)
    assert [page["total_size"], rest["total_size"], past["total_size"]] == [2, 2, 2]
    assert past["items"] == []


@pytest.mark.parametrize("operation", QUESTIONS[:2])
@pytest.mark.parametrize("member", ["page_size", "offset"])
@pytest.mark.parametrize("number", [-1, "1", 1.5, True, []], ids=repr)
async def test_other_numbers_of_a_page_are_422(table: Mirror, operation: str, member: str, number: Any):
    assert_refused(await table.post(operation, **{member: number}), "body", member)


@pytest.mark.parametrize("offset", [1001, 4000, 2**31, 2**63, 2**70])
async def test_an_offset_past_the_end_is_an_empty_page(table: Mirror, offset: int):
    for operation in QUESTIONS[:2]:
        page = await table.ask(operation, offset=offset)
        assert (page["items"], page["next_page_token"]) == ([], None)


async def test_a_walk_meets_all_that_stays_while_writers_are_at_work(api: httpx.AsyncClient):
    busy = Mirror(api)
    for number in range(60):
        await busy.create({"n": number % 7, "stays": True})
    staying = {record.id for record in busy.model.records}
    walking = asyncio.create_task(walk(busy, {"order_by": "n desc", "page_size": 3}))
    writing = [asyncio.create_task(write_until(walking, api, busy.name)) for _ in range(3)]
    walked = await walking
    assert sum(await asyncio.gather(*writing)) > 0
    met = [item["id"] for item in walked if item["id"] in staying]
    assert met == [record.id for record in busy.model.search(order_by="n desc", page_size=1000).items]


async def walk(mirror: Mirror, question: dict[str, Any]) -> list[dict[str, Any]]:
    walked, token = [], None
    while True:
        page = await mirror.ask(":search", **question, page_token=token)
        walked += page["items"]
        token = page["next_page_token"]
        if token is None:
            return walked


async def write_until(done: asyncio.Task[Any], api: httpx.AsyncClient, collection: str) -> int:
    """Create, update and delete records of a writer's own; returns how many."""
    count = 0
    while not done.done():  # each record leaves again, so that the walk ends
        body = {"deployment_name": "_public", "collection": collection, "data": {"n": count % 9}}
        record = (await api.post("", json=body)).json()
        await api.put(f"/{record['id']}", json={"data": {"n": 8 - count % 9}})
        await api.delete(f"/{record['id']}")
        count += 1
    return count


# Groups


@pytest.mark.parametrize(("question", "expected"), GROUPS.values(), ids=GROUPS)
async def test_groups_are_those_of_the_table(table: Mirror, question: dict[str, Any], expected: Any):
    groups = (await table.ask(":aggregate", **question, count=True))["items"]
    found = [(group["group_key"], group["count"]) for group in groups]
    assert [(json.dumps(key), count) for key, count in found] == [(json.dumps(key), count) for key, count in expected]
    assert all(group["first_item"] is None for group in groups)


@pytest.mark.parametrize("question", REFUSED_GROUPS.values(), ids=REFUSED_GROUPS)
async def test_groups_of_another_form_are_422(table: Mirror, question: dict[str, Any]):
    assert_refused(await table.post(":aggregate", **question), "body")


async def test_one_group_counts_even_when_nothing_matches(table: Mirror):
    question = {"filter": {"v": {"eq": "none"}}, "count": True, "first": True, "include_total": True}
    assert await table.ask(":aggregate", **question) == {
        "items": [{"group_key": {}, "count": 0, "first_item": None}],
        "next_page_token": None,
        "total_size": 1,
    }


async def test_a_group_has_neither_number_nor_item_unless_asked_for(table: Mirror):
    groups = (await table.ask(":aggregate", group_by=["w"], count=None, first=False))["items"]
    assert groups == [
        {"group_key": {"w": True}, "count": None, "first_item": None},
        {"group_key": {"w": None}, "count": None, "first_item": None},
    ]


async def test_the_first_item_is_the_earliest_payload_as_it_is_now(table: Mirror):
    await table.update(0, {"v": None, "changed": True})
    groups = (await table.ask(":aggregate", group_by=["v"], first=True))["items"]
    assert [group["first_item"] for group in groups] == [RECORDS["B"], {"v": None, "changed": True}]


async def test_groups_tell_types_apart_and_equal_numbers_not(api: httpx.AsyncClient):
    mirror = Mirror(api)
    for value in (1, 1.0, "1", True, None, [1], [1.0], {"a": 1}, [], {}):
        await mirror.create({"v": value})
    await mirror.create({})
    groups = (await mirror.ask(":aggregate", group_by=["v"], count=True))["items"]
    counts = {json.dumps(group["group_key"]["v"]): group["count"] for group in groups}
    assert counts == {"true": 1, "1": 2, '"1"': 1, "[1]": 2, '{"a": 1}': 1, "[]": 1, "{}": 1, "null": 2}


async def test_groups_are_ordered_by_their_earliest_and_latest_record(table: Mirror):
    await table.update(0, RECORDS["A"])
    keys = [
        [group["group_key"]["v"] for group in (await table.ask(":aggregate", group_by=["v"], order_by=order))["items"]]
        for order in ("created_at desc", "updated_at desc", "count desc, data.v desc")
    ]
    assert keys == [[None, "1", 1], [1, None, "1"], [None, "1", 1]]


async def test_a_grouped_field_named_count_wins_over_the_number(api: httpx.AsyncClient):
    mirror = Mirror(api)
    for number in (2, 1, 2):
        await mirror.create({"count": number})
    groups = (await mirror.ask(":aggregate", group_by=["count"], order_by="count", count=True))["items"]
    assert [(group["group_key"]["count"], group["count"]) for group in groups] == [(1, 1), (2, 2)]


async def test_groups_are_paged_like_records(table: Mirror):
    question = {"group_by": ["v"], "count": True, "page_size": 1, "include_total": True, "offset": 1}
    page = await table.ask(":aggregate", **question)
    rest = await table.ask(":aggregate", **question, page_token=page["next_page_token"])
    assert [item["group_key"]["v"] for item in page["items"] + rest["items"]] == ["1", None]
    assert (page["total_size"], rest["total_size"], rest["next_page_token"]) == (3, 3, None)


# Deletes by query, and errors


@pytest.mark.parametrize("members", [{"filters": {"v": {"eq": 1}}}, {"filter": {}, "where": 1}], ids=str)
async def test_a_delete_with_an_unknown_member_is_422_and_removes_nothing(table: Mirror, members: dict[str, Any]):
    assert_refused(await table.post(":delete", **members), "body")
    assert await letters(table) == "DCBA"


@pytest.mark.parametrize("members", [{}, {"filter": None}, {"filter": {}}], ids=str)
async def test_a_delete_without_a_filter_empties_the_collection_alone(table: Mirror, members: dict[str, Any]):
    neighbour = Mirror(table.api)
    await neighbour.create(RECORDS["A"])
    assert await table.ask(":delete", **members) == {"deleted_count": 4}
    assert await letters(table) == ""
    assert await letters(neighbour) == "A"


async def test_a_delete_removes_what_the_search_finds(table: Mirror):
    assert await table.ask(":delete", filter={"v": {"eq": None}}) == {"deleted_count": 2}
    assert await letters(table) == "BA"
    assert await table.ask(":delete", filter={"v": {"eq": None}}) == {"deleted_count": 0}


async def test_an_update_replaces_the_payload_as_a_whole_and_moves_only_updated_at(table: Mirror):
    record = table.model.records[0]
    before = (await table.api.get(f"/{record.id}")).json()
    await table.update(0, {})
    after = (await table.api.get(f"/{record.id}")).json()
    assert after["data"] == {}
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] > before["updated_at"]


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PUT", {"data": {}}), ("DELETE", None)], ids=["get", "update", "delete"]
)
@pytest.mark.parametrize("item_id", ["no-such-id", "%F0%9F%98%80", "a%2Fb%20c", "..%2F..%2Fx", "x" * 3000, "%00", "0"])
async def test_an_unknown_id_is_404(table: Mirror, method: str, body: Any, item_id: str):
    response = await table.api.request(method, f"/{item_id}", json=body)
    assert response.status_code == 404
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_id_of_another_project_is_404_and_its_record_stays(table: Mirror, method: str):
    path = f"/{table.model.records[0].id}"
    response = await table.api.request(method, path, json={"data": {}}, headers={"Project-Id": "other"})
    assert response.status_code == 404
    assert await letters(table) == "DCBA"


async def test_a_second_delete_is_404(table: Mirror):
    path = f"/{table.model.records[0].id}"
    assert [(await table.api.delete(path)).status_code for _ in range(2)] == [200, 404]


@pytest.mark.parametrize("operation", QUESTIONS)
async def test_a_question_by_another_method_is_405_or_404(table: Mirror, operation: str):
    response = await table.api.get(f"/{operation}")
    assert response.status_code in (404, 405)
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("operation", ["", *(f"/{question}" for question in QUESTIONS)])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"deployment_name": null}', b'{"deployment_name": ""}', b"\xff"],
    ids=repr,
)
async def test_a_body_of_another_form_is_422(table: Mirror, operation: str, content: bytes):
    assert_refused(await table.api.post(operation, content=content), "body")


@pytest.mark.parametrize("data", [None, [], "x", 1, True])
async def test_data_that_is_no_object_is_422(table: Mirror, data: Any):
    record = table.model.records[0]
    created = await table.api.post("", json={"deployment_name": "_public", "data": data})
    assert_refused(created, "body", "data")
    assert_refused(await table.api.put(f"/{record.id}", json={"data": data}), "body", "data")


async def test_query_and_header_that_name_two_projects_are_400(table: Mirror):
    body = {"deployment_name": "_public"}
    response = await table.api.post("/:search", params={"project_id": "other"}, json=body)
    assert response.status_code == 400
    assert isinstance(response.json()["detail"], str)


async def test_each_create_makes_a_new_record(table: Mirror):
    await table.create(RECORDS["A"])
    assert await letters(table, filter={"v": {"eq": 1}}) == "AA"


@pytest.mark.parametrize("member", ["deployment_name", "collection"])
async def test_other_places_are_neither_seen_nor_emptied(table: Mirror, member: str):
    assert await letters(table, **{member: "other"}) == ""
    assert (await table.ask(":aggregate", count=True, **{member: "other"}))["items"][0]["count"] == 0
    assert await table.ask(":delete", **{member: "other"}) == {"deleted_count": 0}
    assert await letters(table) == "DCBA"
