"""Iterators over pages: each item once, as few requests as need be, also while the list changes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.wire.arguments import ArgumentError
from tests.unit.both_clients import Recorder, connect, events_of

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])


class Listing:
    """A server with a list of memories that a test may change; keeps the queries."""

    def __init__(self, count: int, **meta: Any) -> None:
        self.rows = [{"memory_id": str(n), "memory": "x"} for n in range(count)]
        self.asked: list[dict[str, str]] = []
        self.removed_at: dict[int, set[int]] = {}
        self._meta = meta

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(dict(request.url.params))
        for gone in self.removed_at.get(len(self.asked), ()):
            self.remove(str(gone))
        page, limit = int(request.url.params["page"]), int(request.url.params["limit"])
        rows = self.rows[(page - 1) * limit : page * limit]
        total = len(self.rows)
        meta = {"page": page, "limit": limit, "total_count": total, "total_pages": -(-total // limit)}
        return httpx.Response(200, json={"data": rows, "meta": {**meta, **self._meta}})

    def remove(self, memory_id: str) -> None:
        self.rows = [row for row in self.rows if row["memory_id"] != memory_id]


def ids(memories: list[Any]) -> list[int]:
    return [int(memory.memory_id) for memory in memories]


@BOTH
@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
async def test_all_items_come_once_and_in_order(kind, count, requests):
    server = Listing(count)
    memories = await events_of(connect(kind, server).iter_memories(page_size=2, user_id="u", topics=["a", "b"]))
    assert ids(memories) == list(range(count))
    assert [asked["page"] for asked in server.asked] == [str(n + 1) for n in range(requests)]
    assert {asked["limit"] for asked in server.asked} == {"2"}
    assert {asked["user_id"] for asked in server.asked} == {"u"}


@BOTH
async def test_a_list_whose_total_is_not_known_goes_on_to_its_end(kind):
    server = Listing(5, total_count=3, total_pages=2, total_is_lower_bound=True)
    assert ids(await events_of(connect(kind, server).iter_memories(page_size=2))) == list(range(5))
    without = Listing(4, total_count=0, total_pages=0)
    assert ids(await events_of(connect(kind, without).iter_memories(page_size=2))) == list(range(4))
    assert len(without.asked) == 3


def test_pages_are_asked_for_as_they_are_needed():
    server = Listing(10)
    memories = connect(SyncAgentOSClient, server).iter_memories(page_size=2)
    assert server.asked == []
    assert ids([next(memories), next(memories)]) == [0, 1]
    assert len(server.asked) == 1
    next(memories)
    memories.close()
    assert len(server.asked) == 2


@BOTH
async def test_a_page_size_that_is_none_is_refused_before_anything_is_asked(kind):
    server = Listing(1)
    with pytest.raises(ArgumentError, match="page_size must be at least 1"):
        connect(kind, server).iter_memories(page_size=0)
    assert server.asked == []


def test_items_that_are_put_before_the_others_cost_no_repetition():
    server = Listing(6)
    found = []
    for memory in connect(SyncAgentOSClient, server).iter_memories(page_size=2):
        found.append(int(memory.memory_id))
        server.rows.insert(0, {"memory_id": str(100 + len(server.rows)), "memory": "new"})
        if len(server.rows) > 20:
            break
    assert found[:2] == [0, 1]
    assert len(set(found)) == len(found)


def test_items_that_are_deleted_as_they_come_cost_no_other():
    server = Listing(7)
    found = []
    for memory in connect(SyncAgentOSClient, server).iter_memories(page_size=2):
        server.remove(memory.memory_id)
        found.append(int(memory.memory_id))
    assert found == list(range(7))
    assert server.rows == []


REMOVED = st.dictionaries(st.integers(0, 29), st.sets(st.integers(0, 29)), max_size=8)


@given(count=st.integers(0, 30), page_size=st.integers(1, 7), by_item=REMOVED, by_request=REMOVED)
def test_what_stays_comes_whatever_is_removed_meanwhile(count, page_size, by_item, by_request):
    server = Listing(count)
    server.removed_at = by_request
    found = []
    for memory in connect(SyncAgentOSClient, server).iter_memories(page_size=page_size):
        found.append(int(memory.memory_id))
        for gone in by_item.get(len(found), ()):
            server.remove(str(gone))
    assert len(set(found)) == len(found)
    assert {int(row["memory_id"]) for row in server.rows} <= set(found)


def test_constant_deletes_do_not_keep_an_iterator_from_its_end():
    server = Listing(500)
    server.removed_at = {request: {500 - request} for request in range(500)}
    found = ids(list(connect(SyncAgentOSClient, server).iter_memories(page_size=10)))
    assert found == list(range(len(found)))
    assert len(found) >= 10
    assert len(server.asked) < 500


@BOTH
async def test_every_list_has_an_iterator(kind):
    items = [
        ("iter_sessions", {"session_id": "s"}),
        ("iter_memories", {"memory_id": "m", "memory": "x"}),
        ("iter_user_memory_stats", {"user_id": "u", "total_memories": 1}),
        ("iter_eval_runs", {"id": "e", "eval_type": "accuracy", "eval_data": {}}),
    ]
    for name, item in items:
        client = connect(kind, Recorder(httpx.Response(200, json={"data": [item, item]})))
        assert len(await events_of(getattr(client, name)(headers={"x-a": "b"}))) == 1
