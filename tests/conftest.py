"""Fixtures for all suites, the report by suite, and the safety net."""

from __future__ import annotations

import pytest

from tests.fixtures_postgres import database_url, postgres_server
from tests.leftovers import Leftovers
from tests.suites import SuiteReport

__all__ = ["database_url", "postgres_server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``-n``, keep the tests of a file together, and those that kill and time processes in one worker."""
    for item in items:
        suite = item.path.parent
        together = suite if suite.name == "acceptance" else item.path
        item.add_marker(pytest.mark.xdist_group(str(together)))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Leftovers(), "serai-leftovers")
    config.pluginmanager.register(SuiteReport(), "serai-suites")
