"""A store that is measured: how it is filled, asked and stopped."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.processes import ServerProcess
from benchmarks.records.operations import Operation, Request

SERAI = "Serai"
NONE = "none"
_TIMEOUT_S = 300


class StoreError(Exception):
    """A store answered something that cannot be measured."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as one wants it in a script."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Store(Protocol):
    """A server with its database.

    Attributes:
        name: in tables.
        server: its process.
        dsn: its database.
        lacks: operations that it does not have, or not whole, with the reason.
    """

    name: str
    server: ServerProcess
    dsn: str
    lacks: Mapping[Operation, str]

    def load(self, rows: int) -> None:
        """Fill the store with the rows of the dataset; its server runs."""

    def request(self, operation: Operation, index: int) -> Request | None:
        """Return the request of that number, None when the store has no such operation or no more of them."""

    def count_open(self) -> int:
        """Ask the store how many records of the collection are open and of the first region."""


def call(server: ServerProcess, request: Request) -> Answer:
    """Send one request over a connection of its own.

    Raises:
        StoreError: the answer is not 200 or 201.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_S)
    headers = dict(request.headers)
    if request.body:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(request.method, request.path, body=request.body or None, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 201):
            raise StoreError(f"{request.method} {request.path} answered {answer.status}: {body[:500]!r}")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
    finally:
        connection.close()
