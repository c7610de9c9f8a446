"""Fills a database with one of everything and dumps it: a fixture for all later versions. Not a test itself.

At the end of a release, once: ``uv run python -m tests.migration.stored tests/migration/fixtures/VERSION.dump``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from serai.demo import build_demo
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.storage.backup import back_up
from tests.hosting import serving
from tests.postgres import PostgresServer, fresh_database, running_server

RUN_ID = "fixture-run"
SESSION_ID = "fixture-session"
NOTE = "Note: buy milk \u2028 and \x00 nothing"
RECORD = {"name": "Ada", "age": 36, "big": 12345678901234567890, "tags": ["x", None, 1.5]}
PLACE = {"deployment_name": "_public", "collection": "people"}
RECORDS = "/api/v1/beta/agent-data"
RUNS = "/agents/my-agent/runs"


@asynccontextmanager
async def demo_on(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run the demo OS on a database."""
    os: AgentOS = build_demo(Settings(database_url=SecretStr(dsn)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def fill(dsn: str) -> None:
    """Store runs with tools, state and history, a run that waits, and a record."""
    async with demo_on(dsn) as client:
        form = {"session_id": SESSION_ID, "user_id": "ada", "session_state": '{"k":1}', "metadata": '{"m":[1]}'}
        for run_id, message in ((RUN_ID, NOTE), ("fixture-sum", "What is 2 + 2?")):
            response = await client.post(RUNS, data={"message": message, "run_id": run_id, "stream": "true", **form})
            response.raise_for_status()
        (await client.post(RECORDS, json={**PLACE, "data": RECORD})).raise_for_status()


async def store(server: PostgresServer, target: Path) -> None:
    """Fill a database and dump it."""
    async with fresh_database(server) as dsn:
        await fill(dsn)
        await back_up(dsn, target)


if __name__ == "__main__":
    with running_server("16") as oldest:  # a dump of the older PostgreSQL can be read by both
        asyncio.run(store(oldest, Path(sys.argv[1])))
