"""The totals of days: what counts when, exact under concurrency, and the same when they are computed anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.run_state import RunStatus
from serai.domain.runs import RunRecord
from serai.domain.sessions import SessionQuestion
from serai.domain.usage import used
from serai.storage.connection import Database
from serai.storage.metrics import DayTotals, MetricsStore, ModelTotals, fold_all, forget_user, keep_totals
from serai.storage.runs import RunStore
from serai.storage.sessions import SessionStore
from tests.run_values import finish_of, new_run, open_database

NODE = "n"
TODAY = datetime.now(UTC).date


@asynccontextmanager
async def stores(dsn: str) -> AsyncIterator[tuple[Database, RunStore, MetricsStore]]:
    async with open_database(dsn) as database:
        await database.execute(
            "truncate runs, sessions, session_names, usage_deltas, session_counts, session_days, metrics_days, "
            "metrics_models, metrics_kept_days, metrics_kept_models"
        )
        yield database, RunStore(database), MetricsStore(database)


async def begin(store: RunStore, session_id: str = "s", /, **members: Any) -> RunRecord:
    submitted = (await store.submit([new_run(session_id, node_id=NODE, **members)]))[0]
    assert submitted is not None
    return submitted.record


async def end(store: RunStore, record: RunRecord, **members: Any) -> None:
    given = {"usage": used("m", "p", {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}, 0.1)} | members
    assert (await store.finish([finish_of(record, **given)], node_id=NODE))[0].is_done


async def remove(database: Database, *session_ids: str) -> None:
    async with database.transaction() as connection:
        await keep_totals(connection, "p", session_ids)
        await connection.execute("delete from runs where session_id = any($1)", session_ids)
        await connection.execute("delete from sessions where id = any($1)", session_ids)


def told(days: list[DayTotals]) -> list[DayTotals]:
    """Return days without when they were written."""
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    return [replace(day, created_at=long_ago, updated_at=long_ago) for day in days]


async def test_a_run_counts_when_it_ends_with_its_tokens_and_models(database_url: str):
    async with stores(database_url) as (_, store, metrics):
        record = await begin(store, user_id="ada")
        (day,) = await metrics.read_days("p")
        assert (day.day, day.users, day.counts["agent_sessions"], day.counts["agent_runs"]) == (TODAY(), 1, 1, 0)
        await end(store, record)
        (day,) = await metrics.read_days("p")
        assert (day.counts["agent_sessions"], day.counts["agent_runs"], day.users) == (1, 1, 1)
        assert (day.tokens["input_tokens"], day.tokens["output_tokens"], day.tokens["total_tokens"]) == (2, 3, 5)
        assert (day.models, day.cost) == ([ModelTotals("m", "p", 1, 0.1)], 0.1)
        assert [each.counts["agent_runs"] for each in await metrics.read_days("p", user_id="ada")] == [1]
        assert await metrics.read_days("p", user_id="bob") == []
        assert await metrics.read_days("other") == []


async def test_a_paused_run_counts_once_with_all_it_used(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        record = await begin(store)
        await end(store, record, status=RunStatus.PAUSED, usage=used("m", "p", {"input_tokens": 1}, 0.1))
        assert (await metrics.read_days("p"))[0].counts["agent_runs"] == 0
        await database.execute(
            "update runs set status = 'RUNNING', node_id = 'n', segment = 1 where key = $1", record.key
        )
        usage = [*used("m", "p", {"input_tokens": 4}, 0.2), *used("big", "p", {"input_tokens": 8})]
        await end(store, replace(record, segment=1), usage=usage)
        (day,) = await metrics.read_days("p")
        assert (day.counts["agent_runs"], day.tokens["input_tokens"]) == (1, 13)
        assert day.models == [ModelTotals("big", "p", 1, None), ModelTotals("m", "p", 1, 0.3)]
        assert day.cost == 0.3
        assert told(await metrics.refresh("p")) == told([day])


async def test_a_run_counts_on_the_day_it_ends_and_its_session_on_the_day_it_was_made(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        record = await begin(store, user_id="ada")
        await database.execute("update sessions set created_at = created_at - interval '1 day'")
        await database.execute("update runs set created_at = created_at - interval '1 day'")
        await database.execute("update usage_deltas set day = day - 1")
        await end(store, record)
        made, ended = days = told(await metrics.read_days("p"))
        assert (made.day, ended.day) == (TODAY() - timedelta(1), TODAY())
        assert [(day.counts["agent_sessions"], day.counts["agent_runs"], day.users) for day in days] == [
            (1, 0, 1),
            (0, 1, 1),
        ]
        assert [day.tokens["total_tokens"] for day in days] == [0, 5]
        assert told(await metrics.refresh("p")) == days


async def test_nobody_waits_for_the_totals_but_those_who_read_them(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        await end(store, await begin(store, "s1"))
        await metrics.fold()
        async with database.transaction() as connection, asyncio.timeout(10):
            await connection.execute("lock table metrics_days, metrics_models, session_counts in exclusive mode")
            await end(store, await begin(store, "s2"))
            sessions = SessionStore(database)
            page = await sessions.page(SessionQuestion(project_id="p"))
            assert ({record.id for record in page.records}, page.total) == ({"s1", "s2"}, 2)
            await sessions.delete("p", ["s1"])
            assert (await sessions.page(SessionQuestion(project_id="p"))).total == 1
        (day,) = await metrics.read_days("p")
        assert (day.counts["agent_sessions"], day.counts["agent_runs"]) == (2, 2)


async def test_days_are_bounded_on_both_sides(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        for n in range(3):
            await begin(store, f"s{n}")
            await database.execute(
                "update usage_deltas set day = day - $1::int where day = now()::date", 2 - n if n < 2 else 0
            )
            await metrics.fold()
        today = TODAY()
        days = await metrics.read_days("p", first=today - timedelta(1), last=today - timedelta(1))
        assert [day.day for day in days] == [today - timedelta(1)]
        assert len(await metrics.read_days("p", last=date(2000, 1, 1))) == 0


async def test_many_nodes_fold_at_once_and_nothing_is_lost_or_counted_twice(database_url: str):
    async with stores(database_url) as (_, store, metrics), open_database(database_url) as second:
        others = MetricsStore(second)

        async def work(n: int) -> None:
            record = await begin(store, f"s{n}", user_id=f"u{n % 3}")
            await asyncio.gather(metrics.fold_some(), others.fold_some())
            await end(store, record)
            await asyncio.gather(others.fold(), metrics.fold())

        await asyncio.gather(*(work(n) for n in range(20)))
        (day,) = await metrics.read_days("p")
        assert (day.counts["agent_sessions"], day.counts["agent_runs"], day.users) == (20, 20, 3)
        assert (day.tokens["total_tokens"], day.models) == (100, [ModelTotals("m", "p", 20, 2.0)])


async def test_a_fold_ends_though_there_is_always_more_to_fold(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        await database.execute(
            "create function begin_another() returns trigger language plpgsql as $$ begin "
            "insert into usage_deltas (project_id, day, kind, sessions) values ('p', now(), 'agent', 1); "
            "return null; end $$"
        )
        await database.execute(
            "create trigger busy after delete on usage_deltas for each statement execute function begin_another()"
        )
        await begin(store)
        async with asyncio.timeout(5):
            (day,) = await metrics.read_days("p")
        assert day.counts["agent_sessions"] == 1


async def test_a_burst_of_deltas_leaves_nothing_that_lists_would_pass(database_url: str):
    async with stores(database_url) as (database, _, metrics):
        await database.execute(
            "insert into usage_deltas (project_id, day, kind, sessions, listed) "
            "select 'p', current_date, 'agent', 1, 1 from generate_series(1, 3000)"
        )
        assert await database.fetchval("select pg_relation_size('usage_deltas')") > 0
        assert await metrics.fold_some() == 3000
        assert await database.fetchval("select pg_relation_size('usage_deltas')") == 0


async def test_what_is_removed_stays_counted(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        await end(store, await begin(store, "s1", user_id="ada"))
        await end(store, await begin(store, "s2", user_id="bob"))
        before = told(await metrics.read_days("p"))
        await remove(database, "s1")
        assert told(await metrics.read_days("p")) == before
        assert told(await metrics.refresh("p")) == before


async def test_tokens_outside_of_runs_count_and_are_no_runs(database_url: str):
    async with stores(database_url) as (_, store, metrics):
        await end(store, await begin(store, user_id="ada"))
        usage = used("judge", "p", {"input_tokens": 7, "output_tokens": 1, "total_tokens": 8}, 0.5)
        await metrics.add_usage("p", usage, kind="agent", component_id="helper", user_id="ada")
        (day,) = before = told(await metrics.read_days("p"))
        assert (day.counts["agent_runs"], day.tokens["total_tokens"], day.cost) == (1, 13, 0.6)
        assert day.models == [ModelTotals("m", "p", 1, 0.1)]
        assert told(await metrics.refresh("p")) == before
        assert (await metrics.read_days("p", user_id="ada"))[0].tokens["input_tokens"] == 9
        await metrics.add_usage("p", usage, kind="agent", component_id="helper", user_id="erased")
        assert await metrics.read_days("p", user_id="erased") == []
        assert (await metrics.read_days("p"))[0].tokens["total_tokens"] == 21


async def test_a_users_name_leaves_the_totals_and_the_totals_stay(database_url: str):
    async with stores(database_url) as (database, store, metrics):
        await end(store, await begin(store, "s1", user_id="ada"))
        await end(store, await begin(store, "s2", user_id="bob"))
        before = told(await metrics.read_days("p"))
        await remove(database, "s1")
        async with database.transaction() as connection:
            await fold_all(connection)
            removed = await forget_user(connection, "p", "ada")
        assert removed["metrics_days"] == 1
        for table in ("metrics_days", "metrics_models", "metrics_kept_days", "metrics_kept_models", "session_counts"):
            assert await database.fetchval(f"select count(*) from {table} where user_id = 'ada'") == 0
        assert await metrics.read_days("p", user_id="ada") == []
        assert told(await metrics.read_days("p")) == before
        assert told(await metrics.refresh("p")) == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "end", "pause", "remove", "spend", "fold", "refresh"]),
        st.integers(min_value=0, max_value=3),
        st.sampled_from([None, "ada", "bob"]),
    ),
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_totals_computed_anew_agree_whatever_happened(steps: list[tuple[str, int, str | None]], database_url: str):
    asyncio.run(_agree(database_url, steps))


async def _agree(dsn: str, steps: list[tuple[str, int, str | None]]) -> None:
    async with stores(dsn) as (database, store, metrics):
        running: dict[str, RunRecord] = {}
        kinds = ["agent", "team", "workflow", "agent"]

        async def begin_or_not(session_id: str, n: int, user_id: str | None) -> None:
            if session_id not in running:
                submitted = (await store.submit([new_run(session_id, node_id=NODE, kind=kinds[n], user_id=user_id)]))[0]
                if submitted is not None and submitted.is_claimed:
                    running[session_id] = submitted.record

        async def end_one(session_id: str, n: int, _user: str | None) -> None:
            if session_id in running:
                tokens = {"input_tokens": n + 1, "reasoning_tokens": n}
                await end(store, running.pop(session_id), usage=used(f"m{n % 2}", None, tokens))

        async def pause_one(session_id: str, _n: int, _user: str | None) -> None:
            if session_id in running:
                await end(store, running.pop(session_id), status=RunStatus.PAUSED)

        async def remove_one(session_id: str, _n: int, _user: str | None) -> None:
            running.pop(session_id, None)
            await remove(database, session_id)

        acts: dict[str, Callable[[str, int, str | None], Any]] = {
            "begin": begin_or_not,
            "end": end_one,
            "pause": pause_one,
            "remove": remove_one,
            "spend": lambda _, n, user_id: metrics.add_usage(
                "p", used("m", None, {"input_tokens": n}), kind=kinds[n], component_id="c", user_id=user_id
            ),
            "fold": lambda *_: metrics.fold(),
            "refresh": lambda *_: metrics.refresh("p"),
        }
        for name, n, user_id in steps:
            await acts[name](f"s{n}", n, user_id)
        folded = told(await metrics.read_days("p"))
        of_users = {name: told(await metrics.read_days("p", user_id=name)) for name in ("ada", "bob")}
        assert told(await metrics.refresh("p")) == folded
        assert {name: told(await metrics.read_days("p", user_id=name)) for name in of_users} == of_users
        listed = Counter(
            {
                row["kind"]: row["sessions"]
                for row in await database.fetch(
                    "select kind, sessions from session_counts "
                    "where kind is not null and user_id is null and component_id is null"
                )
            }
        )
        there = Counter(row["kind"] for row in await database.fetch("select kind from sessions"))
        assert +listed == +there
