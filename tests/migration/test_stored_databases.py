"""A database stored by each earlier version is brought up to date, and all that was in it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serai.storage.backup import restore
from serai.storage.migrate import migrate, migration_status
from tests.migration.stored import NOTE, PLACE, RECORD, RECORDS, RUN_ID, RUNS, SESSION_ID, demo_on
from tests.postgres import PostgresServer, empty_database

FIXTURES = sorted(Path(__file__).parent.joinpath("fixtures").glob("*.dump"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
async def stored_database(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The database of an earlier version, migrated."""
    async with empty_database(postgres_server) as dsn:
        await restore(dsn, request.param)
        await migrate(dsn)
        yield dsn


def test_there_is_a_stored_database():
    assert FIXTURES


async def test_the_ledger_is_complete_and_a_second_migration_does_nothing(stored_database: str):
    assert not (await migration_status(stored_database)).pending
    assert await migrate(stored_database) == []


async def test_runs_and_their_events_are_there_and_the_session_goes_on(stored_database: str):
    async with demo_on(stored_database) as client:
        run = (await client.get(f"{RUNS}/{RUN_ID}")).json()
        assert (run["status"], run["user_id"]) == ("COMPLETED", "ada")
        assert run["tools"][0]["tool_name"] == "take_note"
        events = (await client.get(f"{RUNS}/{RUN_ID}/events")).text
        assert events.count("event: RunStarted") == events.count("event: RunCompleted") == 1
        form = {"message": "Show my notes", "session_id": SESSION_ID, "user_id": "ada", "stream": "false"}
        later = (await client.post(RUNS, data=form)).json()
        assert "buy milk" in later["content"]
        assert later["session_state"]["k"] == 1


async def test_records_are_there(stored_database: str):
    async with demo_on(stored_database) as client:
        page = (await client.post(f"{RECORDS}/:search", json=PLACE)).json()
        assert [item["data"] for item in page["items"]] == [RECORD]


async def test_sessions_are_listed_and_found_by_their_first_message(stored_database: str):
    async with demo_on(stored_database) as client:
        session = (await client.get(f"/sessions/{SESSION_ID}")).json()
        assert (session["user_id"], session["session_name"]) == ("ada", NOTE.replace("\0", "\ufffd"))
        assert session["chat_history"][0]["content"] == NOTE
        for query in ("", "?session_name=BUY+Milk", "?user_id=ada"):
            listed = (await client.get(f"/sessions{query}")).json()["data"]
            assert SESSION_ID in [item["session_id"] for item in listed], query
