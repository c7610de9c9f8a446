"""The engine on a real PostgreSQL when calls cross, and when components cannot say how their runs end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, Outcome, RunRecord
from serai.engine.active_run import ActiveRun, RestingRun
from serai.engine.engine import Engine, EngineOptions, RunRequest
from serai.errors import ConflictError
from serai.storage import runs
from serai.storage.connection import Database
from serai.storage.run_moves import EndAtRest, RunMoves
from serai.storage.runs import Answer, RunStore
from tests.run_values import COMPONENT, new_run, submit, take_over, until


class Puppet:
    """A component whose every word the test chooses; what is not in `says` it does as it should."""

    kind, id = COMPONENT
    max_concurrency = None

    def __init__(self, **says: Callable[..., Any]) -> None:
        self.says = says
        self.begun: Counter[str] = Counter()
        self.at_work = asyncio.Event()
        self.hold = asyncio.Event()

    def begin(self, run: ActiveRun) -> PuppetRun:
        self.begun[run.record.id] += 1
        if "begin" in self.says:
            self.says["begin"]()
        return PuppetRun(self, run.record)

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        output["answer"] = answers
        return True

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        if "cancel_at_rest" in self.says:
            self.says["cancel_at_rest"]()
        return outcome(run.record, RunStatus.CANCELLED)


class PuppetRun:
    def __init__(self, puppet: Puppet, record: RunRecord) -> None:
        self.puppet = puppet
        self.record = record

    async def execute(self) -> Outcome:
        self.puppet.at_work.set()
        if "execute" in self.puppet.says:
            answer = self.puppet.says["execute"](self.record)
            return answer if isinstance(answer, Outcome) else await answer
        return outcome(self.record, RunStatus.COMPLETED)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        if "fail" in self.puppet.says:
            self.puppet.says["fail"]()
        return outcome(self.record, RunStatus.ERROR, str(error))

    def cancel(self) -> Outcome:
        if "cancel" in self.puppet.says:
            self.puppet.says["cancel"]()
        return outcome(self.record, RunStatus.CANCELLED)


def outcome(record: RunRecord, status: RunStatus, content: Any = None) -> Outcome:
    ends = {RunStatus.PAUSED: "Paused", RunStatus.CANCELLED: "Cancelled", RunStatus.ERROR: "Error"}
    name = f"Run{ends.get(status, 'Completed')}"
    return Outcome(status=status, output={"content": content}, last_event=(name, {"event": name, "run_id": record.id}))


def broken(*_: object) -> None:
    raise RuntimeError("broken")


@asynccontextmanager
async def engine(database: Database, puppet: Puppet, **options: Any) -> AsyncIterator[Engine]:
    opened = Engine(database, [puppet], options=EngineOptions(**options))
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


def request(session_id: str = "s", **members: Any) -> RunRequest:
    given: dict[str, Any] = {"project_id": "p", "user_id": None, "session_id": session_id, "run_id": None}
    return RunRequest(**{**given, "kind": COMPONENT[0], "component_id": COMPONENT[1], "input": b"{}", **members})


async def cancel(node: Engine, record: RunRecord) -> None:
    await node.cancel("p", record.id, kind=COMPONENT[0], component_id=COMPONENT[1])


async def content(node: Engine, record: RunRecord) -> Any:
    return load_json((await node.get_answer(record)).output or b"{}")["content"]


def pauses_first(puppet: Puppet) -> Callable[[RunRecord], Any]:
    async def execute(record: RunRecord) -> Outcome:
        if record.segment == 0:
            return outcome(record, RunStatus.PAUSED)
        await puppet.hold.wait()
        return outcome(record, RunStatus.COMPLETED)

    return execute


@pytest.mark.parametrize("is_same_node", [True, False])
async def test_of_two_who_continue_a_run_at_once_one_does_and_the_other_is_told(database: Database, is_same_node: bool):
    puppet, other = Puppet(), Puppet()
    puppet.says["execute"] = pauses_first(puppet)
    other.says["execute"] = pauses_first(other)
    async with engine(database, puppet) as node, engine(database, other) as second:
        record, _ = await node.submit(request())
        assert (await node.wait(record)).status is RunStatus.PAUSED
        stale = await node.find("p", record.id)
        nodes = (node, node) if is_same_node else (node, second)
        answers = await asyncio.gather(
            *(one.proceed(stale, answer) for one, answer in zip(nodes, ("yes", "no"), strict=True)),
            return_exceptions=True,
        )
        (continued,) = [answer for answer in answers if not isinstance(answer, BaseException)]
        (refused,) = [answer for answer in answers if isinstance(answer, BaseException)]
        assert isinstance(refused, ConflictError)
        assert "not paused" in refused.message
        puppet.hold.set()
        other.hold.set()
        answer = await node.wait(continued.record, after=continued.after)
        assert answer.status is RunStatus.COMPLETED
    assert puppet.begun[record.id] + other.begun[record.id] == 2


async def test_a_run_that_its_component_cannot_begin_ends_as_an_error(database: Database):
    puppet = Puppet(begin=broken)
    async with engine(database, puppet) as node:
        record, _ = await node.submit(request())
        assert (await asyncio.wait_for(node.wait(record), 5)).status is RunStatus.ERROR
        assert await content(node, record) == "broken"
        (event,) = [event async for events in node.read_events(record) for event in events]
        assert event.name == "RunError"
        assert load_json(event.data)["run_id"] == record.id
        puppet.says.clear()
        following, _ = await node.submit(request())
        assert (await asyncio.wait_for(node.wait(following), 5)).status is RunStatus.COMPLETED
    assert puppet.begun[record.id] == 1


@pytest.mark.parametrize("says", [{"execute": broken, "fail": broken}, {"begin": broken}])
async def test_a_run_taken_over_too_often_ends_whatever_its_component_says(database: Database, says: dict[str, Any]):
    store = RunStore(database)
    (record,) = await submit(store, new_run("s", node_id="gone"))
    await take_over(database, record)
    await database.execute("update runs set status = 'PENDING', node_id = null, takeovers = 9")
    async with engine(database, Puppet(**says)) as node:
        assert (await asyncio.wait_for(node.wait(record), 5)).status is RunStatus.ERROR


async def test_a_cancelled_run_ends_though_its_component_cannot_say_how_and_its_task_does_not_stop(database: Database):
    puppet = Puppet(cancel=broken)

    async def go_on(_: RunRecord) -> None:
        while not puppet.hold.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await puppet.hold.wait()

    puppet.says["execute"] = go_on
    async with engine(database, puppet) as node:
        record, _ = await node.submit(request())
        await puppet.at_work.wait()
        await cancel(node, record)
        assert (await asyncio.wait_for(node.wait(record), 5)).status is RunStatus.CANCELLED
        assert node.worker.held == 0
        puppet.hold.set()


async def test_a_run_at_rest_is_cancelled_though_its_component_cannot_say_how(database: Database):
    puppet = Puppet(cancel_at_rest=broken)
    puppet.says["execute"] = pauses_first(puppet)
    async with engine(database, puppet) as node:
        record, _ = await node.submit(request())
        assert (await node.wait(record)).status is RunStatus.PAUSED
        await cancel(node, record)
        assert (await node.get_answer(record)).status is RunStatus.CANCELLED


async def test_an_answer_that_no_json_can_hold_ends_the_run_as_an_error(database: Database):
    endless: list[Any] = []
    endless.append(endless)
    puppet = Puppet(execute=lambda record: outcome(record, RunStatus.COMPLETED, endless))
    async with engine(database, puppet) as node:
        record, _ = await node.submit(request())
        assert (await asyncio.wait_for(node.wait(record), 5)).status is RunStatus.ERROR
        assert "JSON" in await content(node, record)


async def test_a_run_that_pauses_just_when_it_is_cancelled_is_cancelled(database: Database):
    puppet = Puppet()

    async def pause(record: RunRecord) -> Outcome:
        await puppet.hold.wait()
        return outcome(record, RunStatus.PAUSED)

    puppet.says["execute"] = pause
    async with engine(database, puppet) as node:
        record, _ = await node.submit(request())
        await puppet.at_work.wait()
        # The word of it comes late: the run pauses before.
        await database.execute("update runs set cancel_asked_at = now() where key = $1", record.key)
        puppet.hold.set()
        assert (await node.wait(record)).status is RunStatus.PAUSED
        await until(database, "select status = 'CANCELLED' from runs where key = $1", record.key)


async def test_what_a_run_said_before_it_was_let_go_is_there_when_it_is_cancelled(database: Database):
    store = RunStore(database)
    (record,) = await submit(store, new_run("s", node_id="gone"))
    await database.execute(
        "insert into run_events (run_key, seq, epoch, project_id, name, event) values ($1, 0, 1, 'p', $2, '{}')",
        record.key,
        "RunContent",
    )
    await database.execute("update runs set status = 'PENDING', node_id = null, takeovers = 1")
    seen: list[list[Event]] = []

    def end(_: RunRecord, __: Answer, logged: list[Event], next_seq: int) -> EndAtRest:
        seen.append(logged)
        event = Event(seq=next_seq, name="RunCancelled", data=b"{}")
        return EndAtRest(output=b"{}", messages=None, event=event)

    await RunMoves(database).cancel(record, end=end)
    assert [[event.name for event in logged] for logged in seen] == [["RunContent"]]


async def test_a_repeated_request_is_its_run_also_when_it_would_not_wait(database: Database):
    puppet = Puppet()

    async def wait(record: RunRecord) -> Outcome:
        await puppet.hold.wait()
        return outcome(record, RunStatus.COMPLETED)

    puppet.says["execute"] = wait
    async with engine(database, puppet) as node:
        asked = request(idempotency_key="k", waits=False)
        record, is_new = await node.submit(asked)
        assert is_new
        again, is_new = await node.submit(asked)
        assert (again.id, is_new) == (record.id, False)
        with pytest.raises(ConflictError, match="Session"):
            await node.submit(request(waits=False))
        with pytest.raises(ConflictError, match="Idempotency-Key"):
            await node.submit(request(idempotency_key="k", waits=False, input=b'{"other":1}'))
        puppet.hold.set()
        await node.wait(record)


async def test_a_node_holds_no_more_runs_than_it_may(database: Database):
    puppet = Puppet()
    most = 0

    async def wait(record: RunRecord) -> Outcome:
        nonlocal most
        most = max(most, node.worker.held)
        await asyncio.sleep(0.02)
        return outcome(record, RunStatus.COMPLETED)

    puppet.says["execute"] = wait
    await submit(RunStore(database), *(new_run(f"waits-{number}") for number in range(20)))
    async with engine(database, puppet, max_runs=8) as node:
        asked = [node.submit(request(f"comes-{number}")) for number in range(30)]
        records = [record for record, _ in await asyncio.gather(*asked)]
        await asyncio.gather(*(asyncio.wait_for(node.wait(record), 20) for record in records))
        await until(database, "select count(*) = 50 from runs where status = 'COMPLETED'")
    assert most == 8


async def test_claims_do_not_look_at_what_waits_for_others(database: Database):
    await database.execute(
        """
        insert into runs (key, id, project_id, session_id, root_key, kind, component_id, status, ready, position, input)
        select gen_random_uuid(), n::text, 'p', n::text, gen_random_uuid(), 'agent', 'gone', 'PENDING', true, 1, ''
        from generate_series(1, 20000) as n"""
    )
    await submit(RunStore(database), new_run("mine"))
    await database.execute("analyze runs")
    for query, arguments in claims():
        async with database.connection() as connection:
            await connection.execute("set plan_cache_mode = force_generic_plan")
            try:
                plan = "\n".join(row[0] for row in await connection.fetch("explain analyze " + query, *arguments))
            finally:
                await connection.execute("reset plan_cache_mode")
        assert "Seq Scan" not in plan
        assert "Removed by Filter: 2" not in plan
        assert "runs_claimable" in plan


def claims() -> list[tuple[str, list[Any]]]:
    kinds, ids = [COMPONENT[0]], [COMPONENT[1]]
    return [
        (runs._WAITS_FOR_PLACE, [kinds, ids]),
        (runs._CLAIM_LIMITED, [kinds, ids, [3], 10, "node"]),
        (runs._CLAIM, [kinds, ids, 10, "node"]),
    ]
