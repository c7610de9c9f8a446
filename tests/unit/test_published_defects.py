"""What the published client gets wrong, one test a defect: over real sockets, with both clients."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from serai.agent_data import (
    AgentDataClient,
    AsyncAgentDataClient,
    AsyncLlamaCloud,
    ExtractedData,
    ExtractedFieldMetadata,
    InvalidAgentDataError,
    LlamaCloud,
    parse_extracted_field_metadata,
)
from serai.exceptions import RemoteServerUnavailableError
from serai.wire.retry import RetryPolicy
from tests.unit.both_clients import QUICK
from tests.unit.scripted_server import Behaviour, ScriptedServer, answer, drop, scripted_server, silence
from tests.unit.test_agent_data_client import RECORD, Person

ADA = Person(name="Ada", age=36)
FOUND = answer(200, json.dumps(RECORD).encode())
GONE = answer(404, b'{"detail": "not found"}')
DELETED = answer(200, b'{"id": "0f0c", "status": "deleted"}')
ODD = RECORD | {"id": "odd", "data": {"name": "secret"}}

BOTH = pytest.mark.parametrize("is_async", [True, False], ids=["async", "blocking"])


@dataclass
class Talk:
    """A scripted server and a client of it that is called the same way whether it awaits or blocks."""

    server: ScriptedServer
    client: Any

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.client, AsyncAgentDataClient):
            return await getattr(self.client, name)(*args, **kwargs)
        return await asyncio.to_thread(getattr(self.client, name), *args, **kwargs)

    async def walk(self, name: str, seen: list[Any], **kwargs: Any) -> Any:
        items = getattr(self.client, name)(**kwargs)
        if isinstance(self.client, AsyncAgentDataClient):
            async for item in items:
                seen.append(item)  # noqa: PERF401 - what came before an error counts
        else:
            await asyncio.to_thread(_drain, items, seen)
        return items

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.server.received]


def _drain(items: Any, seen: list[Any]) -> None:
    for item in items:
        seen.append(item)  # noqa: PERF402 - what came before an error counts


@asynccontextmanager
async def talk(
    is_async: bool,
    *script: Behaviour,
    type: type[BaseModel] = Person,  # noqa: A002 - the client's argument
    retry: RetryPolicy = QUICK,
    read_timeout: float = 5.0,
) -> AsyncIterator[Talk]:
    async with scripted_server(*script) as server:
        options = httpx.Timeout(60.0, read=read_timeout)
        if is_async:
            async with httpx.AsyncClient(timeout=options) as http:
                cloud = AsyncLlamaCloud(server.base_url, httpx_client=http, retry=retry)
                yield Talk(server, AsyncAgentDataClient(type, "people", client=cloud))
        else:
            with httpx.Client(timeout=options) as http:
                blocking = LlamaCloud(server.base_url, httpx_client=http, retry=retry)
                yield Talk(server, AgentDataClient(type, "people", client=blocking))


@BOTH
@pytest.mark.parametrize(
    "trouble",
    [drop(), *(answer(status, b"{}") for status in (408, 425, 429, 500, 502, 503, 504))],
    ids=["dropped", "408", "425", "429", "500", "502", "503", "504"],
)
async def test_defect_1_error_answers_and_dropped_connections_are_tried_again(is_async, trouble):
    async with talk(is_async, trouble, trouble, FOUND) as t:
        assert (await t.call("get_item", "0f0c")).data == ADA
    assert len(t.server.received) == 3


@BOTH
async def test_defect_1_a_server_that_asks_for_a_pause_gets_it(is_async):
    policy = RetryPolicy(base_s=0.001, max_s=0.002, max_retry_after_s=0.5)
    async with talk(is_async, answer(503, b"{}", Retry_After="0"), FOUND, retry=policy) as t:
        await t.call("get_item", "0f0c")
    async with talk(is_async, answer(503, b"{}", Retry_After="3600"), FOUND, retry=policy) as t:
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            await t.call("get_item", "0f0c")
    assert len(t.server.received) == 1


@BOTH
async def test_defect_2_a_create_whose_answer_was_lost_is_the_same_create_when_sent_again(is_async):
    async with talk(is_async, silence(), drop(), FOUND, read_timeout=0.1) as t:
        await t.call("create_item", ADA)
        keys = {request.headers["idempotency-key"] for request in t.server.received}
    assert (len(t.server.received), len(keys)) == (3, 1)
    assert len({request.body for request in t.server.received}) == 1


@BOTH
async def test_defect_3_a_delete_whose_answer_was_lost_has_succeeded(is_async):
    async with talk(is_async, drop(), GONE, DELETED, GONE) as t:
        await t.call("delete_item", "0f0c")
        await t.call("delete_item", "0f0c")
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await t.call("delete_item", "0f0c")


@BOTH
async def test_defect_4_the_last_attempt_gives_its_cause(is_async):
    async with talk(is_async, silence(), silence(), silence(), read_timeout=0.05) as t:
        with pytest.raises(RemoteServerUnavailableError, match="did not answer in time") as caught:
            await t.call("get_item", "0f0c")
    assert isinstance(caught.value.original_error, httpx.ReadTimeout)
    assert len(t.server.received) == 3


def test_defect_4_waits_grow_and_differ():
    policy = RetryPolicy()
    firsts, seconds = {policy.delay_s(1) for _ in range(50)}, {policy.delay_s(2) for _ in range(50)}
    assert len(firsts) > 40
    assert 0.25 <= min(firsts) <= max(firsts) <= 0.5 <= min(seconds) <= max(seconds) <= 1.0


@BOTH
async def test_defect_5_an_unknown_id_is_an_http_status_error(is_async):
    async with talk(is_async, GONE) as t:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await t.call("get_item", "nothing")
    assert caught.value.response.status_code == 404


@BOTH
async def test_defect_6_the_timeout_of_the_http_client_holds(is_async):
    once = RetryPolicy(max_requests=1)
    async with talk(is_async, silence(), retry=once, read_timeout=0.05) as t:
        began = time.monotonic()
        with pytest.raises(RemoteServerUnavailableError):
            await t.call("get_item", "0f0c")
    assert time.monotonic() - began < 30


@BOTH
async def test_defect_7_ids_stay_one_segment_of_the_path(is_async):
    async with talk(is_async, FOUND) as t:
        await t.call("get_item", "../../x?y=1#z %2e")
        assert t.server.received[0].target == "/api/v1/beta/agent-data/..%2F..%2Fx%3Fy%3D1%23z%20%252e"
        for odd in ("", ".", ".."):
            with pytest.raises(ValueError, match="item_id"):
                await t.call("get_item", odd)
    assert len(t.server.received) == 1


class Invoice(BaseModel):
    at: datetime
    local: datetime
    naive: datetime
    day: date
    price: Decimal
    key: UUID
    lines: set[int]


@BOTH
async def test_defect_8_payloads_are_json_with_exact_decimals_and_iso_times(is_async):
    east = timezone(timedelta(hours=5, minutes=30))
    invoice = Invoice(
        at=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        local=datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=east),
        naive=datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001 - how it is sent is the question
        day=date(2024, 1, 2),
        price=Decimal("12345678901234567890.10"),
        key=UUID(int=1),
        lines={1},
    )
    sent = {
        "at": "2024-01-02T03:04:05Z",
        "local": "2024-01-02T03:04:05.000006+05:30",
        "naive": "2024-01-02T03:04:05",
        "day": "2024-01-02",
        "price": "12345678901234567890.10",
        "key": "00000000-0000-0000-0000-000000000001",
        "lines": [1],
    }
    async with talk(is_async, answer(200, json.dumps(RECORD | {"data": sent}).encode()), type=Invoice) as t:
        created = await t.call("create_item", invoice)
        assert t.bodies[0]["data"] == sent
    assert created.data == invoice
    assert (created.data.price, created.data.naive.tzinfo) == (invoice.price, None)


def records(*items: dict[str, Any], token: str | None = None) -> Behaviour:
    return answer(200, json.dumps({"items": items, "next_page_token": token, "total_size": None}).encode())


@BOTH
async def test_defect_9_a_record_that_does_not_fit_fails_alone(is_async, caplog):
    async with talk(is_async, *[records(RECORD, ODD, RECORD)] * 3) as t:
        with caplog.at_level(logging.WARNING, "serai.agent_data"):
            kept = await t.call("search")
        assert [item.id for item in kept.items] == ["0f0c", "0f0c"]
        assert [(invalid.record.id, invalid.record.data) for invalid in kept.invalid_items] == [("odd", ODD["data"])]
        assert "odd" in caplog.text
        assert "secret" not in caplog.text
        skipped = await t.call("search", on_invalid="skip")
        assert (len(skipped.items), skipped.invalid_items) == (2, [])
        with pytest.raises(InvalidAgentDataError, match=r"fits Person: record odd \(age: Field required\)") as caught:
            await t.call("search", on_invalid="raise")
    assert isinstance(caught.value.__cause__, ValidationError)
    assert caught.value.page is not None
    assert len(caught.value.page.items) == 2


@BOTH
async def test_defect_9_a_walk_ends_in_the_error_only_after_all_others(is_async):
    script = [records(ODD, RECORD, token="t"), records(RECORD)]
    async with talk(is_async, *script * 3) as t:
        seen: list[Any] = []
        with pytest.raises(InvalidAgentDataError, match="record odd") as caught:
            await t.walk("search_all", seen)
        assert (len(seen), caught.value.page) == (2, None)
        kept = await t.walk("search_all", [], on_invalid="keep")
        assert [invalid.record.id for invalid in kept.invalid_items] == ["odd"]
        skipped = await t.walk("search_all", seen, on_invalid="skip")
        assert (len(seen), skipped.invalid_items) == (4, [])


@BOTH
async def test_defect_9_a_walk_with_the_wrong_type_ends_soon(is_async):
    async with talk(is_async, records(*[ODD] * 150, token="t"), records(RECORD)) as t:
        with pytest.raises(InvalidAgentDataError, match="and 147 more"):
            await t.walk("search_all", [])
    assert len(t.server.received) == 1


@BOTH
async def test_defect_10_pages_projects_and_all_operators(is_async):
    async with talk(is_async, records(RECORD, token="t"), records(RECORD)) as t:
        seen: list[Any] = []
        await t.walk(
            "search_all", seen, filter={"name": {"ne": "x"}, "tags": {"excludes": ["a"]}}, project_id="one", page_size=1
        )
        assert [body.get("page_token") for body in t.bodies] == [None, "t"]
        assert {request.headers["project-id"] for request in t.server.received} == {"one"}
    assert len(seen) == 2


def test_defect_10_there_is_a_blocking_client_and_both_close():
    asynchronous = {name for name in vars(AsyncAgentDataClient) if not name.startswith("_")}
    assert asynchronous == {name for name in vars(AgentDataClient) if not name.startswith("_")}
    assert {"close", "delete", "aggregate", "search_all", "create_items"} <= asynchronous
    assert hasattr(AgentDataClient, "__enter__")
    assert hasattr(AsyncAgentDataClient, "__aenter__")


@BOTH
async def test_defect_11_a_forgotten_filter_deletes_nothing(is_async):
    async with talk(is_async, answer(200, b'{"deleted_count": 2}')) as t:
        with pytest.raises(TypeError, match="filter"):
            await t.call("delete")
        assert t.server.received == []
        assert await t.call("delete", {}) == 2


def test_defect_12_the_original_does_not_follow_the_data():
    item = ExtractedData.create(ADA.model_copy())
    item.data.age = 37
    assert (item.original_data.age, item.data.age) == (36, 37)
    same = Person(name="Eve", age=1)
    loaded = ExtractedData[Person](original_data=same, data=same, status="accepted")
    loaded.data.age = 2
    assert loaded.original_data.age == 1
    nested = ExtractedData.create({"a": {"b": 1}})
    nested.data["a"]["b"] = 2
    assert nested.original_data == {"a": {"b": 1}}


def test_defect_12_the_overall_confidence_follows_the_fields():
    item = ExtractedData.create(ADA, field_metadata={"name": {"confidence": 0.9}, "age": {"confidence": 0.5}})
    assert item.overall_confidence == 0.7
    item.field_metadata["age"].confidence = 0.7  # type: ignore[union-attr]
    assert item.overall_confidence == pytest.approx(0.8)
    assert item.model_dump(mode="json")["overall_confidence"] == pytest.approx(0.8)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, 97, float("nan")])
def test_defect_12_confidences_outside_0_to_1_are_refused(confidence):
    for name in ("confidence", "extraction_confidence", "parsing_confidence"):
        with pytest.raises(ValueError, match=name):
            parse_extracted_field_metadata({"name": {"confidence": 0.5, name: confidence}})
    leaf = ExtractedFieldMetadata(confidence=1)
    with pytest.raises(ValidationError):
        leaf.confidence = confidence
    item = ExtractedData.create(ADA)
    with pytest.raises(ValueError, match="0"):
        item.overall_confidence = confidence
    with pytest.raises(ValidationError):
        ExtractedData[Person](original_data=ADA, data=ADA, status="accepted", overall_confidence=confidence)


def test_defect_13_a_node_with_only_a_parsing_confidence_is_a_leaf():
    parsed = parse_extracted_field_metadata({"name": {"parsing_confidence": 0.5}})
    assert parsed == {"name": ExtractedFieldMetadata(parsing_confidence=0.5)}


def test_defect_13_plain_values_where_leaves_should_be_are_passed_over():
    leaf = {"confidence": 0.5}
    parsed = parse_extracted_field_metadata({"pages": 3, "none": None, "a": {"b": leaf, "c": "x"}, "l": [1, leaf]})
    typed = ExtractedFieldMetadata(confidence=0.5)
    assert parsed == {"a": {"b": typed}, "l": [{}, typed]}
    assert parse_extracted_field_metadata(parsed) == parsed


@BOTH
@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"{}", b"[]", b'{"id": "x", "deployment_name": "d", "data": null}'], ids=repr
)
async def test_defect_15_an_answer_that_is_no_record_is_an_error(is_async, body):
    async with talk(is_async, answer(200, body), answer(200, body)) as t:
        for call in ("get_item", "untyped_get_item"):
            with pytest.raises(ValidationError):
                await t.call(call, "0f0c")


@BOTH
async def test_defect_15_filters_take_python_values(is_async):
    async with talk(is_async, records()) as t:
        await t.call(
            "search",
            {
                "created_at": {"gte": datetime(2024, 1, 2, tzinfo=UTC), "lt": date(2024, 2, 1)},
                "key": {"includes": (UUID(int=1), Decimal("1.10"))},
            },
        )
    assert t.bodies[0]["filter"] == {
        "created_at": {"gte": "2024-01-02T00:00:00Z", "lt": "2024-02-01"},
        "key": {"includes": ["00000000-0000-0000-0000-000000000001", "1.10"]},
    }
