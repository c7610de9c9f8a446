"""Integration tests run on every PostgreSQL that Serai brings along."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer, running_server

_ASKED = os.environ.get("SERAI_TEST_POSTGRES")


@pytest.fixture(scope="session", params=[_ASKED] if _ASKED else ["18", "16"])
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One PostgreSQL of each version for all integration tests."""
    with running_server(request.param) as server:
        yield server
