"""The fixtures ``postgres_server``, ``database_url`` and ``database``: import them in a conftest.py to use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from serai.storage.connection import Database
from tests.postgres import PostgresServer, fresh_database, running_server
from tests.run_values import open_database


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole test run, of the version in SERAI_TEST_POSTGRES (default 18)."""
    with running_server() as server:
        yield server


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The DSN of a migrated database of the test's own."""
    async with fresh_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections to a migrated database of the test's own."""
    async with open_database(database_url) as opened:
        yield opened
