"""The log's fence on a real PostgreSQL: who lost a run cannot write, however the moment is chosen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Event, RunRecord, Step
from serai.storage.connection import Database
from serai.storage.run_log import Append, RunLog
from serai.storage.runs import RunStore
from tests.run_values import begin, content, finish_of, open_database, record_of, take_over, until_locked


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, connections=12) as opened:
        yield opened


@pytest.fixture
def log(database: Database) -> RunLog:
    return RunLog(database)


@pytest.fixture
async def record(database: Database) -> RunRecord:
    return await begin(RunStore(database))


def step(call: str, result: bytes = b"1") -> Step:
    return Step(operation="ask", call=call, fingerprint=b"f", result=result)


def child_of(record: RunRecord) -> ChildRun:
    return ChildRun(
        key=UUID(int=7),
        parent_key=record.key,
        kind="agent",
        component_id="helper",
        status=RunStatus.RUNNING,
        segment=0,
        input=b"{}",
    )


async def test_events_and_steps_are_read_as_they_were_appended(log: RunLog, record: RunRecord):
    events = [Event(seq=0, name="RunStarted", data=b'"\\u0000\xc2\x85"'), *content(1, 3)]
    assert await log.append([Append(record, events, [step("1", b"null")])], node_id="node") == {record.key}
    assert await log.read_events(record.key, after=-1) == events
    assert await log.read_steps(record.key, segment=0) == [step("1", b"null")]


async def test_a_child_is_stored_with_the_append_as_it_was_last(log: RunLog, record: RunRecord):
    begun = child_of(record)
    ended = replace(begun, status=RunStatus.COMPLETED, output=b"{}")
    for children in ([begun], [begun, ended], [ended]):
        append = Append(record, steps=[step("1")], children=children)
        assert await log.append([append], node_id="node") == {record.key}
    [stored] = await log.read_children(record.key)
    assert replace(stored, started_at=None, ended_at=None) == ended
    assert stored.started_at is not None
    assert stored.ended_at is not None
    assert stored.started_at < stored.ended_at


async def test_a_child_of_a_run_that_was_lost_is_not_stored(log: RunLog, record: RunRecord):
    lost = replace(record, epoch=record.epoch + 1)
    assert await log.append([Append(lost, children=[child_of(record)])], node_id="node") == set()
    assert await log.read_children(record.key) == []


def test_no_step_waits_until_the_beginning_of_a_child_is_durable() -> None:
    root = record_of()
    begun = child_of(root)
    ended = replace(begun, status=RunStatus.COMPLETED)
    assert Append(root, children=[begun]).open_steps == 0
    assert Append(root, steps=[step("1")], children=[begun, ended]).open_steps == 2


async def test_a_log_is_read_from_a_place_on_and_page_by_page(log: RunLog, record: RunRecord):
    await log.append([Append(record, content(0, 10))], node_id="node")
    assert [event.seq for event in await log.read_events(record.key, after=6)] == [7, 8, 9]
    assert [event.seq for event in await log.read_events(record.key, after=2, limit=3)] == [3, 4, 5]
    assert await log.read_events(record.key, after=9) == []


async def test_a_repeated_append_changes_nothing(log: RunLog, record: RunRecord):
    await log.append([Append(record, content(0, 2), [step("1", b"first")])], node_id="node")
    again = Append(record, content(0, 3), [step("1", b"second"), step("2")])
    assert await log.append([again], node_id="node") == {record.key}
    assert [event.seq for event in await log.read_events(record.key, after=-1)] == [0, 1, 2]
    assert {(one.call, one.result) for one in await log.read_steps(record.key, segment=0)} == {
        ("1", b"first"),
        ("2", b"1"),
    }


async def test_steps_of_another_segment_are_not_seen(log: RunLog, record: RunRecord):
    later = replace(record, segment=1)
    await log.append([Append(record, steps=[step("1")])], node_id="node")
    await log.append([Append(later, steps=[step("1", b"later")])], node_id="node")
    assert [one.result for one in await log.read_steps(record.key, segment=1)] == [b"later"]


async def test_an_append_without_content_tells_whether_the_run_is_still_ours(
    log: RunLog, record: RunRecord, database: Database
):
    assert await log.append([Append(record)], node_id="node") == {record.key}
    await take_over(database, record)
    assert await log.append([Append(record)], node_id="node") == set()


@pytest.mark.parametrize("how", ["node", "epoch", "pending", "ended", "gone"])
async def test_an_append_of_a_run_that_was_lost_is_refused(
    log: RunLog, record: RunRecord, database: Database, how: str
):
    changes = {
        "node": "update runs set node_id = 'other'",
        "epoch": "update runs set epoch = 2",
        "pending": "update runs set status = 'PENDING'",
        "ended": "update runs set status = 'COMPLETED'",
        "gone": "delete from runs",
    }
    await database.execute(changes[how])
    assert await log.append([Append(record, content(0), [step("1")])], node_id="node") == set()
    assert await log.read_events(record.key, after=-1) == []
    assert await log.read_steps(record.key, segment=0) == []


async def test_a_lost_run_does_not_keep_others_from_appending(log: RunLog, database: Database):
    store = RunStore(database)
    lost, kept = await begin(store), await begin(store)
    await take_over(database, lost)
    items = [Append(lost, content(0), [step("1")]), Append(kept, content(0), [step("1")])]
    assert await log.append(items, node_id="node") == {kept.key}
    assert await log.read_events(lost.key, after=-1) == []
    assert len(await log.read_events(kept.key, after=-1)) == 1


async def test_an_append_that_waits_for_a_takeover_is_refused(log: RunLog, record: RunRecord, database: Database):
    async with database.transaction() as connection:
        await connection.execute("update runs set status = 'PENDING', node_id = null where key = $1", record.key)
        appending = asyncio.create_task(log.append([Append(record, content(0), [step("1")])], node_id="node"))
        await until_locked(database)
    assert await appending == set()
    assert await log.read_events(record.key, after=-1) == []


@pytest.mark.parametrize("seed", range(4))
async def test_no_append_of_an_old_claim_is_stored_after_the_new_ones_look_at_the_log(
    log: RunLog, record: RunRecord, database: Database, seed: int
):
    """Appends and takeovers race; whoever claims the run reads the log, and nothing older may turn up afterwards."""
    chance = random.Random(seed)
    found: list[tuple[int, int]] = []

    async def append_on(claimed: RunRecord, first_seq: int, node_id: str) -> None:
        for seq in range(first_seq, first_seq + 50):
            item = Append(claimed, [Event(seq=seq, name="RunContent", data=b"%d" % claimed.epoch)])
            if not await log.append([item], node_id=node_id):
                return
            await asyncio.sleep(chance.random() * 0.002)

    claimed = record
    writers = [asyncio.create_task(append_on(record, 0, "node"))]
    for turn in range(12):
        await asyncio.sleep(chance.random() * 0.01)
        claimed = await take_over(database, claimed, node_id=f"node-{turn}")
        length = len(await log.read_events(record.key, after=-1))
        found.append((claimed.epoch, length))
        writers.append(asyncio.create_task(append_on(claimed, length, f"node-{turn}")))
    await asyncio.gather(*writers)
    events = await log.read_events(record.key, after=-1)
    assert [event.seq for event in events] == list(range(len(events)))
    epochs = [int(event.data) for event in events]
    assert epochs == sorted(epochs)
    for epoch, length in found:
        assert all(one < epoch for one in epochs[:length])
        assert all(one >= epoch for one in epochs[length:])


async def test_a_run_rests_once_it_neither_waits_nor_runs(log: RunLog, record: RunRecord, database: Database):
    assert not await log.is_at_rest(record.key)
    await database.execute("update runs set status = 'PENDING'")
    assert not await log.is_at_rest(record.key)
    taken = await take_over(database, record)
    await RunStore(database).finish([finish_of(taken, status=RunStatus.ERROR)], node_id="other")
    assert await log.is_at_rest(record.key)
    await database.execute("delete from runs")
    assert await log.is_at_rest(record.key)
