"""Pure ASGI middleware of every request: its id, its access line, its last line of defence, and the body limit."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serai.errors import BodyTooLargeError
from serai.server.errors import error_response, unexpected_error_response
from serai.server.logs import ACCESS_FIELDS, ACCESS_LOGGER, bind_request_id

_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_PROBES = frozenset(("/health", "/ready"))
_random = random.Random()  # noqa: S311 - ids to find log lines by, no secrets
_access_log = logging.getLogger(ACCESS_LOGGER)
_log = logging.getLogger(__name__)


def find_header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first value of a header; `name` is lower case, as ASGI has it."""
    for key, value in scope["headers"]:
        if key == name:
            return value  # type: ignore[no-any-return]
    return None


class RequestContext:
    """Gives each request an id and an access line, and answers what nobody caught.

    An exception that reached the HTTP server would close the kept-alive connection, and with it the client's next call.

    Args:
        app: what is around the rest.
        meter: told of each request: its scope, the status and the seconds that it took.
    """

    def __init__(self, app: ASGIApp, *, meter: Callable[[Scope, int, float], None] | None = None) -> None:
        self.app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        given = find_header(scope, b"x-request-id")
        sane = given is not None and _SANE_REQUEST_ID.fullmatch(given)
        request_id = given if given is not None and sane else b"%016x" % _random.getrandbits(64)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id)]}
            await send(message)

        with bind_request_id(request_id.decode()):
            try:
                await self.app(scope, receive, send_with_id)
            except ClientDisconnect:
                status = status or 499
            except Exception as error:  # noqa: BLE001 - the request boundary
                _log.exception("unhandled error in %s %s", scope["method"], _logged_path(scope))
                if not status:
                    response = await _answer_unexpected(Request(scope, receive), error)
                    await response(scope, receive, send_with_id)
            took_s = time.perf_counter() - started
            if self._meter is not None:
                self._meter(scope, status, took_s)
            _log_access(scope, status, took_s)


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    handlers: dict[Any, Callable[..., Any]] = request.app.exception_handlers
    users_handler = handlers.get(Exception) or handlers.get(500)
    if users_handler is None:
        return unexpected_error_response(error)
    response = users_handler(request, error)
    return await response if isawaitable(response) else response  # type: ignore[no-any-return]


def _logged_path(scope: Scope) -> str:
    """Return the path as it came, still encoded, so that a line break in it stays a %0A."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1") if raw else repr(scope["path"])


def _log_access(scope: Scope, status: int, duration_s: float) -> None:
    level = logging.DEBUG if scope["path"] in _PROBES and status < 400 else logging.INFO
    if not _access_log.isEnabledFor(level):
        return
    client = scope.get("client")
    fields = {
        "method": scope["method"],
        "path": _logged_path(scope),
        "status": status,
        "duration_ms": round(duration_s * 1000, 2),
        "client": client[0] if client else None,
    }
    record = logging.LogRecord(ACCESS_LOGGER, level, __file__, 0, "request", (), None)
    record.__dict__[ACCESS_FIELDS] = fields
    _access_log.handle(record)


class BodyLimit:
    """Answers 413 to a body over the limit, by its declared length or as it streams in; the connection stays usable."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = find_header(scope, b"content-length")
        if length is not None:
            # The HTTP server holds the body to its declared length.
            if not length.isdigit() or int(length) > self.max_bytes:
                await self._refuse(scope, receive, send)
                return
            await self.app(scope, receive, send)
        elif find_header(scope, b"transfer-encoding") is not None:
            await self._count(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = error_response(self._error(), scope)
        if find_header(scope, b"expect") is not None:
            # The client will not send the body it announced, so what follows would be taken for it.
            response.headers["connection"] = "close"
        await response(scope, receive, send)

    def _error(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"The body is over the limit of {self.max_bytes} bytes (SERAI_MAX_BODY_BYTES).")

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = 0
        refused = False
        started = False

        async def counting_receive() -> Message:
            nonlocal seen, refused
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                refused = True
                raise self._error()
            return message

        async def guarded_send(message: Message) -> None:
            nonlocal started
            # Whoever caught our exception must not answer in our place.
            if refused and not started:
                return
            started = True
            await send(message)

        try:
            await self.app(scope, counting_receive, guarded_send)
        except BodyTooLargeError:
            if started:
                raise
        if refused and not started:
            await self._refuse(scope, receive, send)
