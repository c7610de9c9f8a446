"""Filters, orders, pages, groups and deletes by query with llama-cloud 2, with and without await.

Runs in that package's environment. Every check is done by both clients.
"""

import inspect
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from uuid import uuid4

import httpx
from checklist import check, main
from edge_cases import RECORDS, SELECTIVE_FILTERS, TABLE, equal, exactly, letter_of, letters
from llama_cloud import (
    APIStatusError,
    AsyncLlamaCloud,
    ConflictError,
    LlamaCloud,
    NotFoundError,
    UnprocessableEntityError,
)


class Collection:
    """The calls of one client on a collection of its own; what the client returns is awaited where it must be."""

    def __init__(self, cloud, **scope):
        self.data = cloud.beta.agent_data
        self.scope = {"deployment_name": "_public", "collection": f"c-{uuid4()}", **scope}

    async def create(self, data, **options):
        return await done(self.data.create(data=data, **self.scope, **options))

    async def search(self, **arguments):
        return await done(self.data.search(**self.scope, **arguments))

    async def aggregate(self, **arguments):
        return await done(self.data.aggregate(**self.scope, **arguments))

    async def delete(self, **arguments):
        return (await done(self.data.delete_by_query(**self.scope, **arguments))).deleted_count

    async def remove(self, record_id, **options):
        return await done(self.data.delete(record_id, **options))

    async def found(self, **arguments):
        return letters([item.data for item in (await self.search(**arguments)).items])


async def done(answer):
    return await answer if inspect.isawaitable(answer) else answer


async def everything(listing):
    """Return all that a listing of either client iterates over."""
    return [item async for item in listing] if hasattr(listing, "__aiter__") else list(listing)


def both(target, **options):
    """Yield a collection by the client with await, then one by the client without."""
    for kind in (AsyncLlamaCloud, LlamaCloud):
        yield Collection(kind(base_url=target.base_url, api_key="any", **options))


async def fill(here):
    for payload in RECORDS.values():
        await here.create(payload)


async def fill_with_numbers(here, count):
    for n in range(count):
        await here.create({"n": n, "parity": n % 2})


async def expect_error(kind, call, note=""):
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(f"{note}: expected {kind.__name__}, but the call succeeded")


async def expect_refusal(call, note):
    error = await expect_error(UnprocessableEntityError, call, note)
    assert error.body["detail"][0]["loc"], note
    assert error.body["detail"][0]["msg"], note


async def check_filters(target, section):
    for here in both(target):
        await fill(here)
        for condition, expected in TABLE["filters"][section]:
            equal(await here.found(filter=condition), expected, condition)
            total = await here.search(filter=condition, page_size=0, include_total=True)
            equal((total.items, total.total_size, total.next_page_token), ([], len(expected), None), condition)


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
    for here in both(target):
        second = [await here.create(payload) for payload in RECORDS.values()][1]
        equal(await here.found(filter={"created_at": {"gte": second.created_at}}), "DCB")
        equal(await here.found(filter={"created_at": {"gt": second.created_at}}), "DC")
        equal(await here.found(filter={"created_at": {"eq": second.created_at}}), "B")
        naive = second.created_at.astimezone(UTC).replace(tzinfo=None)
        equal(await here.found(filter={"created_at": {"lt": naive}}), "A")
        equal(await here.found(filter={"updated_at": {"gte": datetime.combine(date(2024, 1, 1), time())}}), "DCBA")


@check
async def filters_reach_into_objects(target):
    await check_filters(target, "paths")


@check
async def a_bad_filter_is_422_everywhere(target):
    for here in both(target):
        await fill(here)
        for condition in TABLE["refused_filters"]:
            await expect_refusal(here.search(filter=condition), condition)
            await expect_refusal(here.aggregate(filter=condition, count=True), condition)
            await expect_refusal(here.delete(filter=condition), condition)
        equal(await here.found(), "DCBA")


@check
async def search_orders_by_fields_and_timestamps(target):
    for here in both(target):
        await fill(here)
        equal(await here.found(), "DCBA")
        for order, expected in TABLE["orders"]:
            equal(await here.found(order_by=order), expected, order)


@check
async def a_bad_order_is_422(target):
    for here in both(target):
        await fill(here)
        for order in TABLE["refused_orders"]:
            await expect_refusal(here.search(order_by=order), order)


@check
async def offsets_walk_every_page(target):
    for here in both(target):
        await fill_with_numbers(here, 7)
        seen = []
        for offset in range(0, 7, 3):
            page = await here.search(order_by="data.n", page_size=3, offset=offset, include_total=True)
            seen += [item.data["n"] for item in page.items]
            equal((page.total_size, page.has_next_page()), (7, offset < 6), offset)
        equal(seen, list(range(7)))


@check
async def tokens_walk_every_page(target):
    for here in both(target):
        await fill_with_numbers(here, 7)
        for order, expected in (("data.n", [1, 2, 3, 4, 5, 6]), ("data.n desc", [5, 4, 3, 2, 1, 0])):
            # The client repeats the offset beside the token.
            listing = here.data.search(order_by=order, page_size=2, offset=1, include_total=True, **here.scope)
            equal([item.data["n"] for item in await everything(listing)], expected, order)
        first = await here.search(order_by="parity, created_at", page_size=4)
        pages = [[item.data["n"] for item in page.items] for page in await everything(first.iter_pages())]
        equal(pages, [[0, 2, 4, 6], [1, 3, 5]])
        second = await done(first.get_next_page())
        equal(([item.data["n"] for item in second.items], second.has_next_page()), ([1, 3, 5], False))


@check
async def a_token_goes_on_where_its_page_ended(target):
    for here in both(target):
        made = [await here.create({"n": n}) for n in (10, 20, 30, 40)]
        first = await here.search(order_by="n", page_size=2)
        await here.create({"n": 5})
        await here.create({"n": 35})
        await here.remove(made[1].id)
        rest = await here.search(order_by="n", page_token=first.next_page_token, page_size=10)
        equal(([item.data["n"] for item in rest.items], rest.next_page_token), ([30, 35, 40], None))


@check
async def a_token_of_another_search_is_422(target):
    for here in both(target):
        await fill(here)
        token = (await here.search(order_by="v", page_size=1)).next_page_token
        others = (
            {"order_by": "v desc"},
            {"order_by": "v", "filter": {"v": {"ne": None}}},
            {"order_by": "v", "project_id": "another"},
            {},
        )
        for other in others:
            await expect_refusal(here.search(page_token=token, **other), other)
        await expect_refusal(here.search(order_by="v", page_token="garbage"), "garbage")
        await expect_refusal(here.aggregate(group_by=["v"], page_token=token), "aggregate")


@check
async def pages_at_the_limits(target):
    for here in both(target):
        await fill(here)
        whole = await here.search(page_size=4)
        equal((len(whole.items), whole.next_page_token), (4, None))
        beyond = await here.search(offset=4000, include_total=True)
        equal((beyond.items, beyond.next_page_token, beyond.total_size), ([], None, 4))
        counted = await here.search(page_size=0, include_total=True)
        equal((counted.items, counted.next_page_token, counted.total_size), ([], None, 4))
        equal(len((await here.search(page_size=100_000)).items), 4)
        for wrong in ({"page_size": -1}, {"offset": -1}, {"page_size": "many"}):
            await expect_refusal(here.search(**wrong), wrong)


@check
async def a_page_has_fifty_records_unless_told(target):
    for here in both(target):
        await fill_with_numbers(here, 51)
        page = await here.search()
        equal(([item.data["n"] for item in page.items], page.total_size), (list(range(50, 0, -1)), None))
        equal(len(await everything(here.data.search(**here.scope))), 51)


@check
async def groups_count_and_first(target):
    for here in both(target):
        await fill(here)
        for arguments, expected in TABLE["groups"]:
            page = await here.aggregate(**arguments)
            groups = [[group.group_key, group.count, letter_of(group.first_item)] for group in page.items]
            equal(exactly(groups), exactly(expected), arguments)
            equal(page.next_page_token, None, arguments)


@check
async def groups_by_offset(target):
    for here in both(target):
        await fill_with_numbers(here, 5)
        page = await here.aggregate(group_by=["n"], page_size=2, offset=3)
        equal(([group.group_key["n"] for group in page.items], page.next_page_token), ([3, 4], None))


@check
async def tokens_walk_every_group(target):
    for here in both(target):
        await fill_with_numbers(here, 7)
        arguments = {"group_by": ["n", "parity"], "count": True, "page_size": 2}
        listing = here.data.aggregate(**arguments, **here.scope)
        equal([group.group_key["n"] for group in await everything(listing)], list(range(7)))
        listing = here.data.aggregate(**arguments, order_by="parity desc, n desc", offset=1, **here.scope)
        equal([group.group_key["n"] for group in await everything(listing)], [3, 1, 6, 4, 2, 0])


@check
async def a_bad_group_is_422(target):
    for here in both(target):
        await fill(here)
        for arguments in TABLE["refused_groups"]:
            await expect_refusal(here.aggregate(**arguments), arguments)


@check
async def delete_by_query_removes_what_search_finds(target):
    for condition, expected in SELECTIVE_FILTERS:
        for here in both(target):
            await fill(here)
            equal(await here.delete(filter=condition), len(expected), condition)
            equal(await here.found(), "".join(letter for letter in "DCBA" if letter not in expected), condition)
            equal(await here.delete(filter=condition), 0, condition)


@check
async def delete_by_query_without_a_filter_empties_one_collection(target):
    for here, other in zip(both(target), both(target), strict=True):
        await fill(here)
        await fill(other)
        equal(await here.delete(project_id="elsewhere"), 0)
        equal(await here.delete(), 4)
        equal(await here.found(), "")
        equal(await other.found(), "DCBA")
        equal(await other.delete(filter=None), 4)


@check
async def delete_by_query_refuses_a_misspelt_filter(target):
    for here in both(target):
        await fill(here)
        await expect_refusal(here.delete(extra_body={"filters": {"v": {"eq": 1}}}), "filters")
        equal(await here.found(), "DCBA")


@check
async def every_call_takes_a_project(target):
    for here in both(target):
        project = {"project_id": f"p-{uuid4()}"}
        created = await here.create({"n": 1}, **project)
        equal((await done(here.data.get(created.id, **project))).data, {"n": 1})
        equal((await done(here.data.update(created.id, data={"n": 2}, **project))).data, {"n": 2})
        equal(len((await here.search(**project)).items), 1)
        equal((await here.aggregate(count=True, **project)).items[0].count, 1)
        equal((await here.aggregate(count=True)).items[0].count, 0)
        equal(await here.delete(), 0)
        await expect_error(NotFoundError, here.remove(created.id))
        await here.remove(created.id, **project)
        equal(await here.delete(**project), 0)


@asynccontextmanager
async def counting(target):
    """Give collections of both clients, and the list of the attempts that they have sent."""
    attempts = []

    def note(request):
        attempts.append(request.headers["x-stainless-retry-count"])

    async def note_later(request):
        note(request)

    options = {"base_url": target.base_url, "api_key": "any"}
    async with httpx.AsyncClient(event_hooks={"request": [note_later]}) as later:
        with httpx.Client(event_hooks={"request": [note]}) as now:
            clouds = (AsyncLlamaCloud(http_client=later, **options), LlamaCloud(http_client=now, **options))
            yield [Collection(cloud) for cloud in clouds], attempts


@check
async def a_conflict_is_sent_once(target):
    async with counting(target) as (collections, attempts):
        for here in collections:
            key = {"extra_headers": {"Idempotency-Key": str(uuid4())}}
            created = await here.create({"n": 1}, **key)
            equal((await here.create({"n": 1}, **key)).id, created.id)
            attempts.clear()
            error = await expect_error(ConflictError, here.create({"n": 2}, **key))
            equal((attempts, error.response.headers["x-should-retry"]), (["0"], "false"))
            equal((await here.search(include_total=True)).total_size, 1)


@check
async def a_bad_query_is_sent_once(target):
    async with counting(target) as (collections, attempts):
        for here in collections:
            attempts.clear()
            await expect_error(APIStatusError, here.search(filter={"v": {"near": 1}}))
            await expect_error(APIStatusError, here.aggregate(group_by=["created_at"]))
            await expect_error(APIStatusError, here.delete(filter={"v": 1}))
            equal(attempts, ["0", "0", "0"])


@check
async def raw_answers_are_json(target):
    for here in both(target):
        created = await done(here.data.with_raw_response.create(data={"n": 1}, **here.scope))
        equal((created.status_code, created.headers["content-type"]), (200, "application/json"))
        record = await done(created.parse())
        equal(record.data, {"n": 1})
        equal((await done(here.data.with_raw_response.get(record.id))).status_code, 200)


if __name__ == "__main__":
    main()
