"""Makes methods of the table's rows, so that each signature and docstring is written once for both clients."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Concatenate, Protocol, TypeVar

from serai.client._calls import Call, Parameters, Result

Method = TypeVar("Method", bound=Callable[..., Any])


class AsyncCaller(Protocol):
    """A client that awaits answers."""

    async def call(self, call: Call[Result]) -> Result:
        """Carry a call out."""

    def call_stream(self, call: Call[Result]) -> AsyncGenerator[Result, None]:
        """Carry a call out whose answer is a stream."""


class BlockingCaller(Protocol):
    """A client that blocks."""

    def call_blocking(self, call: Call[Result]) -> Result:
        """Carry a call out."""


class BlockingStreamCaller(Protocol):
    """A client that blocks and streams."""

    def call_stream(self, call: Call[Result]) -> Generator[Result, None, None]:
        """Carry a call out whose answer is a stream."""


class AsyncWalker(Protocol):
    """A client that awaits pages."""

    def call_pages(self, call: Call[Result]) -> AsyncGenerator[Result, None]:
        """Carry a call out page by page."""


class BlockingWalker(Protocol):
    """A client that blocks for pages."""

    def call_pages(self, call: Call[Result]) -> Generator[Result, None, None]:
        """Carry a call out page by page."""


class Described(Protocol[Parameters, Result]):
    """A row, as far as a method is made of it."""

    @property
    def name(self) -> str:
        """The method's name."""

    @property
    def doc(self) -> str:
        """Its docstring."""

    @property
    def signature(self) -> inspect.Signature:
        """Its signature, without the client."""

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Call[Result]:
        """Return the call."""


def awaited(
    row: Described[Parameters, Result],
) -> Callable[Concatenate[AsyncCaller, Parameters], Coroutine[Any, Any, Result]]:
    """Return the coroutine method of a row."""

    async def method(self: AsyncCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return await self.call(row(*args, **kwargs))

    return _described(method, row)


def streamed_async(
    row: Described[Parameters, Result],
) -> Callable[Concatenate[AsyncCaller, Parameters], AsyncGenerator[Result, None]]:
    """Return the method of a row that gives an asynchronous iterator."""

    def method(
        self: AsyncCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncGenerator[Result, None]:
        return self.call_stream(row(*args, **kwargs))

    return _described(method, row)


def blocking(row: Described[Parameters, Result]) -> Callable[Concatenate[BlockingCaller, Parameters], Result]:
    """Return the blocking method of a row."""

    def method(self: BlockingCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.call_blocking(row(*args, **kwargs))

    return _described(method, row)


def streamed_blocking(
    row: Described[Parameters, Result],
) -> Callable[Concatenate[BlockingStreamCaller, Parameters], Generator[Result, None, None]]:
    """Return the method of a row that gives a blocking iterator."""

    def method(
        self: BlockingStreamCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Generator[Result, None, None]:
        return self.call_stream(row(*args, **kwargs))

    return _described(method, row)


def paged_async(
    row: Described[Parameters, Result],
) -> Callable[Concatenate[AsyncWalker, Parameters], AsyncGenerator[Result, None]]:
    """Return the method of a row that gives an asynchronous iterator over the items of all pages."""

    def method(
        self: AsyncWalker, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncGenerator[Result, None]:
        return self.call_pages(row(*args, **kwargs))

    return _described(method, row)


def paged_blocking(
    row: Described[Parameters, Result],
) -> Callable[Concatenate[BlockingWalker, Parameters], Generator[Result, None, None]]:
    """Return the method of a row that gives a blocking iterator over the items of all pages."""

    def method(
        self: BlockingWalker, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Generator[Result, None, None]:
        return self.call_pages(row(*args, **kwargs))

    return _described(method, row)


def _described(method: Method, row: Described[..., Any]) -> Method:
    """Give a method the row's name, docstring and signature, as `help` and editors show them."""
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [receiver, *row.signature.parameters.values()]
    method.__name__ = method.__qualname__ = row.name
    method.__doc__ = row.doc
    method.__signature__ = row.signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return method
