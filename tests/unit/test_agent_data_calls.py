"""The Agent Data clients beyond single records: deletes by filter, groups, walks, batches, conditions and exports."""

from __future__ import annotations

import json
from contextlib import aclosing, closing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from serai.agent_data import (
    AgentDataClient,
    AsyncAgentDataClient,
    AsyncItems,
    InvalidAgentDataError,
    LlamaCloud,
    PartlyCreatedError,
    TypedAgentData,
    TypedAggregateGroupItems,
)
from serai.exceptions import RemoteServerUnavailableError
from serai.wire.records import etag_of
from tests.unit.both_clients import Recorder, events_of, result_of
from tests.unit.scripted_server import answer, drop, scripted_server, stream
from tests.unit.test_agent_data_client import BOTH, RECORD, Person, body_of, connect, page, record

ADA = Person(name="Ada", age=36)
SCOPE = {"deployment_name": "_public", "collection": "people"}
ODD = RECORD | {"id": "odd", "data": {"name": "x"}}


def groups(*items: dict[str, Any], token: str | None = None, total: int | None = None) -> httpx.Response:
    filled = [{"count": None, "first_item": None} | item for item in items]
    return httpx.Response(200, json={"items": filled, "next_page_token": token, "total_size": total})


def batch(count: int, *, first: int = 0) -> httpx.Response:
    return httpx.Response(200, json={"items": [RECORD | {"id": f"r{first + n}"} for n in range(count)]})


@BOTH
async def test_a_delete_by_filter_says_how_many_are_gone(kind):
    server = Recorder(httpx.Response(200, json={"deleted_count": 7}))
    assert await result_of(connect(kind, server).delete({"age": {"lt": 18}})) == 7
    assert server.asked == ["POST /api/v1/beta/agent-data/:delete"]
    assert body_of(server.requests[0]) == {**SCOPE, "filter": {"age": {"lt": 18}}}
    assert "idempotency-key" in server.requests[0].headers


@BOTH
@pytest.mark.parametrize("everything", [{}, None])
async def test_a_collection_is_emptied_only_in_so_many_words(kind, everything):
    server = Recorder(httpx.Response(200, json={"deleted_count": 3}))
    client = connect(kind, server)
    with pytest.raises(TypeError, match="filter"):
        await result_of(client.delete())
    assert server.requests == []
    assert await result_of(client.delete(filter=everything)) == 3
    assert body_of(server.requests[0]) == {**SCOPE, "filter": {}}


@BOTH
async def test_groups_come_with_their_first_payload_typed(kind):
    server = Recorder(groups({"group_key": {"age": 36}, "count": 2, "first_item": RECORD["data"]}, token="t", total=5))
    found = await result_of(
        connect(kind, server).aggregate(
            filter={"age": {"gt": 1}},
            group_by=["age"],
            count=True,
            first=True,
            order_by="age desc",
            offset=1,
            page_size=1,
            include_total=True,
        )
    )
    group = found.items[0]
    assert (group.group_key, group.count, group.first_item) == ({"age": 36}, 2, ADA)
    assert (found.has_more, found.next_page_token, found.total) == (True, "t", 5)
    assert server.asked == ["POST /api/v1/beta/agent-data/:aggregate"]
    assert body_of(server.requests[0]) == {
        **SCOPE,
        "filter": {"age": {"gt": 1}},
        "group_by": ["age"],
        "count": True,
        "first": True,
        "order_by": "age desc",
        "offset": 1,
        "page_size": 1,
        "include_total": True,
    }
    assert "idempotency-key" not in server.requests[0].headers


@BOTH
async def test_untyped_groups_are_what_the_server_said(kind):
    server = Recorder(groups({"group_key": {"a.b": None}, "first_item": {"any": 1}}))
    found = await result_of(connect(kind, server).untyped_aggregate(group_by=["a.b"], first=True))
    assert (found.items[0].group_key, found.items[0].first_item) == ({"a.b": None}, {"any": 1})
    assert body_of(server.requests[0]) == {**SCOPE, "group_by": ["a.b"], "first": True}


@BOTH
async def test_one_path_is_not_taken_for_a_list_of_letters(kind):
    with pytest.raises(TypeError, match=r"such as \['age'\]"):
        await result_of(connect(kind, Recorder(groups())).aggregate(group_by="age"))


@BOTH
async def test_all_groups_are_walked_by_page_tokens(kind):
    server = Recorder(groups({"group_key": {"age": 1}}, token="t"), groups({"group_key": {"age": 2}}))
    walk = connect(kind, server).aggregate_all(group_by=["age"], page_size=1)
    assert [group.group_key["age"] for group in await events_of(walk)] == [1, 2]
    assert [body_of(request).get("page_token") for request in server.requests] == [None, "t"]


@BOTH
async def test_an_empty_token_is_the_end(kind):
    server = Recorder(page(RECORD, token=""))
    assert (await result_of(connect(kind, server).search())).has_more is False
    assert len(await events_of(connect(kind, server).search_all())) == 1


@BOTH
async def test_a_group_that_does_not_fit_is_set_apart(kind):
    odd = {"group_key": {"age": None}, "count": 1, "first_item": {"name": "x"}}
    server = Recorder(groups(odd, {"group_key": {"age": 36}, "first_item": RECORD["data"]}))
    client = connect(kind, server)
    found = await result_of(client.aggregate(group_by=["age"], first=True))
    assert [group.group_key["age"] for group in found.items] == [36]
    assert found.invalid_items[0].group.group_key == {"age": None}
    with pytest.raises(InvalidAgentDataError, match=r'group \{"age": null\} \(age: Field required\)') as caught:
        await result_of(client.aggregate(group_by=["age"], first=True, on_invalid="raise"))
    rest = caught.value.page
    assert isinstance(rest, TypedAggregateGroupItems)
    assert [group.group_key["age"] for group in rest.items] == [36]


@BOTH
async def test_an_unknown_way_with_what_does_not_fit_is_refused(kind):
    with pytest.raises(ValueError, match="'raise', 'skip' or 'keep'"):
        await result_of(connect(kind, Recorder(page())).search(on_invalid="ignore"))


@BOTH
async def test_a_strict_type_reads_dates_from_json(kind):
    class Visit(BaseModel):
        model_config = ConfigDict(strict=True)
        at: datetime

    visit = Visit(at=datetime(2024, 1, 2, tzinfo=UTC))
    server = Recorder(record(data={"at": "2024-01-02T00:00:00Z"}))
    assert (await result_of(connect(kind, server, type=Visit).create_item(visit))).data == visit


@BOTH
async def test_many_records_are_created_in_batches_with_a_key_each(kind):
    server = Recorder(batch(1000), httpx.Response(503), batch(1000, first=1000), batch(1, first=2000))
    created = await result_of(connect(kind, server).create_items([ADA] * 2001, project_id="p"))
    assert [item.id for item in created] == [f"r{n}" for n in range(2001)]
    assert created[0].data == ADA
    assert set(server.asked) == {"POST /api/v1/beta/agent-data/:batch"}
    assert [len(body_of(request)["items"]) for request in server.requests] == [1000, 1000, 1000, 1]
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert (keys[1], len(set(keys))) == (keys[2], 3)
    assert {request.url.params["project_id"] for request in server.requests} == {"p"}


@BOTH
async def test_a_batch_says_what_the_server_documents(kind):
    server = Recorder(batch(2))
    await result_of(connect(kind, server).create_items(iter([ADA, ADA]), ids=["mine", None]))
    data = {"name": "Ada", "age": 36}
    assert body_of(server.requests[0]) == {**SCOPE, "items": [{"data": data, "id": "mine"}, {"data": data}]}


@BOTH
async def test_large_records_make_smaller_batches(kind):
    server = Recorder(batch(1), batch(1))
    await result_of(connect(kind, server).create_items([Person(name="x" * 9_000_000, age=1)] * 2))
    assert [len(body_of(request)["items"]) for request in server.requests] == [1, 1]


@BOTH
async def test_no_records_are_no_request(kind):
    server = Recorder(batch(0))
    assert await result_of(connect(kind, server).create_items([])) == []
    assert server.requests == []


@BOTH
async def test_a_later_batch_that_fails_says_what_is_stored(kind):
    server = Recorder(batch(1000), httpx.Response(422, json={"detail": "no"}))
    with pytest.raises(PartlyCreatedError, match=r"1000 of 1500 records are stored.*422") as caught:
        await result_of(connect(kind, server).create_items([ADA] * 1500))
    assert (len(caught.value.created), caught.value.missing) == (1000, 500)
    assert isinstance(caught.value.__cause__, httpx.HTTPStatusError)


@BOTH
async def test_a_first_batch_that_fails_is_an_error_like_any_other(kind):
    with pytest.raises(httpx.HTTPStatusError):
        await result_of(connect(kind, Recorder(httpx.Response(422, json={"detail": "no"}))).create_items([ADA] * 1500))


@BOTH
async def test_nothing_is_sent_of_payloads_that_json_cannot_say_or_ids_that_do_not_pair(kind):
    class Reading(BaseModel):
        value: float

    server = Recorder(batch(1000))
    readings = [Reading(value=1.0)] * 1200 + [Reading(value=float("inf"))]
    with pytest.raises(ValueError, match="JSON"):
        await result_of(connect(kind, server, type=Reading).create_items(readings))
    with pytest.raises(ValueError, match="1 ids for 2 payloads"):
        await result_of(connect(kind, server).create_items([ADA, ADA], ids=["a"]))
    assert server.requests == []


@BOTH
async def test_a_batch_answered_in_part_is_not_believed(kind):
    with pytest.raises(ValueError, match="1 records for a batch of 2"):
        await result_of(connect(kind, Recorder(batch(1))).create_items([ADA, ADA]))


@BOTH
async def test_the_caller_may_choose_the_id(kind):
    server = Recorder(record(id="mine"))
    assert (await result_of(connect(kind, server).create_item(ADA, id="mine"))).id == "mine"
    assert body_of(server.requests[0]) == {**SCOPE, "data": {"name": "Ada", "age": 36}, "id": "mine"}


@BOTH
async def test_a_write_can_depend_on_the_record_as_it_was_found(kind):
    server = Recorder(page(RECORD), record(), httpx.Response(412, json={"detail": "has changed"}))
    client = connect(kind, server)
    found = (await result_of(client.search())).items[0]
    assert found.etag == '"1735787045678901"'
    await result_of(client.update_item(found.id, ADA, if_match=found.etag))
    with pytest.raises(httpx.HTTPStatusError, match="has changed") as caught:
        await result_of(client.delete_item(found.id, if_match=found.etag))
    assert caught.value.response.status_code == 412
    assert [request.headers.get("if-match") for request in server.requests] == [None, found.etag, found.etag]


def test_an_etag_counts_microseconds_exactly():
    assert etag_of(datetime(2999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == '"32503679999999999"'
    assert etag_of(datetime(1970, 1, 1, 0, 0, 0, 1)) == '"1"'  # noqa: DTZ001 - times without a zone are UTC
    assert TypedAgentData[Person](id="x", deployment_name="d", data=ADA).etag is None


@BOTH
async def test_collections_of_a_deployment_are_listed(kind):
    listed = {
        "deployment_name": "_public",
        "collection": "people",
        "count": 3,
        "bytes": 900,
        "fields": [{"path": "age", "types": ["number"]}],
        "indexes": [{"name": "i"}],
    }
    server = Recorder(httpx.Response(200, json={"items": [listed]}))
    client = connect(kind, server)
    [found] = await result_of(client.collections())
    assert (found.collection, found.count, found.bytes, found.fields[0].types) == ("people", 3, 900, ["number"])
    await result_of(client.collections("other", project_id="p"))
    assert [str(request.url.query, "ascii") for request in server.requests] == [
        "deployment_name=_public",
        "deployment_name=other&project_id=p",
    ]


@BOTH
async def test_collections_of_all_deployments_are_walked_page_after_page(kind):
    listed = [{"deployment_name": name, "collection": "c", "count": 1, "indexes": None} for name in "ab"]
    pages = [{"items": [listed[0]], "next_page_token": "T=1"}, {"items": [listed[1]], "next_page_token": None}]
    server = Recorder(*(httpx.Response(200, json=page) for page in pages))
    client = connect(kind, server)
    found = await result_of(client.collections(all_deployments=True))
    assert [(one.deployment_name, one.indexes) for one in found] == [("a", []), ("b", [])]
    assert [str(request.url.query, "ascii") for request in server.requests] == ["", "page_token=T%3D1"]
    with pytest.raises(ValueError, match="give one of them"):
        await result_of(client.collections("a", all_deployments=True))


@BOTH
async def test_an_export_gives_the_bytes_as_they_come(kind):
    server = Recorder(httpx.Response(200, content=b"id,created_at,updated_at,name\r\n1,a,b,Ada\r\n"))
    walk = connect(kind, server).export({"age": {"gt": 1}}, "age", format="csv", fields=["name"])
    assert b"".join(await events_of(walk)).endswith(b"1,a,b,Ada\r\n")
    assert server.asked == ["POST /api/v1/beta/agent-data/:export"]
    assert body_of(server.requests[0]) == {
        **SCOPE,
        "filter": {"age": {"gt": 1}},
        "order_by": "age",
        "format": "csv",
        "fields": ["name"],
    }


@BOTH
async def test_exported_records_are_typed_and_those_that_do_not_fit_fail_alone(kind):
    text = b"\n".join(json.dumps(item).encode() for item in (RECORD, ODD, RECORD))
    server = Recorder(httpx.Response(200, content=text))
    kept = connect(kind, server).export_items(on_invalid="keep")
    assert [item.data for item in await events_of(kept)] == [ADA, ADA]
    assert [invalid.record.id for invalid in kept.invalid_items] == ["odd"]
    seen: list[Any] = []
    with pytest.raises(InvalidAgentDataError, match="odd"):
        await collect(connect(kind, server).export_items(), seen)
    assert len(seen) == 2


@BOTH
async def test_an_export_is_asked_for_again_until_it_opens(kind):
    server = Recorder(httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200, content=b"{}\n"))
    assert await events_of(connect(kind, server).export()) == [b"{}\n"]
    server = Recorder(httpx.Response(422, json={"detail": "bad filter"}))
    with pytest.raises(httpx.HTTPStatusError, match="bad filter"):
        await events_of(connect(kind, server).export())


async def test_a_record_cut_between_pieces_is_put_together_and_a_broken_export_is_no_end():
    line = json.dumps(RECORD).encode() + b"\n"
    whole, broken = stream(line + line[:20], line[20:], b"\n" + line[:-1]), stream(line, line[:9], end="dropped")
    async with scripted_server(whole, broken) as server:
        client = AsyncAgentDataClient(Person, base_url=server.base_url)
        assert len(await events_of(client.export_items())) == 3
        seen: list[Any] = []
        with pytest.raises(RemoteServerUnavailableError, match="dropped"):
            await collect(client.export_items(), seen)
        assert len(seen) == 1
        await client.close()


async def test_leaving_an_export_early_closes_its_connection():
    line = json.dumps(RECORD).encode() + b"\n"
    script = (stream(line, line, end="silent"), drop(), answer(200, json.dumps(RECORD).encode()))
    async with scripted_server(*script) as server, AsyncAgentDataClient(Person, base_url=server.base_url) as client:
        async with aclosing(client.export_items()) as items:
            assert isinstance(items, AsyncItems)
            assert (await anext(items)).data == ADA
        assert (await client.get_item("x")).data == ADA


def test_a_blocking_walk_can_be_left_early():
    server = Recorder(page(RECORD, RECORD, token="t"))
    http_client = httpx.Client(transport=httpx.MockTransport(server))
    client = AgentDataClient(Person, client=LlamaCloud("http://data.test", httpx_client=http_client))
    with closing(client.search_all()) as items:
        assert next(items).data == ADA
    assert len(server.requests) == 1


async def collect(walk: Any, seen: list[Any]) -> None:
    """Add what a walk of either client yields, also when it ends in an error."""
    if hasattr(walk, "__aiter__"):
        async for item in walk:
            seen.append(item)  # noqa: PERF401 - what came before an error counts
    else:
        for item in walk:
            seen.append(item)  # noqa: PERF402 - what came before an error counts
