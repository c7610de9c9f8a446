"""Fetches what a caller's URL names, from the public internet only unless a base allows more.

A name is resolved once a hop, all its addresses are judged, and the connection goes to one that was judged: a name
server that answers differently the next time gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import cache
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Final, TypeAlias

import httpx

from serai.domain.knowledge import LONGEST_NAME
from serai.domain.stored_text import storable
from serai.engine.interruption import describe
from serai.errors import SeraiError
from serai.knowledge.addresses import why_forbidden

MOST_ADDRESSES: Final = 4
"""Addresses of one name that are tried."""

_LAST_PORT: Final = 65_535

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_WEB_PORTS: Final = frozenset({80, 443})
_FIRST_FREE_PORT: Final = 1024

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host's name."""


class UnfetchableError(SeraiError):
    """A URL cannot be fetched; the message says why and what to do."""

    code = "unfetchable"


class UnreachableError(UnfetchableError):
    """A URL cannot be fetched just now: its server is away, busy or too slow; the same fetch may succeed later."""

    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What a fetch may cost.

    Attributes:
        seconds: from the first look-up to the last byte, redirects included.
        size_bytes: of the content, unpacked.
        redirects: how many are followed.
    """

    seconds: float = 60.0
    size_bytes: int = 64 * 1024 * 1024
    redirects: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a URL answered.

    Attributes:
        media_type: as the server says, without parameters; None when it says nothing.
        name: the file's, from the server or else the URL; None when neither has one.
        charset: of a text, as the server says.
    """

    data: bytes
    media_type: str | None
    name: str | None
    charset: str | None = None


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the system knows for a name, in its order.

    Raises:
        OSError: it knows none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


async def fetch(
    url: str, *, allow_private: bool, limits: FetchLimits | None = None, resolve: Resolver = look_up
) -> Fetched:
    """Return what an http or https URL answers to GET.

    Args:
        url: credentials in it are left out.
        allow_private: whether it may lead to this machine and private networks.
        limits: what it may cost.
        resolve: where names are looked up.

    Raises:
        UnreachableError: the server cannot be reached, breaks off, takes too long, or answers that it cannot just now.
        UnfetchableError: the URL or one it redirects to is forbidden or wrong, the server answers any other error, or
            a limit was reached.
    """
    bounds = limits or FetchLimits()
    start = _parse(url)
    # No connection is used for two names: the first one's certificate is not the second one's.
    unshared = httpx.Limits(max_keepalive_connections=0)
    secure = await asyncio.to_thread(tls)
    try:
        async with (
            asyncio.timeout(bounds.seconds),
            httpx.AsyncHTTPTransport(verify=secure, limits=unshared) as transport,
        ):
            return await _Fetch(transport, bounds, resolve, allow_private=allow_private).follow(start)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise UnreachableError(f"{start} took longer than {bounds.seconds:g} s; try again later.") from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"{start} broke off its answer: {describe(error)}.") from error


class _Fetch:
    """One URL on its way through redirects."""

    def __init__(
        self, transport: httpx.AsyncHTTPTransport, limits: FetchLimits, resolve: Resolver, *, allow_private: bool
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._resolve = resolve
        self._allow_private = allow_private

    async def follow(self, url: httpx.URL) -> Fetched:
        """Return what the URL answers, or the one that it leads to."""
        for _ in range(1 + self._limits.redirects):
            response = await self._ask(url)
            try:
                if response.status_code not in _REDIRECTS:
                    return await self._read(url, response)
                target = response.headers.get("location")
            finally:
                await response.aclose()
            if target is None:
                raise UnfetchableError(f"{url} answers {response.status_code} and does not say where to go.")
            url = _parse(target, base=url)
        raise UnfetchableError(f"{url} is the end of {self._limits.redirects} redirects, and redirects again.")

    async def _ask(self, url: httpx.URL) -> httpx.Response:
        """Return the answer of the first address that can be reached, its body unread."""
        failure: httpx.HTTPError | None = None
        for address in (await self._addresses(url))[:MOST_ADDRESSES]:
            request = httpx.Request(
                "GET",
                url.copy_with(host=address, fragment=None),
                headers={
                    "Host": url.netloc.decode("ascii"),
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"serai/{version('serai')}",
                },
                extensions={
                    "sni_hostname": url.raw_host.decode("ascii"),
                    "timeout": httpx.Timeout(self._limits.seconds, connect=min(10.0, self._limits.seconds)).as_dict(),
                },
            )
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        if failure is None:
            raise UnfetchableError(f"{url} cannot be reached: its name has no address.")
        failed = UnfetchableError if _is_distrusted(failure) else UnreachableError
        raise failed(f"{url} cannot be reached: {describe(failure)}.") from failure

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        """Return the addresses of a URL's host; one that is forbidden forbids them all."""
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        if not self._allow_private and port < _FIRST_FREE_PORT and port not in _WEB_PORTS:
            raise UnfetchableError(f"{url} names port {port}, where no web server is; use 80, 443 or one above 1023.")
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            is_passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            failed = UnreachableError if is_passing else UnfetchableError
            raise failed(f"The name {host!r} in {url} cannot be resolved; check the URL.") from error
        for address in found:
            kind = why_forbidden(address, allow_private=self._allow_private)
            if kind is not None:
                raise UnfetchableError(
                    f"{url} leads to {address}, {kind}, which may not be fetched. Upload the content as text or a file."
                )
        return found

    async def _read(self, url: httpx.URL, response: httpx.Response) -> Fetched:
        if not response.is_success:
            reason = f"{response.status_code} {response.reason_phrase}".strip()
            if response.status_code in _BUSY or response.status_code >= _SERVER_ERROR:
                raise UnreachableError(f"{url} answers {reason}; try again later.")
            raise UnfetchableError(
                f"{url} answers {reason}; check the URL, and whether it can be read without a login."
            )
        limit = self._limits.size_bytes
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise _too_large(url, limit)
        data = bytearray()
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > limit:
                raise _too_large(url, limit)
        plain = await _unpack(url, bytes(data), response.headers.get("content-encoding", ""), limit)
        described = Message()
        for header in ("content-type", "content-disposition"):
            if header in response.headers:
                described[header] = response.headers[header]
        media_type = described.get_content_type() if "content-type" in described else None
        return Fetched(
            data=plain,
            media_type=media_type,
            name=_name(url, _told(described.get_filename)),
            charset=_told(described.get_content_charset),
        )


def _is_distrusted(failure: BaseException | None) -> bool:
    """Tell whether a connection failed because of the server's certificate, or of what it knows of TLS."""
    while failure is not None and not isinstance(failure, ssl.SSLError):
        failure = failure.__cause__ or failure.__context__
    broke_off = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return failure is not None and not isinstance(failure, broke_off)


def _parse(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text.strip()) if base is None else base.join(text)
        url = url.copy_with(userinfo=b"")
        host = url.host
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise UnfetchableError(f"{text!r} is no URL: {error}.") from error
    if url.scheme not in ("http", "https"):
        raise UnfetchableError(f"{text!r} is not fetched: only http and https URLs are.")
    if not host or (url.port is not None and not 0 < url.port <= _LAST_PORT):
        raise UnfetchableError(f"{text!r} names no host, or a port that there is not.")
    return url


async def _unpack(url: httpx.URL, data: bytes, encoding: str, limit: int) -> bytes:
    """Return the content of an answer that was packed although nobody asked for that."""
    if encoding.strip().lower() in ("", "identity"):
        return data
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        raise UnfetchableError(f"{url} answers in the encoding {encoding!r}, which was not asked for.")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib, as the bytes begin
    try:
        plain = await asyncio.to_thread(unpacking.decompress, data, limit + 1)
    except zlib.error as error:
        raise UnfetchableError(f"{url} answers with broken {encoding} data: {error}.") from error
    if len(plain) > limit:
        raise _too_large(url, limit)
    if not unpacking.eof and data:
        raise UnreachableError(f"{url} answers with {encoding} data that break off; try again later.")
    return plain


def _told(read: Callable[[], str | None]) -> str | None:
    """Return what a parameter of a header says, None where it is none that can be read."""
    try:
        return read()
    except (ValueError, TypeError, LookupError):
        return None


def _too_large(url: httpx.URL, limit: int) -> UnfetchableError:
    return UnfetchableError(f"{url} answers more than {limit:,} bytes; fetch it yourself and upload parts of it.")


def _name(url: httpx.URL, told: str | None) -> str | None:
    """Return a file's name without any folder."""
    path = PurePosixPath((told or url.path).replace("\\", "/"))
    return storable(path.name)[:LONGEST_NAME] or None


@cache
def tls() -> ssl.SSLContext:
    """Return the certificates that are trusted; the first call reads them from disk."""
    return httpx.create_ssl_context()
