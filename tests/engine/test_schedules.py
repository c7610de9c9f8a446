"""Schedules on a real PostgreSQL: each time starts one run, whichever nodes look and wherever they are cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome, RunRecord
from serai.domain.schedules import MOST_MADE_UP, Misfire, ScheduleRecord, ScheduleSpec, next_fire, run_id_at
from serai.engine.active_run import ActiveRun, RestingRun
from serai.engine.engine import Engine, EngineOptions, RunRequest
from serai.engine.schedules import Scheduler
from serai.errors import ConflictError, DatabaseUnavailableError, NotFoundError
from serai.server.schedules import declare
from serai.storage.connection import Database
from serai.storage.schedules import ScheduleStore, read_clock
from tests.run_values import open_database, until

BELL = ("agent", "bell")
FAR_AWAY = "0 0 29 2 *"


@pytest.fixture
def store(database: Database) -> ScheduleStore:
    return ScheduleStore(database)


class Bell:
    """A component that rings once."""

    kind, id = BELL
    max_concurrency = None

    def begin(self, run: ActiveRun) -> Ringing:
        return Ringing(run.record)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        return True

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        return outcome(run.record, RunStatus.CANCELLED)


class Ringing:
    def __init__(self, record: RunRecord) -> None:
        self.record = record

    async def execute(self) -> Outcome:
        return outcome(self.record, RunStatus.COMPLETED)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        return outcome(self.record, RunStatus.ERROR)

    def cancel(self) -> Outcome:
        return outcome(self.record, RunStatus.CANCELLED)


def outcome(record: RunRecord, status: RunStatus) -> Outcome:
    name = f"Run{status.value.title()}"
    return Outcome(status=status, output={"run_id": record.id}, last_event=(name, {"event": name}))


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[Engine]:
    engine = Engine(database, [Bell()], options=EngineOptions(lease_s=2))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@asynccontextmanager
async def firing(database: Database, engine: Engine, **options: Any) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(database, engine.components, submit=engine.submit, **options)
    scheduler.start()
    try:
        yield scheduler
    finally:
        await scheduler.stop()


def spec_of(name: str = "mornings", **members: Any) -> ScheduleSpec:
    given: dict[str, Any] = {
        "name": name,
        "description": None,
        "kind": BELL[0],
        "component_id": BELL[1],
        "cron": FAR_AWAY,
        "timezone": "UTC",
        "input": b'{"message":"hi"}',
        "session_id": None,
        "user_id": None,
        "misfire": Misfire.ONCE,
        "misfire_grace_s": 60.0,
        "is_paused": False,
    }
    return ScheduleSpec(**(given | members))


async def add(database: Database, name: str = "mornings", **members: Any) -> ScheduleRecord:
    store, spec = ScheduleStore(database), spec_of(name, **members)
    async with database.transaction() as connection:
        next_at = next_fire(spec, kept=None, now=await read_clock(connection))
        record = await store.create(connection, "p", spec, next_at=next_at)
    assert record is not None
    return record


async def make_due(database: Database, *, ago: str = "1 second") -> None:
    """Have all schedules been due for so long."""
    await database.execute(f"update schedules set next_fire_at = date_trunc('second', now()) - interval '{ago}'")


async def refreshed(store: ScheduleStore, record: ScheduleRecord) -> ScheduleRecord:
    found = await store.find(record.project_id, str(record.id))
    assert found is not None
    return found


async def started(database: Database) -> list[str]:
    return [row["id"] for row in await database.fetch("select id from runs order by created_at")]


async def test_a_due_schedule_starts_its_run_and_is_due_again_later(database: Database, store: ScheduleStore):
    record = await add(database, session_id="s", user_id="ada")
    await make_due(database)
    due = await refreshed(store, record)
    assert due.next_fire_at is not None
    async with running(database) as engine, firing(database, engine):
        run_id = run_id_at(record.id, due.next_fire_at)
        await until(database, "select true from runs where id = $1 and status = 'COMPLETED'", run_id)
        await until(database, "select last_run_id is not null from schedules")
    after = await refreshed(store, record)
    assert (after.last_run_id, after.last_fire_at, after.last_error) == (run_id, due.next_fire_at, None)
    assert after.next_fire_at == record.next_fire_at
    (run,), total = await store.list_runs(after, limit=10, offset=0)
    assert (run.run_id, run.session_id, run.user_id, run.status, total) == (run_id, "s", "ada", RunStatus.COMPLETED, 1)
    assert not run.is_manual


async def test_a_schedule_fires_when_its_time_comes_without_being_told(database: Database):
    await add(database)
    await database.execute("update schedules set next_fire_at = now() + interval '300 milliseconds'")
    async with running(database) as engine, firing(database, engine):
        await until(database, "select true from schedules where last_run_id is not null")
    assert await database.fetchval("select created_at - fire_at < interval '2 seconds' from runs, schedule_runs")


async def test_nodes_that_look_at_once_start_each_run_once(database: Database, database_url: str):
    for number in range(50):
        await add(database, f"s{number}")
    await make_due(database)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            own = await stack.enter_async_context(open_database(database_url))
            engine = await stack.enter_async_context(running(own))
            await stack.enter_async_context(firing(own, engine))
        await until(database, "select count(*) = 50 from schedules where last_run_id is not null", timeout_s=20)
    assert len(await started(database)) == 50
    assert await database.fetchval("select count(*) from schedule_runs") == 50


async def test_a_look_while_another_node_fires_passes_over_what_that_one_holds(database: Database):
    await add(database)
    await make_due(database)
    at_work, go = asyncio.Event(), asyncio.Event()

    async with running(database) as engine:

        async def slow(request: RunRequest) -> tuple[RunRecord, bool]:
            at_work.set()
            await go.wait()
            return await engine.submit(request)

        first = Scheduler(database, engine.components, submit=slow)
        task = asyncio.create_task(first.fire_due())
        await at_work.wait()
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 0
        go.set()
        assert await task == 1
        assert len(await started(database)) == 1


async def test_a_crash_between_run_and_schedule_neither_loses_nor_repeats_it(database: Database, store: ScheduleStore):
    record = await add(database)
    await make_due(database)
    due = (await refreshed(store, record)).next_fire_at

    async with running(database) as engine:

        async def die_after(request: RunRequest) -> tuple[RunRecord, bool]:
            await engine.submit(request)
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await Scheduler(database, engine.components, submit=die_after).fire_due()
        assert (await refreshed(store, record)).next_fire_at == due
        assert len(await started(database)) == 1
        scheduler = Scheduler(database, engine.components, submit=engine.submit)
        assert await scheduler.fire_due() == 1
        assert await scheduler.fire_due() == 0
    assert due is not None
    assert await started(database) == [run_id_at(record.id, due)]
    assert (await refreshed(store, record)).last_run_id == run_id_at(record.id, due)


async def test_what_cannot_be_stored_just_now_stays_due_and_the_rest_is_fired(database: Database, store: ScheduleStore):
    lost, fine = await add(database, "lost", user_id="x"), await add(database, "fine")
    await make_due(database)

    async with running(database) as engine:

        async def away(request: RunRequest) -> tuple[RunRecord, bool]:
            if request.user_id == "x":
                raise DatabaseUnavailableError("gone")
            return await engine.submit(request)

        with pytest.raises(DatabaseUnavailableError):
            await Scheduler(database, engine.components, submit=away).fire_due()
        assert (await refreshed(store, lost)).last_run_id is None
        assert (await refreshed(store, fine)).last_run_id is not None
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 1
        assert (await refreshed(store, lost)).last_run_id is not None


@pytest.mark.parametrize(("misfire", "runs"), [(Misfire.SKIP, 0), (Misfire.ONCE, 1), (Misfire.ALL, 30)], ids=str)
async def test_what_the_cluster_missed_follows_the_policy(
    database: Database, store: ScheduleStore, misfire: Misfire, runs: int
):
    record = await add(database, cron="0 */2 * * *", misfire=misfire, misfire_grace_s=0.0)
    await database.execute(
        "update schedules set next_fire_at = date_bin('2 hours', now(), 'epoch') - interval '58 hours'"
    )
    async with running(database) as engine:
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 1
    assert len(await started(database)) == runs
    after = await refreshed(store, record)
    assert (after.last_error is None) == (runs > 0)
    assert await database.fetchval("select next_fire_at > now() from schedules")
    assert (await store.list_runs(after, limit=10, offset=0))[1] == len(await started(database))


async def test_a_long_absence_is_made_up_for_within_bounds(database: Database):
    await add(database, cron="* * * * *", misfire=Misfire.ALL, session_id="one")
    await make_due(database, ago="400 days")
    async with running(database) as engine:
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 1
    assert len(await started(database)) == MOST_MADE_UP
    in_order = "select array_agg(id order by position) = array_agg(run_id order by fire_at)"
    assert await database.fetchval(f"{in_order} from runs join schedule_runs on id = run_id")


async def test_runs_of_one_session_take_turns_and_others_run_beside_each_other(database: Database):
    await add(database, "in turn", cron="0 * * * *", misfire=Misfire.ALL, session_id="one")
    await add(database, "beside", cron="0 * * * *", misfire=Misfire.ALL)
    await database.execute("update schedules set next_fire_at = date_trunc('hour', now()) - interval '2 hours'")
    async with running(database) as engine:
        await Scheduler(database, engine.components, submit=engine.submit).fire_due()
        await until(database, "select count(*) = 6 from runs where status = 'COMPLETED'")
    assert await database.fetchval("select count(distinct session_id) from runs") == 4


async def test_a_session_of_somebody_else_is_an_error_of_its_schedule_only(database: Database, store: ScheduleStore):
    async with running(database) as engine:
        await engine.submit(request_of(session_id="hers", user_id="her"))
        record = await add(database, session_id="hers", user_id="him")
        await make_due(database)
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 1
        after = await refreshed(store, record)
        assert (after.last_error, after.last_run_id) == ("Session not found", None)
        assert after.next_fire_at == record.next_fire_at
        with pytest.raises(NotFoundError):
            await Scheduler(database, engine.components, submit=engine.submit).fire(after, idempotency_key=None)


async def test_a_schedule_that_is_not_understood_any_more_says_so_and_rests(database: Database, store: ScheduleStore):
    record = await add(database)
    await database.execute("update schedules set timezone = 'Mars/Olympus'")
    await make_due(database)
    async with running(database) as engine:
        assert await Scheduler(database, engine.components, submit=engine.submit).fire_due() == 1
    after = await refreshed(store, record)
    assert after.next_fire_at is None
    assert "time zone" in (after.last_error or "")


async def test_a_schedule_whose_component_nobody_has_waits_and_is_reported_once(
    database: Database, store: ScheduleStore
):
    record = await add(database, component_id="gone")
    await make_due(database, ago="2 minutes")
    async with running(database) as engine:
        scheduler = Scheduler(database, engine.components, submit=engine.submit)
        assert await scheduler.fire_due() == 0
        assert await store.seconds_until_due(engine.components) is None
        await scheduler.report_overdue()
        after = await refreshed(store, record)
        assert "No node of this cluster has its component" in (after.last_error or "")
        assert await store.report_overdue(engine.components, after.last_error or "", overdue_s=60) == []
        with pytest.raises(ConflictError, match="no agent 'gone'"):
            await scheduler.fire(after, idempotency_key=None)
    assert await started(database) == []


async def test_a_schedule_fired_by_hand_starts_one_run_for_a_key(database: Database, store: ScheduleStore):
    record = await add(database, is_paused=True)
    async with running(database) as engine:
        scheduler = Scheduler(database, engine.components, submit=engine.submit)
        runs = [await scheduler.fire(record, idempotency_key=key) for key in ("k", "k", None)]
    assert [run.id for run in runs[:2]] == [runs[0].id] * 2
    (newest, oldest), total = await store.list_runs(record, limit=10, offset=0)
    assert (total, newest.run_id, oldest.run_id) == (2, runs[2].id, runs[0].id)
    assert newest.is_manual
    assert (await refreshed(store, record)).next_fire_at is None


async def test_a_schedule_made_elsewhere_is_seen_without_being_told(database: Database):
    async with running(database) as engine, firing(database, engine) as scheduler:
        await add(database)
        await make_due(database)
        scheduler.look()
        await until(database, "select true from schedules where last_run_id is not null")


async def names_of(store: ScheduleStore, project_id: str = "default") -> list[str]:
    return [record.name for record in (await store.list_schedules(project_id, is_paused=None, limit=9, offset=0))[0]]


async def test_declared_schedules_follow_the_code_and_keep_what_people_paused(database: Database, store: ScheduleStore):
    await declare(database, "os", [spec_of("a"), spec_of("b", is_paused=True)])
    await declare(database, "other", [spec_of("c")])
    first = await store.find("default", "a")
    assert first is not None
    await database.execute(
        "update schedules set is_paused = not is_paused, next_fire_at = null where name in ('a', 'b')"
    )
    await declare(database, "os", [spec_of("a", input=b'{"message":"new"}'), spec_of("b", is_paused=True)])
    again = await store.find("default", "a")
    assert again is not None
    assert (again.id, again.is_paused, again.next_fire_at) == (first.id, True, None)
    assert again.input == b'{"message":"new"}'
    resumed = await store.find("default", "b")
    assert resumed is not None
    assert (resumed.is_paused, resumed.next_fire_at) == (False, first.next_fire_at)
    await declare(database, "os", [spec_of("b")])
    assert await names_of(store) == ["b", "c"]


async def test_a_restart_without_a_change_writes_nothing_and_misses_nothing(database: Database):
    specs = [spec_of("a", cron="* * * * *"), spec_of("b", is_paused=True)]
    await declare(database, "os", specs)
    await make_due(database, ago="10 minutes")
    await database.execute("update schedules set next_fire_at = null where is_paused")
    before = await database.fetch("select xmin, * from schedules order by name")
    await declare(database, "os", specs)
    assert await database.fetch("select xmin, * from schedules order by name") == before


async def test_what_was_made_over_http_stays_unless_the_code_takes_its_name(database: Database, store: ScheduleStore):
    async with database.transaction() as connection:
        for name in ("mine", "theirs"):
            await store.create(connection, "default", spec_of(name), next_at=None)
    await declare(database, "os", [spec_of("theirs")])
    assert await names_of(store) == ["mine", "theirs"]
    taken = await store.find("default", "theirs")
    assert taken is not None
    assert taken.declared_by == "os"


async def test_nodes_that_start_together_declare_each_schedule_once(database: Database, database_url: str):
    specs: Sequence[ScheduleSpec] = [spec_of(f"s{number}") for number in range(10)]
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(open_database(database_url)) for _ in range(4)]
        await asyncio.gather(*(declare(one, "os", specs) for one in databases))
    assert await database.fetchval("select count(*) from schedules") == 10


def request_of(**members: Any) -> RunRequest:
    given: dict[str, Any] = {"project_id": "p", "user_id": None, "session_id": None, "run_id": None}
    return RunRequest(**(given | members), kind=BELL[0], component_id=BELL[1], input=b'{"message":"hi"}')
