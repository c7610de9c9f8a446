"""Fixtures for all suites, the report by suite, and the safety net."""

from __future__ import annotations

import sys

import pytest
import structlog

from tests.fixtures_nursery import launcher
from tests.fixtures_postgres import database, database_url, postgres_server
from tests.leftovers import Leftovers
from tests.suites import SuiteReport

__all__ = ["database", "database_url", "launcher", "postgres_server"]


_FIRST = ("test_pythons.py", "acceptance", "compat", "integration")
"""Files and suites that take long: the workers begin with them, and end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, part in enumerate(_FIRST) if part in item.path.parts), len(_FIRST))

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    # By itself structlog has rich draw the variables of each frame of an error: seconds for one of a model's. And it
    # writes to standard output, which may be a command's.
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )
    config.pluginmanager.register(Leftovers(), "serai-leftovers")
    config.pluginmanager.register(SuiteReport(), "serai-suites")
