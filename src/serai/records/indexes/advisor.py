"""Learns which questions to records are slow and asks for indexes; never delays or fails a question."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from serai.errors import RetryLaterError
from serai.records.indexes.requests import IndexRequest, is_indexable
from serai.records.place import Place
from serai.records.shapes import Shape

SLOW_S: Final = 0.010
TIMES: Final = 3
REMEMBERED: Final = 1_000
# Until a shape counts as slow again after an index was asked for: the first may be one on payloads, too weak for it.
PAUSES_S: Final = (60.0, 3_600.0)
_log = structlog.get_logger("serai.records")


@dataclass(slots=True)
class _Memory:
    """What is remembered of a shape: how often it was slow, and when an index may be asked for again."""

    count: int = 0
    asked: int = 0
    quiet_until: float = 0.0


class Advisor:
    """Asks for an index when questions of one shape to one collection have been slow several times.

    Args:
        ask: asks for an index; called in a task of its own.
        slow_s: from how many seconds on an answer was slow.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        ask: Callable[[IndexRequest], Awaitable[None]],
        *,
        slow_s: float = SLOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._slow_s = slow_s
        self._clock = clock
        self._memory: OrderedDict[tuple[Place, Shape], _Memory] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def learn(self, place: Place, shape: Shape, seconds: float) -> None:
        """Take note of how long an answer took."""
        if seconds < self._slow_s or not is_indexable(shape):
            return
        memory = self._remember(place, shape)
        now = self._clock()
        if now < memory.quiet_until:
            return
        memory.count += 1
        if memory.count >= TIMES:
            memory.count = 0
            memory.quiet_until = now + PAUSES_S[min(memory.asked, len(PAUSES_S) - 1)]
            memory.asked += 1
            self._spawn(IndexRequest(place=place, shape=shape))

    async def close(self) -> None:
        """Give up what has not been asked yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember(self, place: Place, shape: Shape) -> _Memory:
        key = (place, shape)
        memory = self._memory.setdefault(key, _Memory())
        self._memory.move_to_end(key)
        if len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)
        return memory

    def _spawn(self, request: IndexRequest) -> None:
        task = asyncio.create_task(self._try_to_ask(request), name="serai-record-advice")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try_to_ask(self, request: IndexRequest) -> None:
        try:
            await self._ask(request)
        except RetryLaterError:
            pass  # it will be slow again
        except Exception:  # noqa: BLE001 - questions are answered without it
            _log.exception("record_index_not_asked")
