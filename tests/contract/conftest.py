"""A database that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosting import shared_database
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def shared_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a migrated database for the tests of one module, which keep apart by projects of their own."""
    with shared_database(postgres_server) as dsn:
        yield dsn
