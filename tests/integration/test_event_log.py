"""The event log on a real database: followers here and elsewhere get each committed event once, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, RunRecord, Step
from serai.engine.event_log import EventLog, Follower
from serai.engine.wakeup import shard_bit
from serai.errors import FencedError
from serai.storage.connection import Database
from serai.storage.run_log import Append, RunLog
from serai.storage.runs import Answer, RunStore
from tests.run_values import begin, completed, finish_of, open_database, take_over, until_locked


@asynccontextmanager
async def event_log(
    database: Database,
    *,
    store: RunLog | None = None,
    node_id: str = "node",
    confirm_s: float = 60,
    tell: Callable[[UUID], Any] = lambda _: None,
) -> AsyncIterator[EventLog]:
    log = EventLog(store or RunLog(database), node_id=node_id, confirm_s=confirm_s, tell=tell)
    try:
        yield log
    finally:
        await log.stop()


@pytest.fixture
async def record(database: Database) -> RunRecord:
    return await begin(RunStore(database))


def step(number: int) -> Step:
    return Step(operation="ask", call=str(number), fingerprint=b"f", result=b"%d" % number)


async def collect(follower: Follower) -> list[int]:
    try:
        return [event.seq async for events in follower.batches() for event in events]
    finally:
        follower.close()


async def end(database: Database, log: EventLog, writer: Any) -> None:
    """End a run as the worker does: the last events with the finish, then the followers."""
    writer.emit("RunCompleted", b"{}")
    events = (await log.close_writer(writer)).events
    item = finish_of(writer.record, events=events)
    (finished,) = await RunStore(database).finish([item], node_id="node")
    assert finished.is_done
    log.publish(writer.record.key, events, answer=Answer(item.status, b"{}", None))
    log.drop_writer(writer, has_ended=True)


@pytest.mark.parametrize("seed", range(3))
async def test_followers_here_and_elsewhere_get_each_event_once_in_order(database: Database, record: RunRecord, seed):
    chance = random.Random(seed)
    async with (
        event_log(database, node_id="elsewhere") as other,
        event_log(database, tell=lambda key: other.wake_followers(shard_bit(key))) as here,
    ):
        writer = here.open_writer(record, next_seq=0, on_fenced=lambda: None)
        followers = [asyncio.create_task(collect(log.follow(record))) for log in (here, other)]
        for number in range(60):
            writer.emit("RunContent", b"%d" % number)
            if chance.random() < 0.2:
                await asyncio.sleep(chance.random() * 0.02)
            if chance.random() < 0.1:
                writer.add_step(step(number))
                await writer.commit()
            if chance.random() < 0.1:
                log = chance.choice([here, other])
                followers.append(asyncio.create_task(collect(log.follow(record))))
        await end(database, here, writer)
        seen = await asyncio.wait_for(asyncio.gather(*followers), 5)
    assert seen == [list(range(61))] * len(followers)


async def test_a_follower_from_a_place_on_gets_what_is_behind_it(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        for number in range(10):
            writer.emit("RunContent", b"%d" % number)
        writer.add_step(step(1))
        await writer.commit()
        following = asyncio.create_task(collect(log.follow(record, after=6)))
        await end(database, log, writer)
        assert await asyncio.wait_for(following, 5) == [7, 8, 9, 10]


async def test_a_log_longer_than_one_read_is_followed_to_its_end(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        for number in range(2500):
            writer.emit("RunContent", b"%d" % number)
        await end(database, log, writer)
        assert await asyncio.wait_for(collect(log.follow(record)), 5) == list(range(2501))


async def test_a_follower_who_reads_slowly_misses_nothing(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        follower = log.follow(record, is_new=True)
        for number in range(12_000):
            writer.emit("RunContent", b"%d" % number)
            if number % 3000 == 2999:
                writer.add_step(step(number))
                await writer.commit()
        await end(database, log, writer)
        assert await asyncio.wait_for(collect(follower), 10) == list(range(12_001))


async def test_events_are_shown_only_once_they_are_committed(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        follower = log.follow(record, is_new=True)
        batches = follower.batches()
        async with database.transaction() as connection:
            await connection.fetch("select from runs where key = $1 for update", record.key)
            writer.emit("RunContent", b"0")
            first = asyncio.ensure_future(anext(batches))
            await until_locked(database)
            assert not first.done()
        assert await asyncio.wait_for(first, 5) == [Event(seq=0, name="RunContent", data=b"0")]
        follower.close()


async def test_the_answer_comes_with_the_end(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        follower = log.follow(record, is_new=True)
        following = asyncio.create_task(collect(follower))
        await end(database, log, writer)
        await asyncio.wait_for(following, 5)
        assert follower.answer is not None
        assert follower.answer.output == b"{}"


async def test_commit_waits_until_the_steps_before_it_are_durable(database: Database, record: RunRecord):
    store = RunLog(database)
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        writer.emit("RunStarted", b"{}")
        writer.add_step(step(1))
        await writer.commit()
        assert [stored.call for stored in await store.read_steps(record.key, segment=0)] == ["1"]
        assert [event.name for event in await store.read_events(record.key, after=-1)] == ["RunStarted"]


async def test_commit_without_steps_costs_no_statement_while_ownership_is_fresh(database: Database, record: RunRecord):
    async with event_log(database, confirm_s=60) as fresh, event_log(database, confirm_s=0) as stale:
        await take_over(database, record)
        await fresh.open_writer(record, next_seq=0, on_fenced=lambda: None).commit()
        with pytest.raises(FencedError):
            await stale.open_writer(record, next_seq=0, on_fenced=lambda: None).commit()


class _Rolled(Exception):  # noqa: N818 - a signal
    """Ends a transaction without a trace."""


@asynccontextmanager
async def held_step(database: Database, record: RunRecord, number: int) -> AsyncIterator[None]:
    """Have whoever writes this step wait, for the length of the block."""
    sql = """
        insert into run_steps (run_key, segment, operation, call, epoch, project_id, fingerprint, result)
        values ($1, 0, 'ask', $2, 1, 'p', '', '')"""
    with suppress(_Rolled):
        async with database.transaction() as connection:
            await connection.execute(sql, record.key, str(number))
            yield
            raise _Rolled


async def test_a_commit_does_not_wait_for_steps_that_others_finish_meanwhile(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        async with held_step(database, record, 2):
            async with held_step(database, record, 1):
                writer.add_step(step(1))
                committing = asyncio.create_task(writer.commit())
                await until_locked(database)
                writer.add_step(step(2))
            async with asyncio.timeout(4):
                await committing


async def test_a_proof_of_ownership_that_took_too_long_is_asked_for_again(database: Database, record: RunRecord):
    class Overtaken(RunLog):
        """Its first answer arrives late, when the run is another node's already."""

        taken: RunRecord | None = None

        async def append(self, items: Sequence[Append], *, node_id: str) -> set[UUID]:
            owned = await super().append(items, node_id=node_id)
            if self.taken is None:
                self.taken = await take_over(database, record)
                await asyncio.sleep(0.05)
            return owned

    async with event_log(database, store=Overtaken(database), confirm_s=0.05) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        writer.add_step(step(1))
        with pytest.raises(FencedError):
            await writer.commit()
        assert [stored.call for stored in await RunLog(database).read_steps(record.key, segment=0)] == ["1"]


async def test_commits_of_many_runs_share_flushes(database: Database):
    store = RunStore(database)
    records = [await begin(store) for _ in range(20)]
    async with event_log(database) as log:
        writers = [log.open_writer(record, next_seq=0, on_fenced=lambda: None) for record in records]
        before = await committed(database)
        for writer in writers:
            writer.add_step(step(1))
        await asyncio.gather(*(writer.commit() for writer in writers))
        steps = await database.fetchval("select count(*) from run_steps")
        assert steps == 20
        assert await committed(database) - before < 15


async def test_a_fenced_writer_is_told_and_nothing_of_it_is_stored(database: Database, record: RunRecord):
    fenced = asyncio.Event()
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=fenced.set)
        taken = await take_over(database, record)
        writer.emit("RunContent", b"stale")
        writer.add_step(step(1))
        with pytest.raises(FencedError, match="another node"):
            await writer.commit()
        assert fenced.is_set()
        with pytest.raises(FencedError):
            await writer.commit()
        assert await RunLog(database).read_events(taken.key, after=-1) == []
        assert await RunLog(database).read_steps(taken.key, segment=0) == []


async def test_a_fenced_writers_followers_go_on_with_the_log(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        following = asyncio.create_task(collect(log.follow(record, is_new=True)))
        writer.emit("RunContent", b"0")
        writer.add_step(step(1))
        await writer.commit()
        taken = await take_over(database, record)
        writer.emit("RunContent", b"stale")
        log.drop_writer(writer, has_ended=False)
        item = finish_of(taken, events=[Event(seq=1, name="RunContent", data=b"1"), completed(2)])
        (finished,) = await RunStore(database).finish([item], node_id="other")
        assert finished.is_done
        assert await asyncio.wait_for(following, 5) == [0, 1, 2]


async def test_a_run_claimed_again_by_the_same_node_is_not_disturbed_by_the_first_claim(
    database: Database, record: RunRecord
):
    refused = asyncio.Event()
    async with event_log(database) as log:
        first = log.open_writer(record, next_seq=0, on_fenced=refused.set)
        first.emit("RunContent", b"stale")
        second = log.open_writer(await take_over(database, record, node_id="node"), next_seq=0, on_fenced=lambda: None)
        assert refused.is_set()
        second.emit("RunContent", b"fresh")
        second.add_step(step(1))
        committing = asyncio.create_task(second.commit())
        first.emit("RunContent", b"stale too")
        first.add_step(step(2))
        log.drop_writer(first, has_ended=False)
        await asyncio.wait_for(committing, 2)
        assert log.is_local(record.key)
        assert [event.data for event in await RunLog(database).read_events(record.key, after=-1)] == [b"fresh"]


async def test_a_commit_under_way_when_the_same_node_claims_the_run_again_is_refused(
    database: Database, record: RunRecord
):
    async with event_log(database) as log:
        first = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        async with database.transaction() as connection:
            await connection.fetch("select from runs where key = $1 for update", record.key)
            first.add_step(step(1))
            flying = asyncio.create_task(first.commit())
            await until_locked(database)
            first.add_step(step(2))
            waiting = asyncio.create_task(first.commit())
            await asyncio.sleep(0)
            await connection.execute("update runs set epoch = epoch + 1 where key = $1", record.key)
            log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        results = await asyncio.wait_for(asyncio.gather(flying, waiting, return_exceptions=True), 2)
        assert [type(result) for result in results] == [FencedError, FencedError]


async def test_a_step_the_database_refuses_harms_its_own_run_only(database: Database, record: RunRecord):
    other = await begin(RunStore(database))
    refused = asyncio.Event()
    async with event_log(database) as log:
        bad = log.open_writer(record, next_seq=0, on_fenced=refused.set)
        good = log.open_writer(other, next_seq=0, on_fenced=lambda: None)
        bad.add_step(Step(operation="tool", call="nul \x00", fingerprint=b"f", result=b"1"))
        good.add_step(step(1))
        bad.emit("RunContent", b"kept for the end")
        with pytest.raises(asyncpg.CharacterNotInRepertoireError):
            await asyncio.gather(bad.commit(), asyncio.wait_for(good.commit(), 2))
        with pytest.raises(asyncpg.CharacterNotInRepertoireError):
            await bad.commit()
        await asyncio.wait_for(good.commit(), 2)
        assert [stored.call for stored in await RunLog(database).read_steps(other.key, segment=0)] == ["1"]
        assert not refused.is_set()
        assert [event.data for event in (await log.close_writer(bad)).events] == [b"kept for the end"]


async def test_news_that_come_while_a_follower_looks_are_not_left_for_the_next_poll(
    database: Database, record: RunRecord
):
    async with event_log(database, node_id="elsewhere") as log, open_database(database.dsn) as other:
        follower = log.follow(record)
        batches = follower.batches()
        async with other.transaction() as connection:
            await connection.execute("lock table runs in access exclusive mode")
            first = asyncio.ensure_future(anext(batches))
            await until_locked(other)  # it has read the log and asks whether the run is over
            await other.execute(
                "insert into run_events values ($1, 0, 1, 'p', null, 'RunContent', 'x'::bytea)", record.key
            )
            log.wake_followers(shard_bit(record.key))
        assert [event.seq for event in await asyncio.wait_for(first, 0.6)] == [0]
        follower.close()


async def test_a_lost_connection_is_waited_out_and_nothing_is_written_twice(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        async with open_database(database.dsn) as other, other.transaction() as connection:
            await connection.fetch("select from runs where key = $1 for update", record.key)
            writer.emit("RunContent", b"0")
            writer.add_step(step(1))
            committing = asyncio.create_task(writer.commit())
            await until_locked(database)
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' "
                "and datname = current_database()"
            )
        await asyncio.wait_for(committing, 5)
        assert len(await RunLog(database).read_events(record.key, after=-1)) == 1


async def committed(database: Database) -> int:
    """Statements that wrote something: transaction ids used so far."""
    count: int = await database.fetchval("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    return count


async def test_a_task_left_behind_says_nothing_after_its_run_has_ended(database: Database, record: RunRecord):
    async with event_log(database) as log:
        writer = log.open_writer(record, next_seq=0, on_fenced=lambda: None)
        follower = log.follow(record)
        writer.emit("RunCancelled", b"{}")
        events = (await log.close_writer(writer)).events
        writer.emit("ToolCallCompleted", b"{}")
        writer.add_step(step(1))
        with pytest.raises(asyncio.CancelledError):
            await writer.commit()
        await asyncio.sleep(0.05)
        (finished,) = await RunStore(database).finish([finish_of(record, events=events)], node_id="node")
        assert finished.is_done
        log.publish(record.key, events, answer=Answer(RunStatus.CANCELLED, b"{}", None))
        log.drop_writer(writer, has_ended=True)
        assert await asyncio.wait_for(collect(follower), 5) == [0]
    assert await database.fetchval("select array_agg(name order by seq) from run_events") == ["RunCancelled"]
    assert await database.fetchval("select count(*) from run_steps") == 0


async def test_who_follows_a_run_that_paused_stays_when_it_was_continued_meanwhile(database: Database):
    store = RunStore(database)
    record = await begin(store)
    paused = Event(seq=0, name="RunPaused", data=b"{}")
    await store.finish([finish_of(record, status=RunStatus.PAUSED, events=[paused], next_seq=1)], node_id="node")
    stale = await store.find("p", record.id)
    assert stale is not None
    await database.execute("update runs set status = 'PENDING' where key = $1", record.key)
    async with event_log(database) as log:
        following = asyncio.create_task(collect(log.follow(stale)))
        await asyncio.sleep(1.5)  # longer than a look at whether it is over
        assert not following.done()
        await database.execute("update runs set status = 'CANCELLED' where key = $1", record.key)
        assert await asyncio.wait_for(following, 5) == [0]
