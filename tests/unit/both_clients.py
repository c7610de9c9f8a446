"""One way to call the asynchronous and the blocking client, so that one test holds for both."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import httpx

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.wire.retry import RetryPolicy

QUICK = RetryPolicy(base_s=0.001, max_s=0.002)
"""The usual number of attempts without the waits."""

Handler = Callable[[httpx.Request], httpx.Response]


def connect(kind: type[AgentOSClient] | type[SyncAgentOSClient], handler: Handler, **options: Any) -> Any:
    """Return a client whose requests the handler answers."""
    transport = httpx.MockTransport(handler)
    http_client = httpx.AsyncClient(transport=transport) if kind is AgentOSClient else httpx.Client(transport=transport)
    return kind("http://os.test/", retry=QUICK, http_client=http_client, **options)  # type: ignore[arg-type]


async def result_of(value: Any) -> Any:
    """Return what a method of either client returns."""
    return await value if inspect.isawaitable(value) else value


async def events_of(stream: Any) -> list[Any]:
    """Return all that a stream of either client yields."""
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return list(stream)


class Recorder:
    """Answers requests in order, the last answer for all further ones, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)

    @property
    def asked(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.url.path}" for request in self.requests]


def run_json(status: str = "COMPLETED", **members: Any) -> httpx.Response:
    """Return an answer that is a run."""
    return httpx.Response(200, json={"run_id": "r-1", "status": status, "content": "4", **members})


def frames(*events: dict[str, Any], first: int | None = 0) -> bytes:
    """Return an event stream; with ids from ``first`` on, or without any."""
    lines = b""
    for number, event in enumerate(events, first or 0):
        lines += b"" if first is None else f"id: {number}\n".encode()
        lines += f"event: {event['event']}\ndata: {json.dumps(event)}\n\n".encode()
    return lines
