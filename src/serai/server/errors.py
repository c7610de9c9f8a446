"""How an exception becomes an answer: the published error shapes, and nothing about what went wrong inside."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from serai.errors import AuthenticationError, ConflictError, InvalidFieldError, RetryLaterError, SeraiError

_LONGEST_INPUT = 200
_RECORDS = "/api/v1/beta/agent-data"
_log = logging.getLogger(__name__)


def error_response(error: SeraiError, scope: Scope) -> Response:
    """Return the answer to an error that Serai raised on purpose."""
    if error.status >= 500 and not isinstance(error, RetryLaterError):
        return unexpected_error_response(error)
    headers: dict[str, str] = {}
    if isinstance(error, RetryLaterError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, AuthenticationError):
        headers["WWW-Authenticate"] = "Bearer"
    # A published client repeats every 409 five times unless told that it will stay one.
    if isinstance(error, ConflictError) and _RECORDS in scope["path"]:
        headers["x-should-retry"] = "false"
    detail = [_shorten(issue) for issue in error.issues] if isinstance(error, InvalidFieldError) else error.message
    return _json(error.status, detail, headers)


def unexpected_error_response(error: Exception) -> Response:
    """Return the answer to a bug: its type, never its text."""
    return _json(500, f"Internal server error ({type(error).__name__})")


def malformed_json(msg: str, *, position: int | None = None) -> InvalidFieldError:
    """Return the error for a body that is no JSON, or JSON that cannot be stored.

    Args:
        msg: what is wrong.
        position: the byte where it was seen.
    """
    loc: tuple[str | int, ...] = ("body",) if position is None else ("body", position)
    return InvalidFieldError.of(loc, f"JSON decode error: {msg}", kind="json_invalid")


def install_error_handlers(app: FastAPI) -> None:
    """Teach the app our exceptions, unless its author already did."""
    app.exception_handlers.setdefault(SeraiError, _handle)


async def _handle(request: Request, error: Any) -> Response:
    if error.status >= 500 and not isinstance(error, RetryLaterError):
        _log.error("unhandled error", exc_info=error)
    return error_response(error, request.scope)


def _json(status: int, detail: Any, headers: dict[str, str] | None = None) -> Response:
    # ASCII on purpose: an echoed input may hold lone surrogates, which UTF-8 cannot carry.
    body = json.dumps({"detail": detail}, separators=(",", ":"), default=str).encode()
    return Response(body, status, headers, "application/json")


def _shorten(issue: dict[str, Any]) -> dict[str, Any]:
    given = issue.get("input")
    try:
        short = len(json.dumps(given, allow_nan=False)) <= _LONGEST_INPUT
    except (TypeError, ValueError, RecursionError):
        short = False
    return issue if short else {**issue, "input": str(given)[:_LONGEST_INPUT]}
