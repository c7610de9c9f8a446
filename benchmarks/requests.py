"""HTTP requests as they are sent by hand, one over a connection of its own, or by the load generator."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.processes import ServerProcess

_TIMEOUT_S = 300
_ACCEPTED = (200, 201, 204)


class RequestError(Exception):
    """A server answered something that cannot be measured."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; the body, when there is one, is JSON unless a header says otherwise."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, host: str) -> bytes:
        """Return the request as it goes over a connection that is kept."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            if not any(name == "Content-Type" for name, _ in self.headers):
                lines.append("Content-Type: application/json")
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as one wants it in a script."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def call(server: ServerProcess, request: Request, *, timeout_s: float = _TIMEOUT_S) -> Answer:
    """Send one request over a connection of its own.

    Raises:
        RequestError: the answer is not 200, 201 or 204.
        TimeoutError: nothing has come for so long.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    json_type = {"Content-Type": "application/json"} if request.body else {}
    headers = {**json_type, **dict(request.headers)}
    try:
        connection.request(request.method, request.path, body=request.body or None, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in _ACCEPTED:
            raise RequestError(f"{request.method} {request.path} answered {answer.status}: {body[:500]!r}")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
    finally:
        connection.close()
