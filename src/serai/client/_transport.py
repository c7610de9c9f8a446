"""The clients' I/O: one pooled httpx client each, blocking or asynchronous, and the errors it may raise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import TypeVar

import httpx

from serai.errors import RemoteServerUnavailableError
from serai.wire.arguments import ArgumentError
from serai.wire.bodies import AsyncBody, Body
from serai.wire.exchange import Flow, Request, drive, drive_async
from serai.wire.failures import TRANSPORT_ERRORS, unavailable
from serai.wire.proxies import http_options
from serai.wire.streaming import StreamFlow, stream, stream_async

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a request is given up: connecting, silence in a plain answer, silence in a stream."""

    connect_s: float
    read_s: float
    stream_idle_s: float

    @property
    def plain(self) -> httpx.Timeout:
        """What httpx takes for a plain request."""
        return httpx.Timeout(self.read_s, connect=self.connect_s)

    @property
    def streaming(self) -> httpx.Timeout:
        """What httpx takes for a stream."""
        return httpx.Timeout(self.read_s, connect=self.connect_s, read=self.stream_idle_s)


class AsyncTransport:
    """Sends requests through an ``httpx.AsyncClient``: the caller's, which stays open, or one of its own."""

    def __init__(self, base_url: str, timeouts: Timeouts, http_client: httpx.AsyncClient | None = None) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._given = http_client
        self._own: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def _client(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._is_closed:
            raise RuntimeError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._own is None or self._loop is not loop:
            # Connections cannot move to another loop.
            self._own = httpx.AsyncClient(follow_redirects=True, **http_options(self._base_url))
            self._loop = loop
        return self._own

    def _build(self, request: Request, timeout: httpx.Timeout) -> httpx.Request:
        return _build(self._client(), request, timeout)

    async def send(self, request: Request) -> httpx.Response:
        """Return the whole answer; raise `RemoteServerUnavailableError` when there is none."""
        try:
            return await self._client().send(self._build(request, self._timeouts.plain))
        except TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error

    async def open(self, request: Request) -> AsyncBody:
        """Return the answer with its body unread, unless it is an error; raises as `send`."""
        try:
            response = await self._client().send(self._build(request, self._timeouts.streaming), stream=True)
            if response.status_code >= 400:
                await response.aread()
        except TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error
        return AsyncBody(response, self._base_url)

    async def converse(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        return await drive_async(flow, self.send, asyncio.sleep, asyncio.to_thread)

    def stream(self, flow: StreamFlow[Item]) -> AsyncGenerator[Item, None]:
        """Carry a streaming flow out and yield what it emits; the last answer is closed in the end."""
        return stream_async(flow, send=self.send, open=self.open, sleep=asyncio.sleep, in_thread=asyncio.to_thread)

    def _unavailable(self, error: Exception) -> RemoteServerUnavailableError:
        return unavailable(error, base_url=self._base_url, heeds_environment=self._given is None)

    async def close(self) -> None:
        """Close the connections of an own client, for good."""
        self._is_closed = True
        if self._own is not None and self._loop is asyncio.get_running_loop():
            await self._own.aclose()
        self._own = None


class Transport:
    """Sends requests through an ``httpx.Client``: the caller's, which stays open, or one of its own."""

    def __init__(self, base_url: str, timeouts: Timeouts, http_client: httpx.Client | None = None) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._is_own = http_client is None
        self._client = http_client or httpx.Client(follow_redirects=True, **http_options(base_url))

    def _build(self, request: Request, timeout: httpx.Timeout) -> httpx.Request:
        return _build(self._client, request, timeout)

    def send(self, request: Request) -> httpx.Response:
        """Return the whole answer; raise `RemoteServerUnavailableError` when there is none."""
        try:
            return self._client.send(self._build(request, self._timeouts.plain))
        except TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error

    def open(self, request: Request) -> Body:
        """Return the answer with its body unread, unless it is an error; raises as `send`."""
        try:
            response = self._client.send(self._build(request, self._timeouts.streaming), stream=True)
            if response.status_code >= 400:
                response.read()
        except TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error
        return Body(response, self._base_url)

    def converse(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        return drive(flow, self.send, time.sleep)

    def stream(self, flow: StreamFlow[Item]) -> Generator[Item, None, None]:
        """Carry a streaming flow out and yield what it emits; the last answer is closed in the end."""
        return stream(flow, send=self.send, open=self.open, sleep=time.sleep)

    def _unavailable(self, error: Exception) -> RemoteServerUnavailableError:
        return unavailable(error, base_url=self._base_url, heeds_environment=self._is_own)

    def close(self) -> None:
        """Close the connections of an own client, for good."""
        if self._is_own:
            self._client.close()


def _build(client: httpx.Client | httpx.AsyncClient, request: Request, timeout: httpx.Timeout) -> httpx.Request:
    try:
        return client.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.content, timeout=timeout
        )
    except httpx.InvalidURL as error:
        raise ArgumentError(f"The arguments make no URL that can be sent: {error}") from error
