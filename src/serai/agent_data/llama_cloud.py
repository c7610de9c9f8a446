"""The base clients: which server, which key, which connections. The typed clients send through them."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from serai.agent_data._connection import Connection
from serai.wire.exchange import Flow, Request, drive, drive_async
from serai.wire.retry import RetryPolicy
from serai.wire.streaming import StreamFlow, stream, stream_async

if TYPE_CHECKING:
    import httpx

    from serai.wire.bodies import AsyncBody, Body

Item = TypeVar("Item")
Result = TypeVar("Result")

DEFAULT_DEPLOYMENT = "_public"
DEFAULT_BASE_URL = "http://127.0.0.1:7777"
DEFAULT_TIMEOUT_S = 60.0


class AsyncLlamaCloud:
    """Asynchronous connections to a server of the Agent Data API.

    Use it as a context manager or call `close`. An httpx client that was passed in keeps its headers, its timeouts and
    its proxies, and stays open.

    Attributes:
        base_url: the server, without a trailing slash.
        project_id: the project of requests that name none; None leaves the choice to the server.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        httpx_client: httpx.AsyncClient | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Prepare connections; the first request makes one.

        Args:
            base_url: the server; else ``LLAMA_CLOUD_BASE_URL``, else ``http://127.0.0.1:7777``.
            token: sent as ``Authorization: Bearer``; else ``LLAMA_CLOUD_API_KEY``, else nothing is sent.
            httpx_client: sends the requests; its ``Project-Id`` header names the project.
            timeout: seconds of silence until an answer is given up; not for an httpx client that was passed in.
            retry: how often to try, and the waits between.

        Raises:
            ValueError: ``base_url`` is none.
        """
        import httpx  # noqa: PLC0415 - costs more than the rest together

        from serai.wire.proxies import http_options  # noqa: PLC0415 - loads httpx

        self.connection = _connection(base_url, token, retry)
        self.base_url = self.connection.base_url
        self._is_own = httpx_client is None
        self._http = httpx_client or httpx.AsyncClient(timeout=timeout, **http_options(self.base_url))
        self.project_id = _default_project(self._http.headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections for good, unless they belong to an httpx client that was passed in."""
        if self._is_own:
            await self._http.aclose()

    async def converse(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        import asyncio  # noqa: PLC0415 - costs more than this module

        return await drive_async(flow, self._send, asyncio.sleep, asyncio.to_thread)

    def stream(self, flow: StreamFlow[Item]) -> AsyncGenerator[Item, None]:
        """Carry a flow out and yield what it emits; stopping early gives the connection up."""
        import asyncio  # noqa: PLC0415 - costs more than this module

        return stream_async(flow, send=self._send, open=self._open, sleep=asyncio.sleep, in_thread=asyncio.to_thread)

    async def _send(self, request: Request) -> httpx.Response:
        return await self._ask(request, stream=False)

    async def _open(self, request: Request) -> AsyncBody:
        from serai.wire.bodies import AsyncBody  # noqa: PLC0415 - loads httpx

        return AsyncBody(await self._ask(request, stream=True), self.base_url)

    async def _ask(self, request: Request, *, stream: bool) -> httpx.Response:
        from serai.wire.failures import TRANSPORT_ERRORS, unavailable  # noqa: PLC0415 - loads httpx

        if self._http.is_closed:
            raise RuntimeError("the client is closed")
        built = self._http.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.content
        )
        try:
            response = await self._http.send(built, stream=stream, follow_redirects=True)
            if response.status_code >= 400:
                await response.aread()
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, base_url=self.base_url, heeds_environment=self._is_own) from error
        return response


class LlamaCloud:
    """Blocking connections to a server of the Agent Data API; the twin of `AsyncLlamaCloud`.

    Attributes:
        base_url: the server, without a trailing slash.
        project_id: the project of requests that name none; None leaves the choice to the server.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        httpx_client: httpx.Client | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Prepare connections; the arguments are those of `AsyncLlamaCloud`."""
        import httpx  # noqa: PLC0415 - costs more than the rest together

        from serai.wire.proxies import http_options  # noqa: PLC0415 - loads httpx

        self.connection = _connection(base_url, token, retry)
        self.base_url = self.connection.base_url
        self._is_own = httpx_client is None
        self._http = httpx_client or httpx.Client(timeout=timeout, **http_options(self.base_url))
        self.project_id = _default_project(self._http.headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections for good, unless they belong to an httpx client that was passed in."""
        if self._is_own:
            self._http.close()

    def converse(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        return drive(flow, self._send, time.sleep)

    def stream(self, flow: StreamFlow[Item]) -> Generator[Item, None, None]:
        """Carry a flow out and yield what it emits; stopping early gives the connection up."""
        return stream(flow, send=self._send, open=self._open, sleep=time.sleep)

    def _send(self, request: Request) -> httpx.Response:
        return self._ask(request, stream=False)

    def _open(self, request: Request) -> Body:
        from serai.wire.bodies import Body  # noqa: PLC0415 - loads httpx

        return Body(self._ask(request, stream=True), self.base_url)

    def _ask(self, request: Request, *, stream: bool) -> httpx.Response:
        from serai.wire.failures import TRANSPORT_ERRORS, unavailable  # noqa: PLC0415 - loads httpx

        if self._http.is_closed:
            raise RuntimeError("the client is closed")
        built = self._http.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.content
        )
        try:
            response = self._http.send(built, stream=stream, follow_redirects=True)
            if response.status_code >= 400:
                response.read()
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, base_url=self.base_url, heeds_environment=self._is_own) from error
        return response


def default_deployment(name: str | None) -> str:
    """Return the deployment that is meant: the one named, else that of the environment, else the public one."""
    return name or os.environ.get("LLAMA_DEPLOY_DEPLOYMENT_NAME") or DEFAULT_DEPLOYMENT


def _connection(base_url: str | None, token: str | None, retry: RetryPolicy | None) -> Connection:
    url = base_url or os.environ.get("LLAMA_CLOUD_BASE_URL") or DEFAULT_BASE_URL
    return Connection(url, token or os.environ.get("LLAMA_CLOUD_API_KEY") or None, retry or RetryPolicy())


def _default_project(headers: httpx.Headers) -> str | None:
    return None if "project-id" in headers else os.environ.get("LLAMA_DEPLOY_PROJECT_ID") or None
