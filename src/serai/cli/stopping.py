"""SIGTERM and SIGINT, counted: the first asks to finish, the second to hand over at once, the third to die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class StopSignals:
    """What the operator has asked for.

    Attributes:
        stop: set by the first signal.
        hurry: set by the second.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._on_stop: Callable[[], object] | None = None

    def install(self) -> None:
        """Take over both signals in the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._receive, number)

    @asynccontextmanager
    async def cancelling(self) -> AsyncIterator[None]:
        """Cancel the current task on a signal that comes inside the block."""
        task = asyncio.current_task()
        assert task is not None
        self._on_stop = task.cancel
        try:
            yield
        finally:
            self._on_stop = None

    async def unless_hurried(self, work: Coroutine[Any, Any, None]) -> bool:
        """Await ``work``, or cancel it at the second signal; tell whether it came to its end."""
        task, hurry = asyncio.create_task(work), asyncio.create_task(self.hurry.wait())
        try:
            await asyncio.wait((task, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            if not task.done():
                task.cancel()
            await asyncio.wait((task,))
        if task.cancelled():
            return False
        task.result()
        return True

    def _receive(self, number: int) -> None:
        if self.hurry.is_set():
            os._exit(128 + number)
        (self.hurry if self.stop.is_set() else self.stop).set()
        if self._on_stop is not None:
            self._on_stop()
