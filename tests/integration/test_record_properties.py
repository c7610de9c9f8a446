"""Random records and questions: the server answers as the model of the protocol does, in at least 2,000 cases.

On one PostgreSQL: `test_record_edge_cases.py` asks every version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from itertools import groupby
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.hosting import RecordsRuntime, http_client, make_os, serving
from tests.oracle.groups import Group
from tests.oracle.mirror import Mirror
from tests.oracle.payloads import histories, payloads
from tests.oracle.questions import BROKEN_FILTERS, BROKEN_ORDERS, PAGES, Known, filters, groupings, orders
from tests.oracle.record import Record
from tests.oracle.values import identity, is_kept

pytestmark = pytest.mark.one_postgres

BASE = "/api/v1/beta/agent-data"


PROPERTIES = 6


def ask(*, collections: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a property on a number of random collections."""
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    # Making a failure smaller takes minutes; what was drawn is printed anyway.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=collections, phases=phases, deadline=None, suppress_health_check=quiet)


@pytest.fixture(scope="module")
def asked(shared_url: str) -> Counter[str]:
    """How many questions each property has asked."""
    return Counter()


@pytest.fixture
async def api(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(make_os(RecordsRuntime(shared_url)).app) as url,
        http_client(f"{url}{BASE}", headers={"Project-Id": str(uuid4())}) as client,
    ):
        yield client


@given(history=histories(largest=14), data=st.data())
@ask(collections=45)
async def test_searches_find_what_the_model_finds(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror = await mirror_of(api, history)
    for _ in range(25):
        asked["searches"] += 1
        known = Known.of(mirror.model.records)
        question = {"filter": data.draw(filters(known)), "order_by": data.draw(orders(known))}
        paging = data.draw(PAGES)
        await check_search(mirror, question, paging)


async def check_search(mirror: Mirror, question: dict[str, Any], paging: dict[str, Any]) -> None:
    whole = mirror.model.search(**question, page_size=1000).items
    page = await mirror.ask(":search", **question, **paging)
    expected = mirror.model.search(**question, **paging)
    assert_records(page["items"], expected.items)
    assert page["total_size"] == expected.total_size
    assert (page["next_page_token"] is not None) is expected.has_more
    seen = (paging.get("offset") or 0) + len(page["items"])
    while page["next_page_token"] is not None:
        # The published clients repeat the offset, which no longer counts.
        page = await mirror.ask(":search", **question, **paging, page_token=page["next_page_token"])
        assert page["items"]
        assert_records(page["items"], whole[seen : seen + paging["page_size"]])
        seen += len(page["items"])
    assert expected.has_more is False or seen == len(whole)


def assert_records(answered: Sequence[dict[str, Any]], expected: Sequence[Record]) -> None:
    assert [item["id"] for item in answered] == [record.id for record in expected]
    for item, record in zip(answered, expected, strict=True):
        assert is_kept(record.data, item["data"])
        assert (Record.of(item).created_at, Record.of(item).updated_at) == (record.created_at, record.updated_at)


@given(history=histories(largest=14), data=st.data())
@ask(collections=30)
async def test_groups_are_those_of_the_model(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror = await mirror_of(api, history)
    for _ in range(20):
        asked["aggregations"] += 1
        known = Known.of(mirror.model.records)
        question = {"filter": data.draw(filters(known)), **data.draw(groupings(known))}
        await check_aggregation(mirror, question, data.draw(PAGES))


async def check_aggregation(mirror: Mirror, question: dict[str, Any], paging: dict[str, Any]) -> None:
    answering = {name: bool(question.pop(name)) for name in ("count", "first")}
    whole = (await mirror.ask(":aggregate", **question, **answering, page_size=1000))["items"]
    groups = mirror.model.aggregate(**question, page_size=1000).items
    assert_groups(whole, groups, **answering)
    page = await mirror.ask(":aggregate", **question, **answering, **paging)
    expected = mirror.model.aggregate(**question, **paging)
    assert page["total_size"] == expected.total_size
    assert (page["next_page_token"] is not None) is expected.has_more
    seen = paging.get("offset") or 0
    assert page["items"] == whole[seen : seen + len(expected.items)]
    seen += len(page["items"])
    while page["next_page_token"] is not None:
        token = page["next_page_token"]
        page = await mirror.ask(":aggregate", **question, **answering, **paging, page_token=token)
        assert page["items"]
        assert page["items"] == whole[seen : seen + paging["page_size"]]
        seen += len(page["items"])
    assert expected.has_more is False or seen == len(whole)


def assert_groups(answered: Sequence[dict[str, Any]], groups: Sequence[Group], *, count: bool, first: bool) -> None:
    """Hold the server's groups against the model's; those of one rank may come in any order."""
    assert len(answered) == len(groups)
    rest = list(answered)
    for _, tied in groupby(groups, lambda group: group.rank):
        expected = {key_of(answer): answer for group in tied if (answer := group.answer(count=count, first=first))}
        actual = {key_of(answer): answer for answer in rest[: len(expected)]}
        rest = rest[len(expected) :]
        assert actual.keys() == expected.keys()
        assert all(is_kept(expected[key], actual[key]) for key in expected), (list(expected.values()), actual)


def key_of(answer: dict[str, Any]) -> Hashable:
    return identity(answer["group_key"])


@given(history=histories(largest=12), data=st.data())
@ask(collections=25)
async def test_delete_by_query_removes_what_the_model_removes(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror, neighbour = await mirror_of(api, history), await mirror_of(api, history)
    for _ in range(6):
        if mirror.model.records:
            asked["deletions"] += 1
            wanted = data.draw(filters(Known.of(mirror.model.records)))
            assert await mirror.ask(":delete", filter=wanted) == {"deleted_count": mirror.model.delete(filter=wanted)}
            await check_search(mirror, {}, {})
    await check_search(neighbour, {}, {})


@given(history=histories(largest=6), data=st.data())
@ask(collections=10)
async def test_questions_of_another_form_are_422_and_remove_nothing(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror = await mirror_of(api, history)
    known = Known.of(mirror.model.records)
    for _ in range(20):
        asked["refusals"] += 1
        broken = data.draw(st.sampled_from(BROKEN_FILTERS))
        wanted = dict(data.draw(st.permutations([*(data.draw(filters(known)) or {}).items(), *broken.items()])))
        for operation in (":search", ":aggregate", ":delete"):
            assert_refused(await mirror.post(operation, filter={**wanted, **broken}), "filter")
        order = data.draw(st.sampled_from(BROKEN_ORDERS)).replace("{}", (data.draw(orders(known)) or "").strip() or "a")
        for operation in (":search", ":aggregate"):
            assert_refused(await mirror.post(operation, order_by=order), "order_by")
    await check_search(mirror, {}, {})


def assert_refused(response: httpx.Response, member: str) -> None:
    assert response.status_code == 422, response.text
    issues = response.json()["detail"]
    assert issues
    assert all(issue["loc"][:2] == ["body", member] and issue["msg"] and issue["type"] for issue in issues), issues


MUTATIONS = st.lists(st.tuples(st.integers(0, 999), st.none() | payloads()), max_size=4)
"""What others do between two pages: each has a position, and a payload or none to remove what is there."""


@given(history=histories(largest=16), data=st.data())
@ask(collections=50)
async def test_what_stays_untouched_is_walked_once_and_in_order(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror = await mirror_of(api, history)
    for _ in range(3):
        asked["walks"] += 1
        known = Known.of(mirror.model.records)
        wanted = data.draw(filters(known))
        size = data.draw(st.integers(1, 3))
        if data.draw(st.booleans()):
            await walk_records(mirror, data, {"filter": wanted, "order_by": data.draw(orders(known))}, size)
        else:
            await walk_groups(mirror, data, {"filter": wanted, **data.draw(groupings(known))}, size)
        if not mirror.model.records:
            await mirror.create({})


async def walk_records(mirror: Mirror, data: st.DataObject, question: dict[str, Any], size: int) -> None:
    def find() -> Sequence[Record]:
        return mirror.model.search(**question, page_size=1000).items

    before = list(find())
    walked = []
    async for items in pages(mirror, ":search", {**question, "page_size": size}):
        walked += [item["id"] for item in items]
        await mutate(mirror, data.draw(MUTATIONS))
    untouched = [record.id for record in before if record in mirror.model.records]
    assert [record_id for record_id in walked if record_id in untouched] == untouched


async def walk_groups(mirror: Mirror, data: st.DataObject, question: dict[str, Any], size: int) -> None:
    answering = {name: bool(question.pop(name)) for name in ("count", "first")}

    def find() -> Sequence[Group]:
        return mirror.model.aggregate(**question, page_size=1000).items

    before = untouched = list(find())
    walked = []
    async for items in pages(mirror, ":aggregate", {**question, **answering, "page_size": size}):
        walked += items
        for mutation in data.draw(MUTATIONS):
            await mutate(mirror, [mutation])
            now = list(find())
            untouched = [group for group in untouched if group in now]
    stayed = {key_of(group.answer(count=False, first=False)) for group in untouched}
    assert_groups([item for item in walked if key_of(item) in stayed], untouched, **answering)
    assert all(group in before for group in untouched)


async def pages(mirror: Mirror, operation: str, question: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
    token = None
    while True:
        page = await mirror.ask(operation, **question, page_token=token)
        token = page["next_page_token"]
        assert page["items"] or token is None
        yield page["items"]
        if token is None:
            return


async def mutate(mirror: Mirror, mutations: Sequence[tuple[int, dict[str, Any] | None]]) -> None:
    for number, payload in mutations:
        count = len(mirror.model.records)
        if payload is None and count:
            await mirror.delete(number % count)
        elif payload is not None and number % 2 and count:
            await mirror.update(number % count, payload)
        elif payload is not None:
            await mirror.create(payload)


@given(history=histories(largest=6), data=st.data())
@ask(collections=8)
async def test_a_token_with_another_question_is_422(
    api: httpx.AsyncClient, asked: Counter[str], history: Any, data: st.DataObject
):
    mirror = await mirror_of(api, history)
    for number in range(3):
        await mirror.create({"new": number})
    known = Known.of(mirror.model.records)
    for _ in range(10):
        asked["tokens"] += 1
        order = data.draw(orders(known))
        searching = {"order_by": order, "page_size": 1}
        grouping = {"group_by": ["new"], "page_size": 1}
        found = await mirror.ask(":search", **searching)
        grouped = await mirror.ask(":aggregate", **grouping)
        await check_foreign(mirror, ":search", {**searching, "page_token": found["next_page_token"]}, order)
        await check_foreign(mirror, ":aggregate", {**grouping, "page_token": grouped["next_page_token"]}, None)
        crossed = {**grouping, "page_token": found["next_page_token"]}
        assert_refused(await mirror.post(":aggregate", **crossed), "page_token")
        crossed = {**searching, "page_token": grouped["next_page_token"]}
        assert_refused(await mirror.post(":search", **crossed), "page_token")


async def check_foreign(mirror: Mirror, operation: str, question: dict[str, Any], order: str | None) -> None:
    """Change one thing at a time of the question that a token belongs to."""
    assert question["page_token"]
    others: list[dict[str, Any]] = [
        {"filter": {"never": {"eq": 1}}},
        {"order_by": "count" if operation == ":aggregate" else f"never, {(order or '').strip() or 'v'}"},
        {"collection": "other"},
        {"deployment_name": "other"},
        {"page_token": question["page_token"][:-2]},
        {"page_token": "x" + question["page_token"]},
        {"page_token": "é"},
    ]
    if operation == ":aggregate":
        others.append({"group_by": ["new", "v"]})
    for other in others:
        assert_refused(await mirror.post(operation, **{**question, **other}), "page_token")
    body = {"deployment_name": "_public", "collection": mirror.name, **question}
    stranger = await mirror.api.post(f"/{operation}", json=body, headers={"Project-Id": "other"})
    assert_refused(stranger, "page_token")
    assert (await mirror.post(operation, **{**question, "page_size": 2, "offset": 3})).status_code == 200


def test_at_least_2000_questions_were_asked(asked: Counter[str]):
    if len(asked) == PROPERTIES:  # not when a single test was chosen
        assert asked.total() >= 2000, asked


async def mirror_of(api: httpx.AsyncClient, history: Any) -> Mirror:
    created, updates = history
    mirror = Mirror(api)
    for payload in created:
        await mirror.create(payload)
    for position, payload in updates:
        await mirror.update(position, payload)
    return mirror
