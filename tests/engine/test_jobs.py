"""Background jobs on a real PostgreSQL: each is done by whoever claimed it last, and tried again when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from serai.engine.jobs import MAX_ATTEMPTS, ActiveJob, JobHandler, JobRunner, pause_after
from serai.errors import ConfigurationError, FencedError, ShuttingDownError
from serai.server.components import Components
from serai.server.runtime import Runtime
from serai.settings import Settings
from serai.storage import nodes
from serai.storage.connection import Database
from serai.storage.jobs import JobRecord, JobStatus, JobStore
from tests.run_values import apply_retention, open_database, until

PAUSE = "select extract(epoch from not_before - now())::float8 from jobs"


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


class Held:
    """A handler whose jobs stay where they are until they are let go."""

    def __init__(self) -> None:
        self.jobs: asyncio.Queue[ActiveJob] = asyncio.Queue()
        self.go = asyncio.Event()

    async def __call__(self, job: ActiveJob) -> None:
        self.jobs.put_nowait(job)
        await self.go.wait()


@asynccontextmanager
async def runner(
    database: Database, handler: JobHandler, *, node_id: str = "node", **options: Any
) -> AsyncIterator[JobRunner]:
    runs = JobRunner(database, node_id, {"work": handler}, **options)
    runs.start()
    try:
        yield runs
    finally:
        await runs.stop()


async def enqueue(store: JobStore, payload: Mapping[str, Any] | None = None, **options: Any) -> UUID:
    found = await store.enqueue("work", payload or {}, project_id="p", **options)
    assert found is not None
    return found


async def claim(store: JobStore, *, node_id: str = "node", limit: int = 10) -> list[JobRecord]:
    return list(await store.claim(["work"], node_id=node_id, limit=limit))


async def ended(store: JobStore, database: Database, job_id: UUID) -> JobRecord:
    await until(database, "select ended_at is not null from jobs where id = $1", job_id)
    record = await store.get(job_id)
    assert record is not None
    return record


async def due_now(database: Database) -> None:
    await database.execute("update jobs set not_before = now() where status = 'PENDING'")


async def test_a_job_waits_with_what_it_was_given(store: JobStore):
    later = datetime(2100, 1, 1, tzinfo=UTC)
    job_id = await enqueue(store, {"n": [1, None, "ü"]}, user_id="u", dedupe_key="k", not_before=later)
    record = await store.get(job_id)
    assert record is not None
    assert (record.kind, record.project_id, record.user_id, record.dedupe_key) == ("work", "p", "u", "k")
    assert (record.payload, record.progress, record.error) == ({"n": [1, None, "ü"]}, None, None)
    assert (record.status, record.attempts, record.epoch, record.not_before) == (JobStatus.PENDING, 0, 0, later)
    assert record.id.version == 7
    assert await store.get(uuid4()) is None


async def test_jobs_are_listed_newest_first_by_project_kind_and_status(store: JobStore):
    first, second = await enqueue(store), await enqueue(store)
    other = await store.enqueue("other", {}, project_id="q")
    await store.cancel("p", first)
    assert [job.id for job in await store.list()] == [other, second, first]
    assert [job.id for job in await store.list(project_id="p", kind="work")] == [second, first]
    assert [job.id for job in await store.list(project_id="p", limit=1)] == [second]
    assert [job.id for job in await store.list(statuses=[JobStatus.CANCELLED])] == [first]
    assert await store.list(project_id="q", kind="work") == []


async def test_a_key_is_taken_while_its_job_waits_or_runs(store: JobStore):
    await enqueue(store, dedupe_key="k")
    assert await store.enqueue("work", {}, project_id="p", dedupe_key="k") is None
    (record,) = await claim(store)
    assert await store.enqueue("work", {}, project_id="p", dedupe_key="k") is None
    await store.complete(record)
    await enqueue(store, dedupe_key="k")


async def test_keys_of_other_projects_and_kinds_and_no_keys_are_not_in_the_way(store: JobStore):
    await enqueue(store, dedupe_key="k")
    assert await store.enqueue("work", {}, project_id="q", dedupe_key="k")
    assert await store.enqueue("other", {}, project_id="p", dedupe_key="k")
    await enqueue(store)
    await enqueue(store)


async def test_one_of_many_that_enqueue_the_same_at_once_succeeds(store: JobStore):
    asked = [store.enqueue("work", {}, project_id="p", dedupe_key="k") for _ in range(20)]
    assert sum(found is not None for found in await asyncio.gather(*asked)) == 1


async def test_claims_take_due_jobs_of_their_kinds_longest_due_first(store: JobStore):
    now = datetime.now(UTC)
    await store.enqueue("other", {}, project_id="p")
    await enqueue(store, not_before=now + timedelta(hours=1))
    young = await enqueue(store, not_before=now - timedelta(seconds=1))
    old = await enqueue(store, not_before=now - timedelta(hours=1))
    assert [job.id for job in await claim(store, limit=1)] == [old]
    (record,) = await claim(store)
    assert (record.id, record.status, record.epoch, record.attempts) == (young, JobStatus.RUNNING, 1, 1)
    assert record.started_at is not None
    assert await claim(store) == []


async def test_two_runners_do_each_job_once(database: Database, store: JobStore):
    done: list[int] = []

    async def handler(job: ActiveJob) -> None:
        await job.report({"by": job.payload["n"]})
        done.append(job.payload["n"])

    async with (
        open_database(database.dsn) as second,
        runner(database, handler, node_id="a") as first_runner,
        runner(second, handler, node_id="b") as second_runner,
    ):
        for n in range(60):
            await enqueue(store, {"n": n})
            first_runner.look()
            second_runner.look()
        await until(database, "select count(*) = 60 from jobs where status = 'COMPLETED'")
    assert sorted(done) == list(range(60))
    assert await database.fetchval("select count(distinct node_id) from jobs") == 2
    assert await database.fetchval("select max(attempts) = 1 and max(epoch) = 1 from jobs")


async def test_a_runner_holds_no_more_than_its_bound_and_tells_others_then(database: Database):
    handler, told = Held(), asyncio.Event()
    async with runner(database, handler, max_jobs=2, tell=told.set) as runs:
        for _ in range(2):
            await runs.enqueue("work", {}, project_id="p")
            await handler.jobs.get()
        assert not told.is_set()
        for _ in range(2):
            await runs.enqueue("work", {}, project_id="p")
        assert told.is_set()
        assert await database.fetchval("select count(*) from jobs where status = 'RUNNING'") == 2
        handler.go.set()
        await until(database, "select count(*) = 4 from jobs where status = 'COMPLETED'")


async def test_progress_is_kept_with_the_job_and_seen_by_the_next_attempt(database: Database, store: JobStore):
    seen: list[Any] = []

    async def handler(job: ActiveJob) -> None:
        seen.append(job.progress)
        await job.report({"at": job.attempts})
        assert job.progress == {"at": job.attempts}
        if job.attempts == 1:
            raise RuntimeError("no")

    async with runner(database, handler) as runs:
        job_id = await runs.enqueue("work", {}, project_id="p")
        assert job_id is not None
        await until(database, "select error is not null from jobs")
        await due_now(database)
        runs.look()
        record = await ended(store, database, job_id)
    assert seen == [None, {"at": 1}]
    assert (record.status, record.progress, record.error) == (JobStatus.COMPLETED, {"at": 2}, None)


def test_pauses_grow_from_five_seconds_to_ten_minutes():
    assert [pause_after(attempts) for attempts in range(1, 6)] == [5, 25, 125, 600, 600]


async def test_a_failing_job_is_tried_five_times_with_growing_pauses(database: Database, store: JobStore):
    async def handler(job: ActiveJob) -> None:
        raise ConfigurationError(f"attempt {job.attempts} failed")

    async with runner(database, handler) as runs:
        job_id = await runs.enqueue("work", {}, project_id="p")
        assert job_id is not None
        for attempt in range(1, MAX_ATTEMPTS):
            await until(database, "select status = 'PENDING' and attempts = $1 from jobs", attempt)
            assert 0 <= pause_after(attempt) - await database.fetchval(PAUSE) <= 4
            await due_now(database)
            runs.look()
        record = await ended(store, database, job_id)
    assert (record.status, record.attempts, record.error) == (JobStatus.ERROR, 5, "attempt 5 failed")


async def test_what_an_error_says_can_be_stored_whatever_it_is(database: Database, store: JobStore):
    job_id = await enqueue(store)
    for error, stored in (("\0 \ud800 ü", "\ufffd \ufffd ü"), ("x" * 1_000_000, "x" * 4000)):
        (record,) = await claim(store)
        assert await store.retry_later(record, error, pause_s=0, counts=False)
        record_now = await store.get(job_id)
        assert record_now is not None
        assert record_now.error == stored


async def test_a_job_that_must_wait_loses_no_attempt(database: Database):
    times = 0

    async def handler(job: ActiveJob) -> None:
        nonlocal times
        times += 1
        assert job.attempts == 1
        if times <= 2 * MAX_ATTEMPTS:
            raise ShuttingDownError("not now", retry_after_s=30)

    async with runner(database, handler) as runs:
        await runs.enqueue("work", {}, project_id="p")
        for time in range(2 * MAX_ATTEMPTS):
            await until(database, "select status = 'PENDING' and attempts = 0 and epoch = $1 from jobs", time + 1)
            assert 20 <= await database.fetchval(PAUSE) <= 30
            await due_now(database)
            runs.look()
        await until(database, "select status = 'COMPLETED' from jobs")


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt("odd")])
async def test_what_escapes_from_a_handler_is_its_failure_and_not_the_nodes(database: Database, error: BaseException):
    async def handler(job: ActiveJob) -> None:
        if job.attempts == 1:
            raise error

    async with runner(database, handler) as runs:
        await runs.enqueue("work", {}, project_id="p")
        await until(database, "select status = 'PENDING' and error is not null from jobs")
        await due_now(database)
        runs.look()
        await until(database, "select status = 'COMPLETED' from jobs")


async def take_over(database: Database, node_id: str) -> None:
    async with database.connection() as connection:
        assert await nodes.release_runs_of(connection, [node_id], is_takeover=True) == 1


async def test_who_lost_a_job_is_fenced_at_every_write(database: Database, store: JobStore):
    job_id = await enqueue(store)
    (lost,) = await claim(store, node_id="a")
    await take_over(database, "a")
    assert not await store.check(lost)
    (taken,) = await claim(store, node_id="b")
    assert (taken.id, taken.epoch, taken.attempts) == (job_id, 2, 2)
    for job in (lost, JobRecord(**{**vars_of(lost), "epoch": 2}), JobRecord(**{**vars_of(taken), "epoch": 1})):
        assert not await store.check(job)
        assert not await store.report(job, {"by": "a ghost"})
        assert not await store.complete(job)
        assert not await store.fail(job, "ghost")
        assert not await store.retry_later(job, "ghost", pause_s=0, counts=True)
        with pytest.raises(FencedError):
            await ActiveJob(store, job).report({"by": "a ghost"})
        with pytest.raises(FencedError):
            await ActiveJob(store, job).check()
    assert await store.release({lost.id: lost.epoch}, node_id="a") == 0
    assert await store.get(job_id) == taken
    assert await store.check(taken)
    assert await store.complete(taken)
    assert not await store.complete(taken)


def vars_of(record: JobRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in JobRecord.__slots__}


async def test_a_node_that_was_taken_for_dead_takes_its_own_job_again(database: Database):
    """The first task, which knows nothing yet, is in nobody's way."""
    first, second = Held(), Held()

    async def handler(job: ActiveJob) -> None:
        await (first if job.attempts == 1 else second)(job)
        await job.check()

    async with runner(database, handler) as runs:
        await runs.enqueue("work", {}, project_id="p")
        old = await first.jobs.get()
        await take_over(database, "node")
        runs.look()
        new = await second.jobs.get()
        with pytest.raises(FencedError):
            await old.check()
        await new.check()
        second.go.set()
        await until(database, "select status = 'COMPLETED' and epoch = 2 from jobs")


async def test_a_task_whose_job_was_lost_or_cancelled_is_stopped(database: Database, store: JobStore):
    handler = Held()
    async with runner(database, handler) as runs:
        job_id = await enqueue(store)
        runs.look()
        job = await handler.jobs.get()
        assert not await store.cancel("other project", job_id)
        assert await store.cancel("p", job_id)
        assert not await store.cancel("p", job_id)
        with pytest.raises(FencedError):
            await job.report({})
        await runs._reconcile()
        async with asyncio.timeout(5):
            while runs.held:  # noqa: ASYNC110 - a count
                await asyncio.sleep(0.005)
    assert (await ended(store, database, job_id)).status == JobStatus.CANCELLED


async def test_jobs_of_a_stopping_runner_are_claimable_at_once_and_lose_no_attempt(database: Database, store: JobStore):
    handler, cancelled = Held(), asyncio.Event()

    async def work(job: ActiveJob) -> None:
        try:
            await handler(job)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with runner(database, work) as runs:
        job_id = await runs.enqueue("work", {}, project_id="p")
        await handler.jobs.get()
        await runs.stop()
        assert cancelled.is_set()
        assert runs.held == 0
        (record,) = await claim(store, node_id="next")
        await runs.stop()
    assert (record.id, record.attempts, record.epoch) == (job_id, 1, 2)


async def test_a_stopping_nodes_jobs_lose_no_attempt_and_a_dead_nodes_do(database: Database, store: JobStore):
    await enqueue(store)
    async with database.connection() as connection:
        for is_takeover, attempts in ((False, 1), (True, 2), (True, 3), (False, 3)):
            await claim(store, node_id="a")
            assert await nodes.list_orphans(connection) == ["a"]
            assert await nodes.release_runs_of(connection, ["a", "b"], is_takeover=is_takeover) == 1
            assert await nodes.list_orphans(connection) == []
            (record,) = await claim(store, node_id="b")
            assert record.attempts == attempts
            assert await store.release({record.id: record.epoch}, node_id="b") == 1


async def test_a_job_whose_nodes_keep_dying_is_given_up_without_another_try(database: Database, store: JobStore):
    job_id = await enqueue(store)
    for _ in range(MAX_ATTEMPTS):
        await claim(store, node_id="a")
        await take_over(database, "a")
    handler = Held()
    async with runner(database, handler):
        record = await ended(store, database, job_id)
    assert record.status == JobStatus.ERROR
    assert record.error is not None
    assert "nodes died" in record.error
    assert handler.jobs.empty()


async def test_a_job_outlives_lost_connections(database: Database, store: JobStore):
    async def handler(job: ActiveJob) -> None:
        for step in range(300):
            await job.report({"steps": step + 1})
            await job.check()

    async with runner(database, handler) as runs, open_database(database.dsn) as other:
        job_id = await runs.enqueue("work", {}, project_id="p")
        assert job_id is not None
        for steps in (20, 80, 140, 200):
            await until(other, "select (progress->>'steps')::int >= $1 from jobs", steps)
            await other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
        record = await ended(store, other, job_id)
    assert (record.status, record.attempts, record.progress) == (JobStatus.COMPLETED, 1, {"steps": 300})


async def test_a_claim_whose_answer_was_lost_is_let_go(database: Database, store: JobStore):
    await enqueue(store)
    await claim(store, node_id="node")

    async def handler(job: ActiveJob) -> None:
        assert job.attempts == 1

    runs = JobRunner(database, "node", {"work": handler})
    await runs._reconcile()
    assert await database.fetchval("select status from jobs") == "RUNNING", "one look is not enough"
    await runs._reconcile()
    runs.start()
    await until(database, "select status = 'COMPLETED' and epoch = 2 from jobs")
    await runs.stop()


async def test_jobs_that_ended_a_week_ago_are_forgotten(database: Database, store: JobStore):
    waiting = await enqueue(store)
    old, young = await enqueue(store), await enqueue(store)
    await database.execute("update jobs set created_at = now() - interval '1 year'")
    for job_id, days in ((old, 8), (young, 6)):
        await store.cancel("p", job_id)
        await database.execute(
            "update jobs set ended_at = now() - make_interval(days => $2) where id = $1", job_id, days
        )
    assert (await apply_retention(database))["jobs"] == 1
    assert {job.id for job in await store.list()} == {waiting, young}


async def test_looking_for_jobs_uses_indexes_however_many_have_ended(database: Database):
    await database.execute(
        "insert into jobs (id, kind, project_id, payload, status, node_id, ended_at) "
        "select gen_random_uuid(), 'work', 'p', '{}', 'COMPLETED', 'a', now() from generate_series(1, 20000)"
    )
    await database.execute("analyze jobs")
    looks = {
        "jobs_claimable": "select id from jobs where status = 'PENDING' and not_before <= now() and "
        "kind = any('{work}') order by not_before limit 2 for update skip locked",
        "jobs_of_node": "select id, epoch from jobs where node_id = 'a' and status = 'RUNNING'",
        "jobs_ended": "select id from jobs where ended_at < now() - interval '7 days' order by ended_at limit 9",
    }
    for index, look in looks.items():
        plan = "\n".join(row[0] for row in await database.fetch(f"explain {look}"))
        assert index in plan, plan


@asynccontextmanager
async def runtime(dsn: str, handler: JobHandler | None = None) -> AsyncIterator[Runtime]:
    started = Runtime(settings=Settings(database_url=SecretStr(dsn)), components=Components())
    if handler is not None:
        started.register_job("work", handler)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


async def test_a_server_does_the_jobs_it_has_handlers_for_and_hands_them_over(database: Database):
    handler = Held()
    async with runtime(database.dsn, handler) as server:
        await server.job_runner.enqueue("work", {}, project_id="p")
        await handler.jobs.get()
        assert await database.fetchval("select node_id from jobs") == server.engine.node.id
        await server.drain(timeout_s=5)
        assert await database.fetchval("select status from jobs") == "PENDING"
        await server.drain(timeout_s=0)
    handler.go.set()
    async with runtime(database.dsn, handler):
        await until(database, "select status = 'COMPLETED' and attempts = 1 and epoch = 2 from jobs")


async def test_nodes_wake_each_other_for_jobs(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serai.engine.jobs.POLL_S", 3600.0)
    handler = Held()
    handler.go.set()
    async with runtime(database.dsn, handler), runtime(database.dsn) as server:
        while server.engine.node.is_alone:  # noqa: ASYNC110 - it learns in its own thread
            await asyncio.sleep(0.02)
        await server.job_runner.enqueue("work", {}, project_id="p")
        await until(database, "select status = 'COMPLETED' from jobs")


async def test_a_dead_nodes_job_wakes_its_successor(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serai.engine.jobs.POLL_S", 3600.0)
    handler = Held()
    handler.go.set()
    async with runtime(database.dsn, handler):
        await until(
            database,
            "select count(*) = 1 from pg_stat_activity where application_name = 'serai-wakeups' "
            "and datname = current_database()",
        )
        await asyncio.sleep(0.5)  # its first look for jobs comes with the connection, and must not find this one
        store = JobStore(database)
        await enqueue(store)
        await claim(store, node_id="never-seen")
        await until(database, "select status = 'COMPLETED' and attempts = 2 from jobs", timeout_s=20)
