"""Turns httpx's exceptions and error answers into those that the clients' documentation names."""

from __future__ import annotations

import json
from typing import Any

import httpx

from serai.errors import RemoteServerUnavailableError
from serai.wire.proxies import environment_proxy

TRANSPORT_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
"""What httpx raises when the server could not be reached, was silent, or dropped the connection."""


class ServerStatusError(httpx.HTTPStatusError):
    """The server answered with an error status (4xx or 5xx).

    Attributes:
        status: the HTTP status.
        code: the server's stable name of the error, when it sends one.
        detail: what the server says about it, as JSON.
        request_id: the server's id of the request, to be found in its logs.
    """

    def __init__(self, response: httpx.Response) -> None:
        body = _json_object(response)
        self.status = response.status_code
        self.code: str | None = body.get("code") or body.get("error_type")
        self.detail: Any = body.get("detail")
        self.request_id: str | None = response.headers.get("x-request-id")
        super().__init__(self._describe(response), request=response.request, response=response)

    def _describe(self, response: httpx.Response) -> str:
        text = f"{self.status} {response.reason_phrase} for {response.request.method} {response.request.url}"
        if self.detail:
            text += f": {_describe_detail(self.detail)}"
        return f"{text} (request id {self.request_id})" if self.request_id else text


def raise_for_error(response: httpx.Response) -> None:
    """Raise for an answer whose body was read.

    Raises:
        ServerStatusError: the status is 400 or more.
    """
    if response.status_code >= 400:
        raise ServerStatusError(response)


def unavailable(error: Exception, *, base_url: str, heeds_environment: bool = False) -> RemoteServerUnavailableError:
    """Return the clients' own error for one of `TRANSPORT_ERRORS`; the message names the server and the kind.

    Args:
        error: what httpx raised.
        base_url: the server.
        heeds_environment: whether the proxies of the environment were used, so that the message may name one.
    """
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        message = f"Failed to connect to {base_url}"
        if heeds_environment and (proxy := environment_proxy(base_url)):
            message += f" through the proxy {proxy} (set in the environment; a server named in NO_PROXY needs none)"
    elif isinstance(error, httpx.PoolTimeout):
        message = f"No connection to {base_url} became free in time"
    elif isinstance(error, httpx.TimeoutException):
        message = f"{base_url} did not answer in time"
    else:
        message = f"The connection to {base_url} was dropped"
    return RemoteServerUnavailableError(f"{message}: {_reason(error)}", base_url, error)


def was_sent(error: RemoteServerUnavailableError) -> bool:
    """Say whether a request that failed so may have reached the server; without a connection it has not."""
    return not isinstance(
        error.original_error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    )


def timed_out(error: RemoteServerUnavailableError) -> bool:
    """Say whether the server was merely silent for too long, so that it may still be at work."""
    return isinstance(error.original_error, (httpx.ReadTimeout, httpx.WriteTimeout))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _describe_detail(detail: Any) -> str:
    if isinstance(detail, list):
        return "; ".join(_describe_issue(issue) for issue in detail)
    return detail if isinstance(detail, str) else json.dumps(detail)


def _describe_issue(issue: Any) -> str:
    if not isinstance(issue, dict):
        return str(issue)
    return f"{'.'.join(str(part) for part in issue.get('loc') or ())}: {issue.get('msg')}"
