"""Sessions that nobody has used for long go, some at a time; what is used, or is just being used again, stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from serai.storage.connection import Database
from serai.storage.metrics import MetricsStore
from serai.storage.runs import RunStore
from serai.storage.session_expiry import count_expired, remove_expired
from tests.run_values import finish_of, new_run, submit, until_locked

NODE = "n"
LONG_AGO = datetime.now(UTC) - timedelta(days=30)
AGE_ALL = "update sessions set updated_at = now() - interval '31 days'"
LEFT = "select array_agg(id order by id) from sessions"


async def remove(database: Database) -> list[int]:
    return [rows async for rows in remove_expired(database, before=LONG_AGO)]


async def test_old_sessions_go_with_their_runs_and_stay_counted(database: Database):
    runs, metrics = RunStore(database), MetricsStore(database)
    for project_id, session_id in (("p", "old"), ("p", "busy"), ("p", "new"), ("q", "old")):
        (record,) = await submit(runs, new_run(session_id, project_id=project_id, node_id=NODE))
        if session_id != "busy":
            await runs.finish([finish_of(record)], node_id=NODE)
    await database.execute(f"{AGE_ALL} where id <> 'new'")
    before = await metrics.read_days("p")
    assert await count_expired(database, before=LONG_AGO) == 2
    assert await remove(database) == [1, 1]
    assert await database.fetchval(LEFT) == ["busy", "new"]
    assert await database.fetchval("select array_agg(session_id order by session_id) from runs") == ["busy", "new"]
    assert [day.counts for day in await metrics.read_days("p")] == [day.counts for day in before]
    assert await count_expired(database, before=LONG_AGO) == 0
    assert await remove(database) == []


async def test_many_go_some_at_a_time(database: Database):
    await database.execute(
        "insert into sessions (project_id, id, kind, updated_at) "
        "select 'p', 's' || n, 'agent', now() - interval '31 days' from generate_series(1, 250) as n"
    )
    assert await remove(database) == [100, 100, 50]


async def test_a_session_that_is_used_again_meanwhile_stays(database: Database):
    await submit(RunStore(database), new_run("s"))
    await database.execute(f"{AGE_ALL}, active_run_key = null")
    async with database.transaction() as connection:
        await connection.execute("update sessions set updated_at = now()")
        removing = asyncio.create_task(remove(database))
        await until_locked(database)
    assert await removing == [0]
    assert await database.fetchval(LEFT) == ["s"]
