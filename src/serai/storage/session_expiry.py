"""Sessions that nobody has used for long: counted, and removed with their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import groupby
from typing import Final

from serai.storage.connection import Database
from serai.storage.sessions import remove_sessions

_AT_A_TIME: Final = 100
_MOST: Final = 100_000

_COUNT = "select count(*) from sessions where updated_at < $1 and active_run_key is null"
_EXPIRED = """
select project_id, id from sessions where updated_at < $1 and active_run_key is null
order by project_id, id limit $2"""
# Of these, those that are still as they were found.
_STILL = """
select id from sessions
where project_id = $1 and id = any($2::text[]) and updated_at < $3 and active_run_key is null
order by id for update"""


async def count_expired(database: Database, *, before: datetime) -> int:
    """Return how many sessions of all projects were not used since a time. Cost: reads each session's row."""
    counted: int = await database.fetchval(_COUNT, before)
    return counted


async def remove_expired(database: Database, *, before: datetime) -> AsyncIterator[int]:
    """Remove sessions of all projects that were not used since a time, with their runs; yield how many each time.

    Some at a time, each time in a transaction; safe to stop and to repeat. What they have added to the totals of days
    stays.
    """
    while found := await database.fetch(_EXPIRED, before, _MOST):
        for project_id, rows in groupby(found, key=lambda row: row["project_id"]):
            ids = [row["id"] for row in rows]
            for start in range(0, len(ids), _AT_A_TIME):
                yield await _remove(database, project_id, ids[start : start + _AT_A_TIME], before)
        if len(found) < _MOST:
            break


async def _remove(database: Database, project_id: str, session_ids: list[str], before: datetime) -> int:
    async with database.transaction() as connection:
        still = [row["id"] for row in await connection.fetch(_STILL, project_id, session_ids, before)]
        return len(await remove_sessions(connection, project_id, still))
