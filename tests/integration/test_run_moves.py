"""Continuing and cancelling stored runs on a real PostgreSQL, also when both happen at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, RunRecord
from serai.errors import RequestError
from serai.storage.connection import Database
from serai.storage.run_log import Append, RunLog
from serai.storage.run_moves import Cancelled, EndAtRest, RunMoves
from serai.storage.runs import Answer, RunStore
from tests.run_values import apply_retention, claim, completed, content, finish_of, keys, new_run, submit


@pytest.fixture
def store(database: Database) -> RunStore:
    return RunStore(database)


@pytest.fixture
def moves(database: Database) -> RunMoves:
    return RunMoves(database)


def answered(stored: bytes) -> tuple[bytes, bool]:
    return stored + b"!", True


def end(_record: RunRecord, _answer: Answer, _logged: list[Event], next_seq: int) -> EndAtRest:
    event = Event(seq=next_seq, name="RunCancelled", data=b"{}")
    return EndAtRest(output=b'{"cancelled":true}', messages=None, event=event)


async def paused(store: RunStore, session_id: str = "s") -> RunRecord:
    """Return a run that said three things and waits for an answer."""
    (record,) = await submit(store, new_run(session_id, node_id="node"))
    events = [*content(0, 2), Event(seq=2, name="RunPaused", data=b"{}")]
    await store.finish(
        [finish_of(record, status=RunStatus.PAUSED, output=b"paused", carried=b"c", events=events, next_seq=3)],
        node_id="node",
    )
    return record


async def proceed(
    database: Database,
    moves: RunMoves,
    record: RunRecord,
    *,
    answer: Callable[[bytes], tuple[bytes, bool]] = answered,
    node_id: str | None = None,
    waits: bool = True,
) -> RunRecord | None:
    async with database.transaction() as connection:
        moved = await moves.proceed(connection, record, answer=answer, node_id=node_id, waits=waits)
        return None if moved is None else moved.record


async def test_a_continued_run_is_claimed_at_once_by_a_node_with_a_place(
    database: Database, store: RunStore, moves: RunMoves
):
    record = await paused(store)
    begun = await proceed(database, moves, record, node_id="other")
    assert begun is not None
    assert (begun.status, begun.segment, begun.segment_seq, begun.epoch) == (RunStatus.RUNNING, 1, 3, 2)
    assert await store.list_running_keys("other") == {record.key}
    assert await store.get_answer(record.key) == Answer(RunStatus.RUNNING, b"paused!", None, b"c")


async def test_a_continued_run_waits_for_its_turn_before_those_that_came_after_it(
    database: Database, store: RunStore, moves: RunMoves
):
    record = await paused(store)
    running, waiting = await submit(store, new_run("s", node_id="node"), new_run("s"))
    begun = await proceed(database, moves, record, node_id="node")
    assert begun is not None
    assert begun.status is RunStatus.PENDING
    assert await claim(store) == []
    await store.finish([finish_of(running)], node_id="node")
    assert keys(await claim(store)) == [record.id]
    (again,) = [await store.find("p", record.id)]
    assert again is not None
    await store.finish([finish_of(again)], node_id="node")
    assert keys(await claim(store)) == [waiting.id]


async def test_a_continuation_that_would_not_wait_changes_nothing(database: Database, store: RunStore, moves: RunMoves):
    record = await paused(store)
    await submit(store, new_run("s", node_id="node"))
    assert await proceed(database, moves, record, waits=False) is None
    assert await store.get_answer(record.key) == Answer(RunStatus.PAUSED, b"paused", None, b"c")


async def test_some_of_the_answers_are_kept_and_a_wrong_one_is_not(
    database: Database, store: RunStore, moves: RunMoves
):
    record = await paused(store)

    def refuse(_stored: bytes) -> tuple[bytes, bool]:
        raise RequestError("wrong")

    begun = await proceed(database, moves, record, answer=lambda stored: (stored + b"?", False))
    assert begun is not None
    assert begun.status is RunStatus.PAUSED
    with pytest.raises(RequestError):
        await proceed(database, moves, record, answer=refuse)
    assert (await store.get_answer(record.key)).output == b"paused?"


async def test_numbers_of_events_go_on_when_the_log_of_the_earlier_segment_is_gone(
    database: Database, store: RunStore, moves: RunMoves
):
    record = await paused(store)
    await database.execute("delete from run_events where run_key = $1", record.key)
    begun = await proceed(database, moves, record)
    assert begun is not None
    assert begun.segment_seq == 3


async def test_a_cancel_of_a_run_that_was_handed_over_numbers_its_event_after_those_there(
    database: Database, store: RunStore, moves: RunMoves
):
    (record,) = await submit(store, new_run(node_id="node"))
    log = RunLog(database)
    await log.append([Append(record, events=content(0, 5))], node_id="node")
    await store.release_runs([record.key], node_id="node")
    cancelled = await moves.cancel(record, end=end)
    assert isinstance(cancelled, Cancelled)
    assert cancelled.event.seq == 5
    assert [event.seq for event in await log.read_events(record.key, after=-1)] == list(range(6))
    assert await log.append([Append(record, events=content(6))], node_id="node") == set()


async def test_a_cancel_gives_the_turn_to_the_next(store: RunStore, moves: RunMoves):
    first, second, third = await submit(store, *(new_run("s") for _ in range(3)))
    cancelled = await moves.cancel(second, end=end)
    assert isinstance(cancelled, Cancelled)
    assert cancelled.next_key is None, "it was not its turn"
    cancelled = await moves.cancel(first, end=end)
    assert isinstance(cancelled, Cancelled)
    assert cancelled.next_key == third.key
    assert keys(await claim(store)) == [third.id]


async def test_a_running_run_is_only_asked_to_end(store: RunStore, moves: RunMoves):
    (record,) = await submit(store, new_run(node_id="node"))
    assert await store.list_cancels("node") == set()
    standing = await moves.cancel(record, end=end)
    assert isinstance(standing, RunRecord)
    assert standing.status is RunStatus.RUNNING
    assert await store.list_cancels("node") == {record.key}
    found = await store.find("p", record.id)
    assert found is not None
    assert found.is_cancel_asked


async def test_a_cancel_that_came_first_is_known_when_its_run_comes(
    database: Database, store: RunStore, moves: RunMoves
):
    await moves.remember_cancel("p", "early")
    await moves.remember_cancel("q", "other")
    first, other = await submit(
        store, new_run("s", id="early", node_id="node"), new_run("t", id="other", node_id="node")
    )
    assert (first.is_cancel_asked, other.is_cancel_asked) == (True, False)
    await moves.remember_cancel("p", "other")
    assert await store.list_cancels("node") == {first.key, other.key}, "one that came while the run was stored"
    await database.execute("update run_cancellations set created_at = now() - interval '25 hours'")
    assert (await apply_retention(database))["run_cancellations"] == 3
    assert await database.fetchval("select count(*) from run_cancellations") == 0


async def test_continuing_cancelling_and_submitting_at_once_leave_no_run_behind(
    database: Database, store: RunStore, moves: RunMoves
):
    chance = random.Random(7)
    records = [await paused(store, f"s{number % 4}") for number in range(24)]

    async def act(record: RunRecord) -> None:
        await asyncio.sleep(chance.random() * 0.05)
        match chance.randrange(3):
            case 0:
                await moves.cancel(record, end=end)
            case 1:
                await proceed(database, moves, record)
                await moves.cancel(record, end=end)
            case _:
                await asyncio.gather(
                    proceed(database, moves, record), submit(store, new_run(record.session_id)), return_exceptions=False
                )

    async def work() -> None:
        """Claim and finish until nothing is left."""
        idle = 0
        while idle < 20:
            claimed = await claim(store)
            idle = 0 if claimed else idle + 1
            for record in claimed:
                await store.finish([finish_of(record, events=[completed(99)])], node_id="node")
            await asyncio.sleep(0.01)

    await asyncio.gather(work(), *(act(record) for record in records))
    await work()
    left = await database.fetch("select status, count(*) from runs group by status")
    assert {row["status"] for row in left} <= {"COMPLETED", "CANCELLED"}, left
    assert await database.fetchval("select count(*) from sessions where active_run_key is not null") == 0
