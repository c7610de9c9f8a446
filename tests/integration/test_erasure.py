"""Erasing a user on a real PostgreSQL: what is others' stays whole, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serai.domain.json_text import dump_json
from serai.domain.search_text import PIECES_END, fold, pieces_of
from serai.domain.sessions import NewSession, SessionQuestion
from serai.domain.usage import used
from serai.storage.connection import Connection, Database
from serai.storage.erasure import erase_user
from serai.storage.metrics import MetricsStore
from serai.storage.runs import RunStore
from serai.storage.sessions import SessionStore
from tests.run_values import finish_of, new_run, submit

NODE = "n"
HOLD_TOTALS = "select pg_advisory_xact_lock(hashtextextended('serai-metrics', 0))"
IS_WAITED_FOR = "select exists(select from pg_locks where not granted)"


async def run(database: Database, session_id: str, message: str, **members: Any) -> None:
    """Leave a run that has ended, of 2 tokens in and 3 out."""
    store, folded = RunStore(database), fold(message)
    named = {"title": message, "folded": folded, "pieces": PIECES_END.join(pieces_of(folded))}
    new = new_run(session_id, input=dump_json({"message": message}), node_id=NODE, **named, **members)
    (record,) = await submit(store, new)
    usage = used("m", "p", {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5})
    assert (await store.finish([finish_of(record, usage=usage)], node_id=NODE))[0].is_done


@asynccontextmanager
async def erasing(database: Database, lock: str, *args: Any) -> AsyncIterator[Connection]:
    """Erase ada, who waits for a lock while the block runs on the connection that has it."""
    async with database.transaction() as connection:
        await connection.execute(lock, *args)
        erasure = asyncio.create_task(erase_user(database, "p", "ada"))
        async with asyncio.timeout(5):
            while not await connection.fetchval(IS_WAITED_FOR):  # noqa: ASYNC110 - in the database
                await asyncio.sleep(0.005)
        yield connection
    await erasure


async def check_totals(database: Database) -> None:
    """Compare the counts of lists with what there is, and the totals of days with those computed anew."""
    metrics = MetricsStore(database)
    told = [(day.counts, day.users, day.tokens, day.models) for day in await metrics.read_days("p")]
    anew = [(day.counts, day.users, day.tokens, day.models) for day in await metrics.refresh("p")]
    assert anew == told
    sessions = await database.fetch("select user_id, kind, component_id from sessions")
    for user_id in (None, "ada", "bob"):
        for component_id in (None, "helper"):
            asked: dict[str, Any] = {"user_id": user_id, "component_id": component_id}
            there = [row for row in sessions if all(value in (None, row[name]) for name, value in asked.items())]
            page = await SessionStore(database).page(SessionQuestion(project_id="p", **asked))
            assert page.total == len(page.records) == len(there), asked


async def test_a_session_that_others_use_too_goes_on_with_their_runs(database: Database):
    store = SessionStore(database)
    nothing: dict[str, Any] = dict.fromkeys(("user_id", "component_id", "name", "state", "metadata"))
    await store.create(NewSession(project_id="p", id="s", kind="agent", **nothing))
    for user_id, message in (("ada", "Adas wish"), ("bob", "Bobs wish"), (None, "Anybodys wish")):
        await run(database, "s", message, user_id=user_id)

    await erase_user(database, "p", "ada")
    detail = await store.get("p", "s")
    assert detail is not None
    assert (detail.record.title, detail.record.has_runs) == ("Bobs wish", True)
    assert (detail.record.input_tokens, detail.record.output_tokens) == (4, 6)
    assert detail.usage.count("input_tokens") == 2
    assert (await store.page(SessionQuestion(project_id="p", text="bobs"))).total == 1
    assert (await store.page(SessionQuestion(project_id="p", text="adas"))).total == 0
    await check_totals(database)
    await run(database, "s", "More", user_id="bob", kind="team", component_id="crew")
    await check_totals(database)
    await store.delete("p", ["s"])
    assert await database.fetchval("select count(*) from runs") == 0
    await check_totals(database)


async def test_a_session_that_becomes_anothers_meanwhile_stays(database: Database):
    await run(database, "s", "Adas wish", user_id="ada")
    await database.execute("update sessions set user_id = null")
    async with erasing(database, "select from sessions for update") as connection:
        await connection.execute("create temporary table more as select * from runs")
        await connection.execute("update more set key = gen_random_uuid(), id = 'b', user_id = 'bob', position = 2")
        await connection.execute("update more set root_key = key")
        await connection.execute("insert into runs select * from more")
        await connection.execute("drop table more")
    assert [row["user_id"] for row in await database.fetch("select user_id from runs")] == ["bob"]
    assert await database.fetchval("select count(*) from sessions") == 1


async def test_a_user_who_comes_back_meanwhile_is_erased_once_more(database: Database):
    await run(database, "s", "Adas wish", user_id="ada")
    await run(database, "other", "Bobs wish", user_id="bob")
    async with erasing(database, HOLD_TOTALS):
        await run(database, "again", "Adas wish", user_id="ada")
    assert await database.fetchval("select count(*) from sessions where user_id = 'ada'") == 0
    await check_totals(database)


async def test_runs_without_a_session_are_erased_too(database: Database):
    await run(database, "s", "Adas wish", user_id="ada")
    await database.execute("delete from sessions")
    assert (await erase_user(database, "p", "ada"))["runs"] == 1
    assert await database.fetchval("select count(*) from runs") == 0
