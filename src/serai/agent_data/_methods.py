"""Makes methods of the core's, so that each signature and docstring is written once for both clients."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from serai.agent_data._core import AgentDataCore
from serai.agent_data._walk import AsyncItems, Items, Walk
from serai.agent_data.items import AgentDataT
from serai.agent_data.llama_cloud import AsyncLlamaCloud, LlamaCloud
from serai.wire.exchange import Flow

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")
Invalid = TypeVar("Invalid")
Method = TypeVar("Method", bound=Callable[..., Any])


class AsyncSpeaker(Protocol[AgentDataT]):
    """A client that awaits answers."""

    client: AsyncLlamaCloud

    @property
    def _core(self) -> AgentDataCore[AgentDataT]: ...


class Speaker(Protocol[AgentDataT]):
    """A client that blocks."""

    client: LlamaCloud

    @property
    def _core(self) -> AgentDataCore[AgentDataT]: ...


def awaited(
    operation: Callable[Concatenate[AgentDataCore[AgentDataT], Parameters], Flow[Result]],
) -> Callable[Concatenate[AsyncSpeaker[AgentDataT], Parameters], Coroutine[Any, Any, Result]]:
    """Return the coroutine method of a conversation."""

    async def method(self: AsyncSpeaker[AgentDataT], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return await self.client.converse(operation(self._core, *args, **kwargs))

    return _described(method, operation)


def blocking(
    operation: Callable[Concatenate[AgentDataCore[AgentDataT], Parameters], Flow[Result]],
) -> Callable[Concatenate[Speaker[AgentDataT], Parameters], Result]:
    """Return the blocking method of a conversation."""

    def method(self: Speaker[AgentDataT], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.client.converse(operation(self._core, *args, **kwargs))

    return _described(method, operation)


def walked_async(
    operation: Callable[Concatenate[AgentDataCore[AgentDataT], Parameters], Walk[Item, Invalid]],
) -> Callable[Concatenate[AsyncSpeaker[AgentDataT], Parameters], AsyncItems[Item, Invalid]]:
    """Return the method of a walk that gives an asynchronous iterator."""

    def method(
        self: AsyncSpeaker[AgentDataT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncItems[Item, Invalid]:
        walk = operation(self._core, *args, **kwargs)
        return AsyncItems(self.client.stream(walk.flow), walk.invalid_items)

    return _described(method, operation, iterator="AsyncItems")


def walked(
    operation: Callable[Concatenate[AgentDataCore[AgentDataT], Parameters], Walk[Item, Invalid]],
) -> Callable[Concatenate[Speaker[AgentDataT], Parameters], Items[Item, Invalid]]:
    """Return the method of a walk that gives a blocking iterator."""

    def method(
        self: Speaker[AgentDataT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Items[Item, Invalid]:
        walk = operation(self._core, *args, **kwargs)
        return Items(self.client.stream(walk.flow), walk.invalid_items)

    return _described(method, operation, iterator="Items")


def _described(method: Method, operation: Callable[..., Any], *, iterator: str = "") -> Method:
    """Give a method the operation's name, docstring and arguments, as `help` and editors show them."""
    functools.update_wrapper(method, operation)
    signature = inspect.signature(operation)
    answer = str(signature.return_annotation)
    shown = answer.replace("Walk", iterator, 1) if iterator else answer.removeprefix("Flow[").removesuffix("]")
    method.__signature__ = signature.replace(return_annotation=shown)  # type: ignore[attr-defined]
    return method
