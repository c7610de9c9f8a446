"""Filters, orders, pages, groups and deletes by query with ``AsyncAgentDataClient`` of llama-cloud-services.

Runs in that package's environment.
"""

import warnings
from datetime import date, datetime, time
from uuid import uuid4

warnings.filterwarnings("ignore")

from checklist import check, main  # noqa: E402
from edge_cases import RECORDS, SELECTIVE_FILTERS, TABLE, equal, exactly, letter_of, letters  # noqa: E402
from llama_cloud.client import AsyncLlamaCloud  # noqa: E402
from llama_cloud.core.api_error import ApiError  # noqa: E402
from llama_cloud.errors import UnprocessableEntityError  # noqa: E402
from llama_cloud_services.beta.agent_data import AsyncAgentDataClient  # noqa: E402
from pydantic import BaseModel, ConfigDict  # noqa: E402


class Payload(BaseModel):
    model_config = ConfigDict(extra="allow")


class Numbered(BaseModel):
    n: int
    parity: str = ""


def client_of(target, kind=Payload, collection=None, **options):
    """Return a client of a collection of its own."""
    cloud = AsyncLlamaCloud(base_url=target.base_url, token="any")
    return AsyncAgentDataClient(type=kind, collection=collection or f"c-{uuid4()}", client=cloud, **options)


async def filled(target):
    """Return a client whose collection holds the records of the table."""
    client = client_of(target)
    for payload in RECORDS.values():
        await client.create_item(Payload(**payload))
    return client


async def numbered(target, count):
    client = client_of(target, Numbered)
    for n in range(count):
        await client.create_item(Numbered(n=n, parity="odd" if n % 2 else "even"))
    return client


async def found(client, **arguments):
    return letters([item.data.model_dump() for item in (await client.search(**arguments)).items])


async def expect_refusal(call, note):
    try:
        await call
    except ApiError as error:
        refusal = error
    else:
        raise AssertionError(f"{note}: expected 422, but the call succeeded")
    assert isinstance(refusal, UnprocessableEntityError), f"{note}: {refusal!r}"
    assert refusal.body.detail[0].loc, note
    assert refusal.body.detail[0].msg, note


async def check_filters(target, section):
    client = await filled(target)
    for condition, expected in TABLE["filters"][section]:
        equal(await found(client, filter=condition), expected, condition)
        total = await client.search(filter=condition, page_size=0, include_total=True)
        equal((total.items, total.total, total.has_more), ([], len(expected), False), condition)


@check
async def filters_eq_and_ne(target):
    await check_filters(target, "eq_and_ne")


@check
async def filters_gt_gte_lt_lte(target):
    await check_filters(target, "gt_gte_lt_lte")


@check
async def filters_includes_and_excludes(target):
    await check_filters(target, "includes_and_excludes")


@check
async def filters_by_timestamps(target):
    await check_filters(target, "timestamps")


@check
async def filters_by_instants_of_the_language(target):
    client = client_of(target)
    second = [await client.create_item(Payload(**payload)) for payload in RECORDS.values()][1]
    equal(await found(client, filter={"created_at": {"gte": second.created_at}}), "DCB")
    equal(await found(client, filter={"created_at": {"gt": second.created_at}}), "DC")
    equal(await found(client, filter={"created_at": {"eq": second.created_at}}), "B")
    equal(await found(client, filter={"created_at": {"lt": second.created_at.replace(tzinfo=None)}}), "A")
    equal(await found(client, filter={"updated_at": {"gte": datetime.combine(date(2024, 1, 1), time())}}), "DCBA")


@check
async def filters_reach_into_objects(target):
    await check_filters(target, "paths")


@check
async def a_bad_filter_is_422_everywhere(target):
    client = await filled(target)
    for condition in TABLE["refused_filters"]:
        await expect_refusal(client.search(filter=condition), condition)
        await expect_refusal(client.aggregate(filter=condition, count=True), condition)
        await expect_refusal(client.delete(filter=condition), condition)
    equal(await found(client), "DCBA")


@check
async def search_orders_by_fields_and_timestamps(target):
    client = await filled(target)
    equal(await found(client), "DCBA")
    for order, expected in TABLE["orders"]:
        equal(await found(client, order_by=order), expected, order)


@check
async def a_bad_order_is_422(target):
    client = await filled(target)
    for order in TABLE["refused_orders"]:
        await expect_refusal(client.search(order_by=order), order)


@check
async def offsets_walk_every_page(target):
    client, seen = await numbered(target, 7), []
    for offset in range(0, 7, 3):
        page = await client.search(order_by="data.n", page_size=3, offset=offset, include_total=True)
        seen += [item.data.n for item in page.items]
        equal((page.total, page.has_more), (7, offset < 6), offset)
    equal(seen, list(range(7)))


@check
async def pages_at_the_limits(target):
    client = await filled(target)
    whole = await client.search(page_size=4)
    equal((len(whole.items), whole.has_more), (4, False))
    beyond = await client.search(offset=4000, include_total=True)
    equal((beyond.items, beyond.has_more, beyond.total), ([], False, 4))
    counted = await client.search(page_size=0, include_total=True)
    equal((counted.items, counted.has_more, counted.total), ([], False, 4))
    equal(len((await client.search(page_size=100_000)).items), 4)
    for wrong in ({"page_size": -1}, {"offset": -1}):
        await expect_refusal(client.search(**wrong), wrong)


@check
async def a_page_has_fifty_records_unless_told(target):
    client = await numbered(target, 51)
    page = await client.search()
    equal(([item.data.n for item in page.items], page.has_more, page.total), (list(range(50, 0, -1)), True, None))


@check
async def groups_count_and_first(target):
    client = await filled(target)
    for arguments, expected in TABLE["groups"]:
        page = await client.aggregate(**arguments)
        groups = [
            [group.group_key, group.count, letter_of(group.first_item and group.first_item.model_dump())]
            for group in page.items
        ]
        equal(exactly(groups), exactly(expected), arguments)
        equal(page.has_more, False, arguments)


@check
async def groups_of_a_typed_model(target):
    client = await numbered(target, 5)
    page = await client.aggregate(group_by=["parity"], count=True, first=True, order_by="data.parity desc")
    equal([(group.group_key, group.count) for group in page.items], [({"parity": "odd"}, 2), ({"parity": "even"}, 3)])
    equal([group.first_item for group in page.items], [Numbered(n=1, parity="odd"), Numbered(n=0, parity="even")])


@check
async def groups_by_offset(target):
    client, seen = await numbered(target, 5), []
    for offset in range(0, 5, 2):
        page = await client.aggregate(group_by=["n"], page_size=2, offset=offset)
        seen += [group.group_key["n"] for group in page.items]
        equal(page.has_more, offset < 4, offset)
    equal(seen, list(range(5)))


@check
async def a_bad_group_is_422(target):
    client = await filled(target)
    for arguments in TABLE["refused_groups"]:
        await expect_refusal(client.aggregate(**arguments), arguments)


@check
async def delete_by_query_removes_what_search_finds(target):
    for condition, expected in SELECTIVE_FILTERS:
        client = await filled(target)
        equal(await client.delete(filter=condition), len(expected), condition)
        equal(await found(client), "".join(letter for letter in "DCBA" if letter not in expected), condition)
        equal(await client.delete(filter=condition), 0, condition)


@check
async def delete_by_query_without_a_filter_empties_one_collection(target):
    client, other = await filled(target), await filled(target)
    elsewhere = client_of(target, collection=client.collection, deployment_name="elsewhere")
    await elsewhere.create_item(Payload(v=1))
    equal(await client.delete(), 4)
    equal(await found(client), "")
    equal(await found(other), "DCBA")
    equal(len((await elsewhere.search()).items), 1)
    equal(await other.delete(filter={}), 4)


@check
async def untyped_calls_give_the_records_as_stored(target):
    client = await filled(target)
    page = await client.untyped_search(filter={"v": {"ne": None}}, page_size=1, include_total=True)
    equal((letters([item.data for item in page.items]), page.total_size), ("B", 2))
    assert page.next_page_token, page
    equal((await client.untyped_get_item(page.items[0].id)).data, RECORDS["B"])
    groups = await client.untyped_aggregate(group_by=["w"], count=True, first=True)
    equal([(group.group_key, group.count) for group in groups.items], [({"w": True}, 1), ({"w": None}, 3)])
    equal([group.first_item for group in groups.items], [RECORDS["D"], RECORDS["A"]])
    equal(groups.next_page_token, None)


@check
async def an_update_moves_no_record_in_time(target):
    client = await numbered(target, 3)
    first, *_ = (await client.search(order_by="data.n")).items
    await client.update_item(first.id, Numbered(n=10))
    equal([item.data.n for item in (await client.search(order_by="data.n")).items], [1, 2, 10])
    equal([item.data.n for item in (await client.search(order_by="updated_at desc")).items], [10, 2, 1])
    equal([item.data.n for item in (await client.search()).items], [2, 1, 10])
    groups = await client.aggregate(first=True, count=True)
    equal((groups.items[0].count, groups.items[0].first_item.n), (3, 10))


if __name__ == "__main__":
    main()
