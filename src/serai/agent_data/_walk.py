"""Iterators over all that a question finds, asynchronous and blocking."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from serai.wire.streaming import StreamFlow

Item = TypeVar("Item")
Invalid = TypeVar("Invalid")


@dataclass(frozen=True, slots=True)
class Walk(Generic[Item, Invalid]):
    """A flow that emits items, and the list into which it puts what does not fit."""

    flow: StreamFlow[Item]
    invalid_items: list[Invalid]


class AsyncItems(AsyncIterator[Item], Generic[Item, Invalid]):
    """Yields what a question finds, asking for more as it is needed.

    Attributes:
        invalid_items: with ``on_invalid="keep"``, what has not fitted the type so far.
    """

    def __init__(self, items: AsyncGenerator[Item, None], invalid_items: list[Invalid]) -> None:
        self._items = items
        self.invalid_items = invalid_items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop, and give the connection back."""
        await self._items.aclose()


class Items(Iterator[Item], Generic[Item, Invalid]):
    """Yields what a question finds, blocking; the twin of `AsyncItems`.

    Attributes:
        invalid_items: with ``on_invalid="keep"``, what has not fitted the type so far.
    """

    def __init__(self, items: Generator[Item, None, None], invalid_items: list[Invalid]) -> None:
        self._items = items
        self.invalid_items = invalid_items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        return next(self._items)

    def close(self) -> None:
        """Stop, and give the connection back."""
        self._items.close()


def lines(rest: bytes, piece: bytes | None) -> tuple[list[bytes], bytes]:
    """Return the lines that are whole with the next piece, without blank ones, and what is left; None is the end."""
    if piece is None:
        return ([rest] if rest.strip() else []), b""
    *whole, left = (rest + piece).split(b"\n")
    return [line for line in whole if line.strip()], left
