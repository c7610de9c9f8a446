"""Fixtures for all suites."""

from __future__ import annotations

from tests.fixtures_postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]
