"""Runs and their turns on a real PostgreSQL: submit, claim, finish and hand-over, also when they race."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from serai.domain.ids import new_key
from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import NextJob, RunRecord
from serai.domain.usage import used
from serai.errors import NotFoundError
from serai.storage.batching import Batcher
from serai.storage.connection import Database
from serai.storage.jobs import JobStore
from serai.storage.run_log import RunLog
from serai.storage.runs import Finished, RunStore
from tests.run_values import (
    COMPONENT,
    begin,
    claim,
    completed,
    content,
    finish_of,
    keys,
    new_run,
    open_database,
    submit,
    take_over,
    until_locked,
)


@pytest.fixture
def store(database: Database) -> RunStore:
    return RunStore(database)


async def finish(store: RunStore, record: RunRecord, *, node_id: str = "node", **members: Any) -> Finished:
    (finished,) = await store.finish([finish_of(record, **members)], node_id=node_id)
    return finished


async def session_row(database: Database, session_id: str) -> asyncpg.Record:
    row = await database.fetchrow("select * from sessions where id = $1", session_id)
    assert row is not None
    return row


async def test_a_run_of_an_idle_session_is_claimed_by_the_node_that_stores_it(store: RunStore):
    (submitted,) = await store.submit([new_run(node_id="node")])
    assert submitted is not None
    assert submitted.is_claimed
    record = submitted.record
    assert (record.status, record.epoch, record.position) == (RunStatus.RUNNING, 1, 1)
    assert await store.find("p", record.id) == record
    assert await store.list_running_keys("node") == {record.key}


async def test_without_a_node_a_run_waits_for_whoever_claims_it(store: RunStore):
    (record,) = await submit(store, new_run())
    assert (record.status, record.epoch) == (RunStatus.PENDING, 0)
    (claimed,) = await claim(store)
    assert (claimed.key, claimed.status, claimed.epoch) == (record.key, RunStatus.RUNNING, 1)
    assert await claim(store) == []


async def test_runs_of_a_session_in_one_batch_keep_their_order(store: RunStore):
    records = await submit(store, *(new_run("s", node_id="node") for _ in range(4)))
    assert [record.position for record in records] == [1, 2, 3, 4]
    assert [record.status for record in records] == [RunStatus.RUNNING] + [RunStatus.PENDING] * 3


async def test_only_the_head_of_a_session_can_be_claimed(store: RunStore):
    records = await submit(store, *(new_run(session_id) for session_id in ("a", "b", "a", "b", "a")))
    assert keys(await claim(store)) == keys(records[:2])
    assert await claim(store) == []
    assert (await finish(store, records[0])).is_done is False, "it was claimed at another epoch"


async def test_runs_of_a_session_take_turns_in_the_order_of_their_submits(store: RunStore):
    records = await submit(store, *(new_run() for _ in range(5)))
    ran = []
    while claimed := await claim(store):
        (record,) = claimed
        ran.append(record)
        await finish(store, record)
    assert keys(ran) == keys(records)


async def test_a_finish_names_the_run_whose_turn_it_is_next(store: RunStore):
    first, second = await submit(store, new_run(node_id="node"), new_run())
    assert await finish(store, first) == Finished(is_done=True, next_key=second.key)
    (claimed,) = await claim(store)
    assert await finish(store, claimed) == Finished(is_done=True, next_key=None)


async def test_sessions_of_one_name_in_two_projects_are_two(store: RunStore):
    records = await submit(store, new_run(node_id="node"), new_run(project_id="q", node_id="node"))
    assert [record.status for record in records] == [RunStatus.RUNNING] * 2


async def test_another_users_session_is_refused_and_the_rest_of_the_batch_is_stored(store: RunStore):
    await submit(store, new_run("hers", user_id="ada"))
    submitted = await store.submit([new_run("mine", user_id="bob"), new_run("hers", user_id="bob")])
    assert submitted[0] is not None
    assert submitted[1] is None
    (of_nobody,) = await submit(store, new_run("hers", user_id=None))
    assert of_nobody.position == 2


async def test_a_run_id_is_taken_once_in_a_project(store: RunStore):
    await submit(store, new_run(id="mine"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.submit([new_run("other", id="mine")])
    await submit(store, new_run("other", id="mine", project_id="q"))


async def test_an_idempotency_key_is_taken_once_in_a_project(store: RunStore):
    first, *_ = await submit(store, new_run(idempotency_key="k"), new_run(), new_run())
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.submit([new_run("other", idempotency_key="k")])
    assert await store.find_repeated("p", "k") == first
    assert await store.find_repeated("q", "k") is None


async def test_a_taken_id_fails_alone_whatever_shares_its_batch(store: RunStore):
    await submit(store, new_run("elsewhere", id="taken"))
    batcher = Batcher(store.submit)
    runs = [new_run("s"), new_run("s", id="taken"), new_run("s"), new_run("t"), new_run("t", id="taken")]
    results = await asyncio.gather(*(batcher.submit(run) for run in runs), return_exceptions=True)
    refused = [isinstance(result, asyncpg.UniqueViolationError) for result in results]
    assert refused == [False, True, False, False, True]
    assert {record.session_id for record in await claim(store)} == {"elsewhere", "s", "t"}


async def test_a_refused_run_leaves_its_session_as_it_was(store: RunStore, database: Database):
    await submit(store, new_run("elsewhere", id="taken"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.submit([new_run("s", id="taken")])
    assert await database.fetchval("select count(*) from sessions where id = 's'") == 0
    (record,) = await submit(store, new_run("s"))
    assert record.position == 1


async def test_a_node_claims_only_what_it_can_run(store: RunStore):
    await submit(store, new_run("a"), new_run("b", component_id="stranger"), new_run("c", kind="team"))
    assert [record.session_id for record in await claim(store)] == ["a"]
    others = await store.claim([("agent", "stranger"), ("workflow", "helper"), COMPONENT], node_id="n", limit=10)
    assert [record.session_id for record in others] == ["b"]


async def test_the_oldest_runs_are_claimed_first_and_no_more_than_asked(store: RunStore):
    records = []
    for number in range(5):
        records += await submit(store, new_run(str(number)))
    assert keys(await claim(store, limit=2)) == keys(records[:2])
    assert keys(await claim(store, limit=10)) == keys(records[2:])


async def test_claimers_at_the_same_moment_never_get_the_same_run(store: RunStore):
    records = await submit(store, *(new_run(str(number)) for number in range(200)))

    async def claim_all(node_id: str) -> list[str]:
        got: list[str] = []
        while len(owned) < 200:
            batch = keys(await claim(store, node_id=node_id, limit=7))
            got += batch
            owned.update(batch)
        return got

    owned: set[str] = set()
    got = await asyncio.gather(*(claim_all(f"node-{number}") for number in range(6)))
    assert sorted(key for batch in got for key in batch) == sorted(keys(records))


async def test_a_claim_passes_over_a_run_that_another_one_is_taking(store: RunStore, database: Database):
    records = await submit(store, new_run("a"), new_run("b"))
    async with database.transaction() as connection:
        await connection.fetch("select from runs where key = $1 for update", records[0].key)
        assert keys(await asyncio.wait_for(claim(store), 2)) == keys(records[1:])


async def test_the_epoch_rises_with_each_claim(store: RunStore, database: Database):
    record = await begin(store)
    for epoch in (2, 3, 4):
        record = await take_over(database, record, node_id="node")
        assert (record.epoch, record.takeovers) == (epoch, epoch - 1)


@pytest.mark.parametrize(("epoch", "node_id"), [(0, "node"), (2, "node"), (1, "other")])
async def test_a_finish_without_the_right_epoch_and_node_does_nothing(
    store: RunStore, database: Database, epoch: int, node_id: str
):
    record = await begin(store)
    await submit(store, new_run(record.session_id))
    stale = RunRecord(**{name: getattr(record, name) for name in record.__slots__} | {"epoch": epoch})
    finished = await finish(
        store,
        stale,
        node_id=node_id,
        state_changes={"a": 1},
        usage=used("m", "p", {"input_tokens": 5}),
        events=[completed(0)],
    )
    assert finished == Finished(is_done=False)
    assert (await store.get_answer(record.key)).status is RunStatus.RUNNING
    session = await session_row(database, record.session_id)
    assert (session["state"], session["input_tokens"], session["active_run_key"]) == (None, 0, record.key)
    assert await RunLog(database).read_events(record.key, after=-1) == []


async def test_a_finish_after_a_takeover_is_refused(store: RunStore, database: Database):
    record = await begin(store)
    taken = await take_over(database, record)
    assert not (await finish(store, record)).is_done
    assert (await finish(store, taken, node_id="other")).is_done
    assert not (await finish(store, record)).is_done, "also once the run has ended elsewhere"


async def test_a_finish_repeated_after_a_lost_answer_counts_as_done_and_counts_once(
    store: RunStore, database: Database
):
    record = await begin(store)
    ends: dict[str, Any] = {
        "events": [*content(0, 2), completed(2)],
        "usage": used("m", "p", {"input_tokens": 3, "output_tokens": 4}),
    }
    assert (await finish(store, record, **ends)).is_done
    assert (await finish(store, record, **ends)).is_done
    session = await session_row(database, record.session_id)
    assert (session["input_tokens"], session["output_tokens"], session["run_count"]) == (3, 4, 1)
    assert [event.seq for event in await RunLog(database).read_events(record.key, after=-1)] == [0, 1, 2]


async def test_jobs_that_follow_a_run_are_stored_with_its_end_and_only_with_it(store: RunStore, database: Database):
    once, lost = [await begin(store, user_id="ann") for _ in range(2)]
    await take_over(database, lost)
    for record in (once, once, lost):  # twice, as after a lost answer
        await finish(store, record, jobs=[NextJob(kind="read", payload={"run": record.id})])
    (job,) = await JobStore(database).list()
    assert (job.kind, job.project_id, job.user_id, job.payload) == ("read", "p", "ann", {"run": once.id})


async def test_the_answer_and_the_last_events_are_there_when_a_run_has_ended(store: RunStore, database: Database):
    record = await begin(store)
    await finish(store, record, output=b'{"content":"x\\u0000"}', messages=b"[1]", events=[completed(0)])
    answer = await store.get_answer(record.key)
    assert (answer.status, answer.output, answer.messages) == (
        RunStatus.COMPLETED,
        b'{"content":"x\\u0000"}',
        b"[1]",
    )
    assert [event.name for event in await RunLog(database).read_events(record.key, after=-1)] == ["RunCompleted"]
    assert (await session_row(database, record.session_id))["active_run_key"] is None


async def test_runs_that_end_at_the_same_moment_share_a_transaction_and_a_stale_one_fails_alone(
    store: RunStore, database: Database
):
    records = [await begin(store) for _ in range(3)]
    await take_over(database, records[1])
    finished = await store.finish([finish_of(record) for record in records], node_id="node")
    assert [one.is_done for one in finished] == [True, False, True]


async def test_session_state_is_merged_key_by_key(store: RunStore, database: Database):
    record, *_ = await submit(store, new_run(node_id="node"), new_run(), new_run())
    await finish(store, record, state_changes={"a": 1, "b": {"deep": [1]}, "nul": "\x00"})
    (second,) = await claim(store)
    await finish(store, second, state_changes={"b": 2, "c": 3}, state_removals=("a", "unknown"))
    session = await session_row(database, "s")
    assert load_json(session["state"]) == {"b": 2, "nul": "\x00", "c": 3}
    (third,) = await claim(store)
    await finish(store, third)
    assert (await session_row(database, "s"))["state"] == session["state"]


async def test_sessions_of_one_name_keep_their_own_state_when_their_runs_end_together(
    store: RunStore, database: Database
):
    records = await submit(store, new_run(node_id="node"), new_run(project_id="q", node_id="node"))
    items = [finish_of(record, state_changes={"of": record.project_id}) for record in records]
    assert [one.is_done for one in await store.finish(items, node_id="node")] == [True, True]
    rows = await database.fetch("select project_id, state from sessions order by 1")
    assert [(row["project_id"], load_json(row["state"])["of"]) for row in rows] == [("p", "p"), ("q", "q")]


async def test_tokens_of_a_session_add_up(store: RunStore, database: Database):
    await submit(store, *(new_run() for _ in range(3)))
    while claimed := await claim(store):
        await finish(store, claimed[0], usage=used("m", "p", {"input_tokens": 10, "output_tokens": 2**33}))
    session = await session_row(database, "s")
    assert (session["input_tokens"], session["output_tokens"], session["run_count"]) == (30, 3 * 2**33, 3)


async def test_a_run_starts_from_the_state_and_the_last_completed_runs(store: RunStore):
    await submit(store, *(new_run() for _ in range(6)))
    for number in range(5):
        (record,) = await claim(store)
        status = RunStatus.ERROR if number == 2 else RunStatus.COMPLETED
        messages = None if number == 3 else b"[%d]" % number
        await finish(store, record, status=status, messages=messages, state_changes={"last": number})
    (record,) = await claim(store)
    context = await store.get_context(record, history_runs=2)
    assert (context.state, context.history) == ({"last": 4}, [b"[1]", b"[4]"])
    assert (await store.get_context(record, history_runs=9)).history == [b"[0]", b"[1]", b"[4]"]
    assert (await store.get_context(record, history_runs=0)).history == []


async def test_release_makes_runs_of_a_node_claimable_and_counts_it(store: RunStore):
    mine, theirs = await begin(store), await begin(store, node_id="other")
    assert await store.release_runs([mine.key, theirs.key], node_id="node") == 1
    (claimed,) = await claim(store, node_id="third")
    assert (claimed.key, claimed.epoch, claimed.takeovers) == (mine.key, 2, 1)
    assert await store.list_running_keys("other") == {theirs.key}


async def test_unknown_runs_are_none(store: RunStore):
    (record,) = await submit(store, new_run())
    assert await store.find("p", "nothing") is None
    assert await store.find("q", record.id) is None
    with pytest.raises(NotFoundError):
        await store.get_answer(new_key())


@pytest.mark.parametrize("seed", range(3))
async def test_no_run_is_left_behind_when_submits_race_with_finishes(database_url: str, seed: int):
    """Submitters, claimers and finishers on one session, each batch as it comes; every run must get its turn."""
    total = 120
    chance = random.Random(seed)
    async with open_database(database_url, connections=12) as database:
        store = RunStore(database)
        ended: list[RunRecord] = []

        async def submit_some(count: int) -> None:
            for _ in range(count):
                node_id = chance.choice([None, "node-0"])
                (submitted,) = await store.submit([new_run(node_id=node_id)])
                assert submitted is not None
                if submitted.is_claimed:
                    await end(submitted.record, "node-0")
                await asyncio.sleep(chance.random() * 0.003)

        async def end(record: RunRecord, node_id: str) -> None:
            await asyncio.sleep(chance.random() * 0.002)
            assert (await finish(store, record, node_id=node_id, state_changes={record.id: 1})).is_done
            ended.append(record)

        async def work(node_id: str) -> None:
            while len(ended) < total:
                for record in await claim(store, node_id=node_id, limit=3):
                    await end(record, node_id)
                await asyncio.sleep(0)

        async with asyncio.timeout(20):
            await asyncio.gather(*(submit_some(total // 6) for _ in range(6)), *(work(f"w{n}") for n in range(3)))
        # By the database's clock: the answer to a commit may come after others have acted on it.
        order = await database.fetchval("select array_agg(position order by ended_at) from runs")
        assert order == list(range(1, total + 1)), "one at a time, in their order"
        session = await session_row(database, "s")
        assert session["active_run_key"] is None
        assert len(load_json(session["state"])) == total
        assert await database.fetchval("select count(*) from runs where status <> 'COMPLETED'") == 0


async def test_a_submit_that_waits_for_a_finish_finds_the_session_idle(store: RunStore, database: Database):
    record = await begin(store)
    async with database.transaction() as connection:
        await connection.fetch("select from sessions for update")
        finishing = asyncio.create_task(finish(store, record))
        await until_locked(database, statements=1)
        submitting = asyncio.create_task(submit(store, new_run(record.session_id, node_id="node")))
        await until_locked(database, statements=2)
    assert (await finishing).is_done
    (next_run,) = await submitting
    assert next_run.status is RunStatus.RUNNING


async def test_a_finish_that_waits_for_a_submit_gives_it_its_turn(store: RunStore, database: Database):
    record = await begin(store)
    async with database.transaction() as connection:
        await connection.fetch("select from sessions for update")
        submitting = asyncio.create_task(submit(store, new_run(record.session_id, node_id="node")))
        await until_locked(database, statements=1)
        finishing = asyncio.create_task(finish(store, record))
        await until_locked(database, statements=2)
    (next_run,) = await submitting
    assert next_run.status is RunStatus.PENDING
    assert (await finishing).next_key == next_run.key
    assert keys(await claim(store)) == keys([next_run])
