"""A store that is measured: how it is filled, asked and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from benchmarks.processes import ServerProcess
from benchmarks.records.operations import Operation
from benchmarks.requests import Request

SERAI = "Serai"
NONE = "none"


class StoreError(Exception):
    """A store answered something that cannot be measured."""


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
