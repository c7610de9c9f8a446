"""Answers of httpx whose bodies are read piece by piece, with the clients' own errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx

from serai.wire.failures import TRANSPORT_ERRORS, unavailable


class AsyncBody:
    """An answer that is being read."""

    def __init__(self, response: httpx.Response, base_url: str) -> None:
        self.response = response
        self._base_url = base_url
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes | None:
        """Return the next bytes, None at the end; raise `RemoteServerUnavailableError` when they do not come."""
        try:
            return await anext(self._chunks, None)
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, base_url=self._base_url) from error

    async def close(self) -> None:
        """Give the connection back, or up."""
        await self.response.aclose()


class Body:
    """An answer that is being read; the twin of `AsyncBody`."""

    def __init__(self, response: httpx.Response, base_url: str) -> None:
        self.response = response
        self._base_url = base_url
        self._chunks: Iterator[bytes] = response.iter_bytes()

    def read(self) -> bytes | None:
        """Return the next bytes, None at the end; raise `RemoteServerUnavailableError` when they do not come."""
        try:
            return next(self._chunks, None)
        except TRANSPORT_ERRORS as error:
            raise unavailable(error, base_url=self._base_url) from error

    def close(self) -> None:
        """Give the connection back, or up."""
        self.response.close()
