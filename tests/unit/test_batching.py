"""Whoever waits at the same moment shares a write, and gets an answer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from serai.errors import RetryLaterError
from serai.storage.batching import Batcher


class Store:
    """A store that notes each write; it refuses negative numbers, and can be held up."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.kept: list[int] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_away = False

    async def write(self, items: list[int]) -> Sequence[int | Exception]:
        self.writes.append(items)
        await self.is_open.wait()
        if self.is_away:
            raise RetryLaterError("away")
        if any(item < 0 for item in items):
            raise ValueError(f"refused {items}")
        self.kept += items
        return [item * 10 if item != 13 else KeyError(13) for item in items]


async def submit_all(batcher: Batcher[int, int], items: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)


async def test_submits_of_one_moment_share_a_write_and_results_keep_their_order():
    store = Store()
    assert await submit_all(Batcher(store.write), range(5)) == [0, 10, 20, 30, 40]
    assert store.writes == [[0, 1, 2, 3, 4]]


async def test_what_comes_during_a_write_goes_into_the_next_one():
    store = Store()
    batcher = Batcher(store.write)
    store.is_open.clear()
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = asyncio.create_task(submit_all(batcher, [2, 3, 4]))
    await asyncio.sleep(0)
    store.is_open.set()
    assert [await first, *await rest] == [10, 20, 30, 40]
    assert store.writes == [[1], [2, 3, 4]]


async def test_a_bad_item_fails_alone():
    store = Store()
    results = await submit_all(Batcher(store.write), [1, -2, 3])
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], ValueError)
    assert store.kept == [1, 3]


async def test_a_result_may_be_an_exception():
    results = await submit_all(Batcher(Store().write), [12, 13])
    assert results[0] == 120
    assert isinstance(results[1], KeyError)


async def test_a_store_that_is_away_fails_all_and_nothing_is_tried_alone():
    store = Store()
    store.is_away = True
    batcher = Batcher(store.write)
    assert [type(result) for result in await submit_all(batcher, [1, 2, 3])] == [RetryLaterError] * 3
    assert len(store.writes) == 1
    store.is_away = False
    assert await batcher.submit(4) == 40


async def test_no_write_holds_more_than_the_limit():
    store = Store()
    assert await submit_all(Batcher(store.write, max_items=3), range(8)) == [item * 10 for item in range(8)]
    assert store.writes == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_a_submitter_that_gives_up_leaves_the_others_alone():
    store = Store()
    store.is_open.clear()
    batcher = Batcher(store.write)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    store.is_open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], asyncio.CancelledError)
    assert await batcher.submit(4) == 40


async def test_a_cancelled_submitter_of_a_bad_item_harms_nobody():
    store = Store()
    store.is_open.clear()
    batcher = Batcher(store.write)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in (1, -2, 3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    store.is_open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == (10, 30)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-3, 20), max_size=20), st.integers(1, 6))
def test_everybody_gets_exactly_what_its_item_deserves(items: list[int], max_items: int):
    async def check() -> None:
        store = Store()
        results = await submit_all(Batcher(store.write, max_items=max_items), items)
        for item, result in zip(items, results, strict=True):
            if item < 0:
                assert isinstance(result, ValueError)
            elif item == 13:
                assert isinstance(result, KeyError)
            else:
                assert result == item * 10
        assert store.kept == [item for item in items if item >= 0]

    asyncio.run(check())
