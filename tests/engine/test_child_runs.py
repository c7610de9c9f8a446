"""Runs inside a run on a real PostgreSQL: under their root's claim, in its log, and found again when it is replayed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, Outcome, RunRecord
from serai.engine.active_run import ActiveRun, RestingRun
from serai.engine.engine import Engine, EngineOptions, RunRequest
from serai.storage.connection import Database
from serai.storage.run_moves import EndAtRest, RunMoves
from tests.run_values import until


class Pair:
    """A component that runs two children side by side, each with one step, and joins what they say."""

    kind = "team"
    id = "pair"
    max_concurrency = None

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.hold: dict[str, asyncio.Event] = {}
        self.pauses = False
        self.member_kind = "agent"

    def begin(self, run: ActiveRun) -> PairRun:
        return PairRun(self, run)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        output["answer"] = answers
        return True

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        return outcome(run.record, RunStatus.CANCELLED, None)


class PairRun:
    def __init__(self, pair: Pair, run: ActiveRun) -> None:
        self.pair = pair
        self.run = run

    async def execute(self) -> Outcome:
        parts = await asyncio.gather(self.member("left"), self.member("right"))
        if any(part is None for part in parts):
            return outcome(self.run.record, RunStatus.PAUSED, None)
        return outcome(self.run.record, RunStatus.COMPLETED, " ".join(str(part) for part in parts))

    async def member(self, name: str) -> str | None:
        child = await self.run.begin_child(
            name, kind=self.pair.member_kind, component_id=name, given=b'{"message":"hi"}'
        )
        if child.ended is not None:
            assert child.ended.output is not None
            return str(load_json(child.ended.output)["content"])

        async def work() -> str:
            self.pair.done[name] += 1
            if name in self.pair.hold:
                await self.pair.hold[name].wait()
            return f"{name} done"

        if self.pair.pauses and name == "right" and child.paused is None:
            self.run.end_child(child, outcome(child.record, RunStatus.PAUSED, None))
            return None
        said = str(await child.journal.run("work", "1", given=None, body=work))
        child.emit("RunContent", dump_json({"event": "RunContent", "run_id": child.record.id, "content": said}))
        self.run.end_child(child, outcome(child.record, RunStatus.COMPLETED, said))
        return said

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        return outcome(self.run.record, RunStatus.ERROR, str(error))

    def cancel(self) -> Outcome:
        return outcome(self.run.record, RunStatus.CANCELLED, None)


def outcome(record: RunRecord, status: RunStatus, content: str | None) -> Outcome:
    ends = {RunStatus.PAUSED: "Paused", RunStatus.CANCELLED: "Cancelled", RunStatus.ERROR: "Error"}
    name = f"{'Team' if record.kind == 'team' else ''}Run{ends.get(status, 'Completed')}"
    members = {"event": name, "run_id": record.id}
    return Outcome(status=status, output={"run_id": record.id, "content": content}, last_event=(name, members))


@asynccontextmanager
async def engine(database: Database, pair: Pair) -> AsyncIterator[Engine]:
    opened = Engine(database, [pair], options=EngineOptions(lease_s=2))
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


async def submit(engine: Engine) -> RunRecord:
    request = RunRequest(
        project_id="p", user_id="ada", session_id="s", run_id=None, kind="team", component_id="pair", input=b"{}"
    )
    record, _ = await engine.submit(request)
    return record


async def statuses(database: Database) -> dict[str, str]:
    return {
        row["component_id"]: row["status"]
        for row in await database.fetch("select component_id, status from runs where parent_key is not null")
    }


async def test_children_have_rows_of_their_own_and_speak_in_their_roots_log(database: Database):
    async with engine(database, Pair()) as node:
        record = await submit(node)
        answer = await node.wait(record)
        assert load_json(answer.output or b"")["content"] == "left done right done"
        events = [event async for events in node.read_events(record) for event in events]
    assert [event.seq for event in events] == list(range(len(events)))
    assert [event.name for event in events].count("RunCompleted") == 2
    assert events[-1].name == "TeamRunCompleted"
    rows = await database.fetch("select * from runs where parent_key = $1", record.key)
    assert {row["status"] for row in rows} == {"COMPLETED"}
    assert {(row["root_key"], row["session_id"], row["user_id"]) for row in rows} == {(record.key, "s", "ada")}
    assert await database.fetchval("select run_count from sessions") == 1


async def test_a_run_that_is_taken_over_does_nothing_twice_that_a_child_had_finished(database: Database):
    pair, other = Pair(), Pair()
    pair.hold["right"] = asyncio.Event()
    async with engine(database, pair) as node:
        record = await submit(node)
        await until(database, "select count(*) = 1 from runs where component_id = 'left' and status = 'COMPLETED'")
        async with engine(database, other) as survivor:
            await node.stop()
            answer = await survivor.wait(record)
            events = [event async for events in survivor.read_events(record) for event in events]
    assert load_json(answer.output or b"")["content"] == "left done right done"
    assert (pair.done, other.done) == (Counter(left=1, right=1), Counter(right=1))
    assert [event.name for event in events].count("RunCompleted") == 2
    assert set((await statuses(database)).values()) == {"COMPLETED"}


async def test_children_of_a_cancelled_run_are_cancelled(database: Database):
    pair = Pair()
    pair.hold["right"] = asyncio.Event()
    async with engine(database, pair) as node:
        record = await submit(node)
        await until(database, "select count(*) = 1 from runs where component_id = 'left' and status = 'COMPLETED'")
        await node.cancel("p", record.id, kind="team", component_id="pair")
        assert (await node.wait(record)).status is RunStatus.CANCELLED
    assert await statuses(database) == {"left": "COMPLETED", "right": "CANCELLED"}


async def test_a_child_pauses_with_its_root_and_goes_on_with_it(database: Database):
    pair = Pair()
    pair.pauses = True
    async with engine(database, pair) as node:
        record = await submit(node)
        assert (await node.wait(record)).status is RunStatus.PAUSED
        assert await statuses(database) == {"left": "COMPLETED", "right": "PAUSED"}
        continued = await node.proceed(record, "yes")
        answer = await node.wait(continued.record, after=continued.after)
        assert answer.status is RunStatus.COMPLETED
        assert load_json(answer.output or b"")["content"] == "left done right done"
    assert pair.done == Counter(left=1, right=1)
    row = await database.fetchrow("select segment, status from runs where component_id = 'right'")
    assert row is not None
    assert tuple(row) == (1, "COMPLETED")


async def test_a_child_is_no_run_that_callers_move(database: Database):
    pair = Pair()
    pair.hold["right"] = asyncio.Event()
    async with engine(database, pair) as node:
        record = await submit(node)
        await until(database, "select count(*) = 2 from runs where parent_key = $1", record.key)
        child = await database.fetchval("select id from runs where component_id = 'right'")
        await node.cancel("p", child, kind="agent", component_id="right")
        assert (await statuses(database))["right"] == "RUNNING"
        pair.hold["right"].set()
        assert (await node.wait(record)).status is RunStatus.COMPLETED


async def test_children_of_a_run_that_is_cancelled_while_it_rests_are_cancelled(database: Database):
    pair = Pair()
    pair.pauses = True
    async with engine(database, pair) as node:
        record = await submit(node)
        assert (await node.wait(record)).status is RunStatus.PAUSED
        await node.cancel("p", record.id, kind="team", component_id="pair")
    assert await statuses(database) == {"left": "COMPLETED", "right": "CANCELLED"}


async def test_children_of_a_run_that_was_handed_over_and_cancelled_are_cancelled(database: Database):
    pair = Pair()
    pair.hold["right"] = asyncio.Event()
    async with engine(database, pair) as node:
        record = await submit(node)
        await until(database, "select count(*) = 1 from runs where component_id = 'left' and status = 'COMPLETED'")
    assert (await statuses(database))["right"] == "RUNNING"

    def end(*_: object) -> EndAtRest:
        return EndAtRest(output=b"{}", messages=None, event=Event(seq=9, name="TeamRunCancelled", data=b"{}"))

    await RunMoves(database).cancel(record, end=end)
    assert await statuses(database) == {"left": "COMPLETED", "right": "CANCELLED"}


async def test_a_child_of_the_roots_own_kind_does_not_end_the_roots_stream(database: Database):
    pair = Pair()
    pair.member_kind = "team"
    pair.hold["right"] = asyncio.Event()
    async with engine(database, pair) as node:
        record = await submit(node)
        await until(database, "select count(*) = 1 from runs where component_id = 'left' and status = 'COMPLETED'")
        waiting = asyncio.create_task(node.wait(record))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        pair.hold["right"].set()
        assert (await asyncio.wait_for(waiting, 5)).status is RunStatus.COMPLETED
