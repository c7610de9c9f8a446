"""Reading and writing of documents, which goes to a thread when there is so much of it that others would wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

Made = TypeVar("Made")

LARGE_BYTES: Final = 128 * 1024
LONG_LIST: Final = 200


async def make(work: Callable[[], Made], *, size_bytes: int = 0, items: int = 0, most_items: int = LONG_LIST) -> Made:
    """Return what some work makes: done here when it is small, else in a thread.

    Args:
        work: touches nothing that others change.
        size_bytes: of what it reads; from `LARGE_BYTES` on it is large.
        items: how many it reads.
        most_items: more are large.
    """
    if size_bytes < LARGE_BYTES and items <= most_items:
        return work()
    return await asyncio.to_thread(work)
