"""Conversations whose answers are read piece by piece, as generators and with the lines that drive them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from serai.wire.exchange import Answer, InThread, Request, Send, Sleep, Work, take, take_async

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request and return the answer with its body unread; that of an error status is read."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Return the next bytes of the open answer, or None at its end."""


@dataclass(frozen=True, slots=True)
class Emit(Generic[Item]):
    """Hand an item to the caller."""

    item: Item


StreamFlow = Generator[Send | Sleep | Work | Open | Read | Emit[Item], Any, None]
"""A conversation that emits items; sent an `Answer` for each `Open`, bytes for each `Read`, else as a `Flow`."""


class AsyncOpened(Protocol):
    """An answer whose body is being read."""

    @property
    def response(self) -> Answer:
        """The answer; the body is there only for an error status."""

    async def read(self) -> bytes | None:
        """Return the next bytes, None at the end."""

    async def close(self) -> None:
        """Give the connection back, or up."""


class Opened(Protocol):
    """An answer whose body is being read; the twin of `AsyncOpened`."""

    @property
    def response(self) -> Answer:
        """The answer; the body is there only for an error status."""

    def read(self) -> bytes | None:
        """Return the next bytes, None at the end."""

    def close(self) -> None:
        """Give the connection back, or up."""


async def stream_async(
    flow: StreamFlow[Item],
    *,
    send: Callable[[Request], Awaitable[Answer]],
    open: Callable[[Request], Awaitable[AsyncOpened]],  # noqa: A002 - what the step is called
    sleep: Callable[[float], Awaitable[None]],
    in_thread: InThread,
) -> AsyncGenerator[Item, None]:
    """Carry a flow out and yield what it emits; the last answer is closed in the end."""
    opened: AsyncOpened | None = None
    try:
        step = next(flow)
        while True:
            if isinstance(step, Emit):
                yield step.item
                step = flow.send(None)
                continue
            came: object
            try:
                match step:
                    case Read():
                        came = await opened.read() if opened is not None else None
                    case Open(request):
                        if opened is not None:
                            await opened.close()
                        opened = await open(request)
                        came = opened.response
                    case _:
                        came = await take_async(step, send, sleep, in_thread)
            except Exception as error:  # noqa: BLE001 - the flow's business
                step = flow.throw(error)
            else:
                step = flow.send(came)
    except StopIteration:
        return
    finally:
        flow.close()
        if opened is not None:
            await opened.close()


def stream(
    flow: StreamFlow[Item],
    *,
    send: Callable[[Request], Answer],
    open: Callable[[Request], Opened],  # noqa: A002 - what the step is called
    sleep: Callable[[float], None],
) -> Generator[Item, None, None]:
    """Carry a flow out, blocking; else as `stream_async`."""
    opened: Opened | None = None
    try:
        step = next(flow)
        while True:
            if isinstance(step, Emit):
                yield step.item
                step = flow.send(None)
                continue
            came: object
            try:
                match step:
                    case Read():
                        came = opened.read() if opened is not None else None
                    case Open(request):
                        if opened is not None:
                            opened.close()
                        opened = open(request)
                        came = opened.response
                    case _:
                        came = take(step, send, sleep)
            except Exception as error:  # noqa: BLE001 - the flow's business
                step = flow.throw(error)
            else:
                step = flow.send(came)
    except StopIteration:
        return
    finally:
        flow.close()
        if opened is not None:
            opened.close()
