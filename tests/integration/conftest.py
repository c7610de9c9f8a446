"""Integration tests run on every PostgreSQL that Serai brings along, those marked `one_postgres` on the newest only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.hosting import shared_database
from tests.postgres import PostgresServer, running_server

_ASKED = os.environ.get("SERAI_TEST_POSTGRES")
_VERSIONS = (_ASKED,) if _ASKED else ("18", "16")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Say on which versions a test runs."""
    if "postgres_server" in metafunc.fixturenames:
        is_once = metafunc.definition.get_closest_marker("one_postgres") is not None
        metafunc.parametrize("postgres_server", _VERSIONS[: 1 if is_once else None], indirect=True, scope="session")


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[str], PostgresServer]]:
    """Start a PostgreSQL of each version that is asked for, once: the tests of each file go from one to the other."""
    with ExitStack() as running:
        yield cache(lambda version: running.enter_context(running_server(version)))


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest, _servers: Callable[[str], PostgresServer]) -> PostgresServer:
    """One PostgreSQL of each version for all integration tests."""
    return _servers(request.param)


@pytest.fixture(scope="module")
def shared_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database that the tests of a file share."""
    with shared_database(postgres_server) as dsn:
        yield dsn
