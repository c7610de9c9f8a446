"""The Agent Data clients against the server and a real database."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel

from serai.agent_data import AgentDataClient, AsyncAgentDataClient, ExtractedData, InvalidAgentDataError
from serai.storage.connection import connect
from tests.hosting import RecordsRuntime, make_os, serving

pytestmark = pytest.mark.one_postgres


class Person(BaseModel):
    name: str
    age: int
    salary: Decimal = Decimal("0.10")


ADA = Person(name="Ada", age=36)


@pytest.fixture
async def url(shared_url: str) -> AsyncIterator[str]:
    async with serving(make_os(RecordsRuntime(shared_url)).app) as url:
        yield url


@pytest.fixture
async def people(url: str) -> AsyncIterator[AsyncAgentDataClient[Person]]:
    async with AsyncAgentDataClient(Person, "people", base_url=url, project_id=str(uuid4())) as client:
        yield client


@pytest.fixture
async def odd(people: AsyncAgentDataClient[Person], url: str) -> str:
    """A record of the same collection that is no person; its id."""

    class Thing(BaseModel):
        weight: int

    async with AsyncAgentDataClient(Thing, "people", base_url=url, project_id=people.project_id) as things:
        return (await things.create_item(Thing(weight=1))).id


async def test_many_records_are_created_in_order_and_walked(people):
    created = await people.create_items(
        [Person(name=f"p{n}", age=n % 7) for n in range(2300)], ids=["first"] + [None] * 2299
    )
    assert [item.data.name for item in created] == [f"p{n}" for n in range(2300)]
    assert created[0].id == "first"
    walked = [item.id async for item in people.search_all(order_by="created_at", page_size=1000)]
    assert walked == [item.id for item in created]
    exported = [item.id async for item in people.export_items(order_by="created_at")]
    assert exported == walked


async def test_groups_are_counted_and_walked(people):
    await people.create_items([Person(name=f"p{n}", age=n % 7) for n in range(21)])
    groups = [group async for group in people.aggregate_all(group_by=["age"], count=True, first=True, page_size=2)]
    assert [(group.group_key, group.count, group.first_item.name) for group in groups] == [
        ({"age": n}, 3, f"p{n}") for n in range(7)
    ]
    page = await people.aggregate(group_by=["age"], count=True, order_by="age desc", page_size=2, include_total=True)
    assert ([group.group_key["age"] for group in page.items], page.has_more, page.total) == ([6, 5], True, 7)
    assert (await people.untyped_aggregate(count=True)).items[0].count == 21


async def test_a_filter_deletes_what_it_finds(people):
    await people.create_items([Person(name=f"p{n}", age=n) for n in range(10)])
    assert await people.delete({"age": {"gte": 4}}) == 6
    assert (await people.search(include_total=True, page_size=0)).total == 4
    assert await people.delete({}) == 4


async def test_an_id_that_is_taken_is_a_conflict(people):
    await people.create_item(ADA, id="mine")
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await people.create_item(ADA, id="mine")
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        await people.create_item(ADA, id="no good id")


async def test_a_batch_with_a_taken_id_stores_nothing(people):
    await people.create_item(ADA, id="mine")
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await people.create_items([ADA, ADA], ids=["other", "mine"])
    assert (await people.search(include_total=True)).total == 1


async def test_no_update_is_lost_when_each_depends_on_what_it_read(people):
    counter = await people.create_item(Person(name="counter", age=0))

    async def add_one() -> None:
        while True:
            found = (await people.search({"name": {"eq": "counter"}})).items[0]
            found.data.age += 1
            try:
                await people.update_item(found.id, found.data, if_match=found.etag)
            except httpx.HTTPStatusError as error:
                if error.response.status_code != 412:
                    raise
            else:
                return

    await asyncio.gather(*(add_one() for _ in range(8)))
    assert (await people.get_item(counter.id)).data.age == 8


async def test_a_delete_that_depends_on_an_older_state_deletes_nothing(people):
    first = await people.create_item(ADA)
    second = await people.update_item(first.id, ADA)
    with pytest.raises(httpx.HTTPStatusError, match="412"):
        await people.delete_item(first.id, if_match=first.etag)
    await people.delete_item(first.id, if_match=second.etag)


async def test_a_record_of_another_type_fails_alone(people, odd):
    await people.create_item(ADA)
    page = await people.search()
    assert ([item.data for item in page.items], [item.record.id for item in page.invalid_items]) == ([ADA], [odd])
    with pytest.raises(InvalidAgentDataError, match=odd):
        _ = [item async for item in people.export_items()]


async def test_an_export_is_lines_of_records_or_a_table(people):
    created = await people.create_item(ADA)
    lines = b"".join([piece async for piece in people.export()]).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [created.id]
    table = b"".join([piece async for piece in people.export({"age": {"eq": 36}}, format="csv", fields=["name"])])
    assert table.splitlines()[0] == b"id,created_at,updated_at,name"
    assert table.splitlines()[1].endswith(b",Ada")
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        _ = [piece async for piece in people.export({"age": {"near": 1}})]


async def test_values_come_back_equal(people):
    exact = Person(name="\u00e9\U0001f600\u0007", age=2**62, salary=Decimal("12345678901234567890.10"))
    assert (await people.get_item((await people.create_item(exact)).id)).data == exact


async def test_extracted_data_come_back_as_they_were(url):
    async with AsyncAgentDataClient(
        ExtractedData[Person], "extracted", base_url=url, project_id=str(uuid4())
    ) as extracted:
        item: Any = ExtractedData[Person].create(ADA.model_copy(), field_metadata={"name": {"confidence": 0.5}})
        item.data.age = 37
        created = await extracted.create_item(item)
        assert (await extracted.get_item(created.id)).data == item
        # The path finds what a payload has in its own member `data`.
        assert (await extracted.search({"data.age": {"eq": 37}})).items[0].id == created.id


async def test_the_blocking_client_does_the_same(url):
    def work() -> list[Any]:
        with AgentDataClient(Person, "people", base_url=url, project_id=str(uuid4())) as people:
            people.create_items([ADA, Person(name="Eve", age=1)])
            names = [item.data.name for item in people.search_all(order_by="age", page_size=1)]
            groups = [group.count for group in people.aggregate_all(group_by=["age"], count=True)]
            exported = len(b"".join(people.export()).splitlines())
            return [names, groups, exported, people.delete(None)]

    assert await asyncio.to_thread(work) == [["Eve", "Ada"], [1, 1], 2, 2]


async def test_the_page_on_keeping_records_does_what_it_says(url, tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "keep-records.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    monkeypatch.setenv("LLAMA_CLOUD_BASE_URL", url)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    await asyncio.to_thread(exec, compile(code, str(page), "exec", dont_inherit=True), names)
    names["client"].close()
    assert (names["total"], names["items"].invalid_items) == (0, [])
    assert (tmp_path / "invoices.csv").read_text().startswith("id,created_at,updated_at")


async def test_collections_are_listed_with_their_fields_and_indexes(people, url, shared_url):
    await people.create_items([Person(name=f"p{n}", age=n) for n in range(3)])
    async with AsyncAgentDataClient(Person, deployment_name="d2", base_url=url, project_id=people.project_id) as other:
        await other.create_item(ADA)
        assert [one.collection for one in await other.collections()] == ["default"]
        assert [one.deployment_name for one in await other.collections(all_deployments=True)] == ["_public", "d2"]
    connection = await connect(shared_url)
    await connection.execute(
        """
        insert into record_indexes (name, project_id, deployment_name, collection, kind, shape, state, uses)
        values ('i', $1, '_public', 'people', 'shape', '{"equal": ["age"]}', 'building', 2)
        """,
        people.project_id,
    )
    await connection.close()
    [found] = await people.collections()
    assert (found.deployment_name, found.collection, found.count) == ("_public", "people", 3)
    assert found.bytes > 0
    assert {field.path: field.types for field in found.fields} == {
        "age": ["number"],
        "name": ["string"],
        "salary": ["string"],
    }
    [index] = found.indexes
    assert (index.name, index.kind, index.fields, index.shape) == ("i", "shape", ["age"], {"equal": ["age"]})
    assert (index.state, index.uses, index.bytes, index.built_at) == ("building", 2, None, None)
    assert index.created_at.tzinfo is not None
