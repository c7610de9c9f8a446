"""The batching primitive: whoever waits at this moment shares one statement and one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from serai.errors import RetryLaterError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects items while a write is under way and hands them over together.

    Args:
        write: writes a list of items and returns one result, or one exception, for each in order.
        max_items: the most that go into one write.
        on_write: called with the number of items of each write.

    A write that raises is repeated with each item alone, so that one bad item never fails its neighbours;
    a `RetryLaterError` fails them all, for the store itself is away.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_items: int = 500,
        on_write: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._write = write
        self._max_items = max_items
        self._on_write = on_write
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Queue an item and wait for its result.

        Raises:
            Exception: whatever the write says about this item.

        Durable when it returns, if the write is.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_items))]
                await self._write_batch(batch)
        finally:
            self._writer = None

    async def _write_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        outcomes: Sequence[Result | BaseException]
        self._on_write(len(batch))
        try:
            outcomes = await self._write([item for item, _ in batch])
        except RetryLaterError as error:
            outcomes = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - belongs to one of the items; found by writing each alone
            if len(batch) > 1:
                for one in batch:
                    await self._write_batch([one])
                return
            outcomes = [error]
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
