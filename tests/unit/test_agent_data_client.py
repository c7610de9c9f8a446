"""What the Agent Data clients send and return."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel, Field, ValidationError

from serai.agent_data import AgentDataClient, AsyncAgentDataClient, AsyncLlamaCloud, LlamaCloud, TypedAgentData
from serai.exceptions import RemoteServerUnavailableError
from tests.unit.both_clients import QUICK, Recorder, events_of, result_of

KINDS = [(AsyncAgentDataClient, AsyncLlamaCloud, httpx.AsyncClient), (AgentDataClient, LlamaCloud, httpx.Client)]
BOTH = pytest.mark.parametrize("kind", KINDS, ids=["async", "blocking"])

RECORD = {
    "id": "0f0c",
    "deployment_name": "_public",
    "project_id": "p",
    "collection": "people",
    "data": {"name": "Ada", "age": 36},
    "created_at": "2025-01-02T03:04:05.678901Z",
    "updated_at": "2025-01-02T03:04:05.678901Z",
}


class Person(BaseModel):
    name: str
    age: int


class Visit(BaseModel):
    at: datetime
    day: date
    price: Decimal
    key: UUID


def record(**members: Any) -> httpx.Response:
    return httpx.Response(200, json=RECORD | members)


def page(*items: dict[str, Any], token: str | None = None, total: int | None = None) -> httpx.Response:
    return httpx.Response(200, json={"items": list(items), "next_page_token": token, "total_size": total})


def connect(kind: Any, server: Recorder, *, type: type[BaseModel] = Person, **options: Any) -> Any:  # noqa: A002
    client_class, cloud_class, http_class = kind
    http_client = http_class(transport=httpx.MockTransport(server), headers=options.pop("headers", None))
    base = cloud_class("http://data.test/", "tok", http_client, retry=QUICK)
    return client_class(type, "people", client=base, **options)


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content)


@BOTH
async def test_a_payload_is_stored_and_comes_back_typed(kind):
    server = Recorder(record())
    created = await result_of(connect(kind, server).create_item(Person(name="Ada", age=36)))
    assert isinstance(created, TypedAgentData)
    assert created.data == Person(name="Ada", age=36)
    assert created.created_at == datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert created.model_dump()["data"] == {"name": "Ada", "age": 36}
    request = server.requests[0]
    assert str(request.url) == "http://data.test/api/v1/beta/agent-data"
    assert request.headers["authorization"] == "Bearer tok"
    assert body_of(request) == {
        "deployment_name": "_public",
        "collection": "people",
        "data": {"name": "Ada", "age": 36},
    }


@BOTH
async def test_get_update_and_delete_name_the_record_in_the_path(kind):
    server = Recorder(record(), record(), record(), httpx.Response(200, json={"id": "0f0c"}))
    client = connect(kind, server)
    assert (await result_of(client.get_item("0f0c"))).data.age == 36
    assert (await result_of(client.untyped_get_item("0f0c"))).data == {"name": "Ada", "age": 36}
    await result_of(client.update_item("0f0c", Person(name="Eve", age=1)))
    assert await result_of(client.delete_item("0f0c")) is None
    path = "/api/v1/beta/agent-data/0f0c"
    assert server.asked == [f"GET {path}", f"GET {path}", f"PUT {path}", f"DELETE {path}"]
    assert body_of(server.requests[2]) == {"data": {"name": "Eve", "age": 1}}


@BOTH
async def test_search_sends_what_was_asked_and_leaves_out_the_rest(kind):
    server = Recorder(page(RECORD, token="t", total=9), page())
    client = connect(kind, server)
    found = await result_of(
        client.search(
            filter={"age": {"gte": 21}, "created_at": {"gte": datetime(2024, 1, 1, tzinfo=UTC)}},
            order_by="data.name desc, created_at",
            page_size=50,
            offset=0,
            include_total=True,
        )
    )
    assert (found.items[0].data.name, found.has_more, found.total, found.next_page_token) == ("Ada", True, 9, "t")
    assert body_of(server.requests[0]) == {
        "deployment_name": "_public",
        "collection": "people",
        "filter": {"age": {"gte": 21}, "created_at": {"gte": "2024-01-01T00:00:00Z"}},
        "order_by": "data.name desc, created_at",
        "page_size": 50,
        "offset": 0,
        "include_total": True,
    }
    assert (await result_of(client.untyped_search())).items == []
    assert body_of(server.requests[1]) == {"deployment_name": "_public", "collection": "people"}
    assert server.requests[1].url.path == "/api/v1/beta/agent-data/:search"


@BOTH
async def test_a_record_that_does_not_fit_is_set_apart_with_the_reason(kind):
    server = Recorder(page(RECORD, RECORD | {"id": "odd", "data": {"name": "x"}}))
    found = await result_of(connect(kind, server).search())
    assert [item.id for item in found.items] == ["0f0c"]
    assert [(invalid.record.id, invalid.error.error_count()) for invalid in found.invalid_items] == [("odd", 1)]


@BOTH
async def test_all_pages_are_walked_by_their_tokens(kind):
    server = Recorder(page(RECORD, RECORD, token="t1"), page(RECORD, token=None))
    items = await events_of(connect(kind, server).search_all({"age": {"eq": 36}}, page_size=2))
    assert len(items) == 3
    assert [body_of(request).get("page_token") for request in server.requests] == [None, "t1"]
    assert {json.dumps(body_of(request)["filter"]) for request in server.requests} == {'{"age": {"eq": 36}}'}


@BOTH
async def test_an_unknown_record_is_a_404_of_httpx(kind):
    server = Recorder(httpx.Response(404, json={"detail": "Agent data not found"}))
    for call in ("get_item", "untyped_get_item", "delete_item"):
        with pytest.raises(httpx.HTTPStatusError, match="Agent data not found") as caught:
            await result_of(getattr(connect(kind, server), call)("nothing"))
        assert caught.value.response.status_code == 404
    assert len(server.requests) == 3


@BOTH
async def test_ids_are_escaped_and_dot_segments_refused(kind):
    server = Recorder(record())
    client = connect(kind, server)
    await result_of(client.get_item("../../x?y#z"))
    assert server.requests[0].url.raw_path == b"/api/v1/beta/agent-data/..%2F..%2Fx%3Fy%23z"
    with pytest.raises(ValueError, match="item_id"):
        await result_of(client.get_item(".."))


@BOTH
async def test_payloads_are_dumped_as_json_and_come_back_equal(kind):
    visit = Visit(
        at=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), day=date(2024, 1, 2), price=Decimal("9.90"), key=UUID(int=1)
    )
    sent = visit.model_dump(mode="json")
    server = Recorder(record(data=sent))
    created = await result_of(connect(kind, server, type=Visit).create_item(visit))
    assert body_of(server.requests[0])["data"] == sent
    assert sent["at"] == "2024-01-02T03:04:05Z"
    assert sent["price"] == "9.90"
    assert created.data == visit


@BOTH
async def test_a_payload_with_aliases_makes_the_round_trip(kind):
    class Named(BaseModel):
        full_name: str = Field(alias="fullName")

    server = Recorder(record(data={"full_name": "Ada"}), record(data={"fullName": "Ada"}))
    client = connect(kind, server, type=Named)
    assert (await result_of(client.create_item(Named(fullName="Ada")))).data.full_name == "Ada"
    assert body_of(server.requests[0])["data"] == {"full_name": "Ada"}
    assert (await result_of(client.get_item("x"))).data.full_name == "Ada"


@BOTH
async def test_what_json_cannot_say_is_refused_before_it_is_sent(kind):
    class Reading(BaseModel):
        value: float

    server = Recorder(record())
    with pytest.raises(ValueError, match="JSON"):
        await result_of(connect(kind, server, type=Reading).create_item(Reading(value=float("nan"))))
    assert server.requests == []


@BOTH
async def test_a_record_that_does_not_fit_fails_a_get(kind):
    with pytest.raises(ValidationError):
        await result_of(connect(kind, Recorder(record(data={"name": 1}))).get_item("x"))


@BOTH
async def test_the_project_header_of_the_http_client_is_kept_and_a_call_can_override_it(kind):
    server = Recorder(record())
    client = connect(kind, server, headers={"Project-Id": "from-header"})
    await result_of(client.get_item("x"))
    await result_of(client.get_item("x", project_id="of the call"))
    assert [(r.headers["project-id"], r.url.query) for r in server.requests] == [
        ("from-header", b""),
        ("of the call", b"project_id=of+the+call"),
    ]


@BOTH
async def test_the_environment_says_what_was_not_said(kind, monkeypatch):
    client_class, cloud_class, _ = kind
    names = {
        "LLAMA_CLOUD_API_KEY": "env-key",
        "LLAMA_CLOUD_BASE_URL": "http://env.test/prefix/",
        "LLAMA_DEPLOY_DEPLOYMENT_NAME": "env-deployment",
        "LLAMA_DEPLOY_PROJECT_ID": "env-project",
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    server = Recorder(page())
    client = client_class(Person, retry=QUICK)
    client.client = cloud_class(httpx_client=kind[2](transport=httpx.MockTransport(server)))
    await result_of(client.search())
    request = server.requests[0]
    assert str(request.url) == "http://env.test/prefix/api/v1/beta/agent-data/:search?project_id=env-project"
    assert request.headers["authorization"] == "Bearer env-key"
    assert body_of(request) == {"deployment_name": "env-deployment", "collection": "default"}
    await result_of(client.close())


@BOTH
async def test_without_environment_the_local_server_and_the_public_deployment_are_meant(kind, monkeypatch):
    for name in ("LLAMA_CLOUD_API_KEY", "LLAMA_CLOUD_BASE_URL", "LLAMA_DEPLOY_DEPLOYMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    client = kind[0](Person)
    assert client.client.base_url == "http://127.0.0.1:7777"
    assert (client.deployment_name, client.collection, client.type) == ("_public", "default", Person)
    assert kind[0](Person, agent_url_id="old-name").deployment_name == "old-name"
    await result_of(client.close())


async def test_clients_are_context_managers_that_leave_a_shared_base_open():
    server = Recorder(record())
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(server))
    async with AsyncLlamaCloud("http://data.test", httpx_client=http_client) as base:
        async with AsyncAgentDataClient(Person, client=base) as client:
            await client.get_item("x")
        await base.close()
    assert not http_client.is_closed
    nowhere = "http://127.0.0.1:9"
    with AgentDataClient(Person, base_url=nowhere, retry=QUICK) as other, pytest.raises(RemoteServerUnavailableError):
        other.get_item("x")


@BOTH
async def test_a_client_that_was_closed_says_so(kind):
    client = kind[0](Person, base_url="http://127.0.0.1:9", retry=QUICK)
    await result_of(client.close())
    with pytest.raises(RuntimeError, match="the client is closed"):
        await result_of(client.get_item("x"))


def test_the_published_order_of_arguments_is_kept():
    published = ["type", "collection", "deployment_name", "client", "token", "base_url", "agent_url_id"]
    for kind in (AsyncAgentDataClient, AgentDataClient):
        assert list(inspect.signature(kind).parameters)[:7] == published
        search = list(inspect.signature(kind.search).parameters)
        assert search[1:6] == ["filter", "order_by", "offset", "page_size", "include_total"]
