"""One way to call either of our clients for components of one kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.both_clients import events_of, result_of

Answer = Callable[[Any], None]
"""What a person makes of a requirement."""


class Caller:
    """Either client, asked for components of one kind; its answers awaited if need be."""

    def __init__(self, client: Any, kind: str) -> None:
        self.client = client
        self._kind = kind

    async def run(self, component: str, message: str, **options: Any) -> Any:
        return await result_of(self._ask("run_{}", component, message, **options))

    async def stream(self, component: str, message: str, **options: Any) -> list[Any]:
        return await events_of(self._ask("run_{}_stream", component, message, **options))

    async def proceed(self, component: str, run: Any, requirements: Any) -> Any:
        arguments = (component, run.run_id, requirements)
        return await result_of(self._ask("continue_{}_run", *arguments, session_id=run.session_id))

    async def proceed_streamed(self, component: str, run: Any, requirements: Any) -> list[Any]:
        arguments = (component, run.run_id, requirements)
        return await events_of(self._ask("continue_{}_run_stream", *arguments, session_id=run.session_id))

    async def read(self, component: str, run: Any) -> Any:
        return await result_of(self._ask("get_{}_run", component, run.run_id, session_id=run.session_id))

    async def stream_until(self, component: str, message: str, is_reached: Any, act: Any) -> list[Any]:
        """Return a stream's events; do something once when one of them is reached."""
        stream = self._ask("run_{}_stream", component, message)
        events: list[Any] = []
        while (event := await (anext(stream, None) if hasattr(stream, "__aiter__") else _next(stream))) is not None:
            events.append(event)
            if is_reached is not None and is_reached(event):
                is_reached = None
                await act(events[0])
        return events

    async def cancel(self, component: str, run: Any) -> None:
        await result_of(self._ask("cancel_{}_run", component, run.run_id, session_id=run.session_id))

    def _ask(self, operation: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.client, operation.format(self._kind))(*arguments, **options)


async def _next(stream: Any) -> Any:
    return next(stream, None)


def names(events: list[Any]) -> list[str]:
    return [event.event for event in events]
