"""Makes methods of the table's rows, so that each signature and docstring is written once for both clients."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Concatenate, Protocol, TypeVar

from serai.client._calls import Call, Operation, Parameters, Result

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


def awaited(
    row: Operation[Parameters, Result],
) -> Callable[Concatenate[AsyncCaller, Parameters], Coroutine[Any, Any, Result]]:
    """Return the coroutine method of a row."""

    async def method(self: AsyncCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return await self.call(row(*args, **kwargs))

    return _described(method, row)


def streamed_async(
    row: Operation[Parameters, Result],
) -> Callable[Concatenate[AsyncCaller, Parameters], AsyncGenerator[Result, None]]:
    """Return the method of a row that gives an asynchronous iterator."""

    def method(
        self: AsyncCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncGenerator[Result, None]:
        return self.call_stream(row(*args, **kwargs))

    return _described(method, row)


def blocking(row: Operation[Parameters, Result]) -> Callable[Concatenate[BlockingCaller, Parameters], Result]:
    """Return the blocking method of a row."""

    def method(self: BlockingCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.call_blocking(row(*args, **kwargs))

    return _described(method, row)


def streamed_blocking(
    row: Operation[Parameters, Result],
) -> Callable[Concatenate[BlockingStreamCaller, Parameters], Generator[Result, None, None]]:
    """Return the method of a row that gives a blocking iterator."""

    def method(
        self: BlockingStreamCaller, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Generator[Result, None, None]:
        return self.call_stream(row(*args, **kwargs))

    return _described(method, row)


def _described(method: Method, row: Operation[..., Any]) -> Method:
    """Give a method the row's name, docstring and signature, as `help` and editors show them."""
    functools.update_wrapper(method, row.arrange)
    signature = inspect.signature(row.arrange)
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    answer = str(signature.return_annotation).removeprefix("Arguments[").removesuffix("]")
    parameters = [receiver, *signature.parameters.values()]
    method.__signature__ = signature.replace(parameters=parameters, return_annotation=answer)  # type: ignore[attr-defined]
    return method
