"""Runs a component once for each place where its node may be stopped, another one going on. Not a test itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from serai.domain.run_state import RunStatus
from serai.domain.runs import RunRecord
from serai.engine.active_run import Component
from serai.engine.engine import Engine
from serai.storage.connection import Database
from tests.component_runs import Ran, engine_of, outcome_of, spans_written, submit
from tests.traces import tree_of


class Stop:
    """Holds what comes to it as the n-th, for ever; counts what comes."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0
        self.reached = asyncio.Event()

    async def pass_by(self) -> None:
        """Come to it: the n-th does not get past."""
        self.count += 1
        if self.count == self.at:
            self.reached.set()
            await asyncio.Event().wait()


AnyStop = TypeVar("AnyStop", bound=Stop)
Answers = Callable[[dict[str, Any]], list[dict[str, Any]]]


async def check_stops_anywhere(
    run: Callable[[int | None], Awaitable[Ran | None]],
    *,
    lasting: Callable[[dict[str, Any]], Any],
    said: Callable[[Ran], Counter[Hashable]],
    database: Database,
) -> None:
    """Check that a run stopped at each of its places in turn leaves what an undisturbed one does.

    Args:
        run: does it once, stopped at a place, as `run_stopped` does.
        lasting: the part of a run object that does not differ between any two runs.
        said: how often what was said.
        database: where the traces of both are compared.
    """
    calm = await run(None)
    assert calm is not None
    tree = await tree_of(database, calm.record)
    assert tree
    at = 1
    while (stopped := await run(at)) is not None:
        assert lasting(stopped.output) == lasting(calm.output), f"stopped at {at}"
        assert said(stopped) == said(calm), f"stopped at {at}"
        after = await tree_of(database, stopped.record)
        assert after == tree, f"stopped at {at}:\n{after}\n{tree}"
        at += 1
    assert at > 2


async def run_stopped(
    database: Database,
    make: Callable[[AnyStop], Component],
    stop: Callable[[int | None], AnyStop],
    at: int | None,
    *,
    answers: Answers,
    loses_spans: bool = True,
    **given: Any,
) -> Ran | None:
    """Run a component to its end, people's answers given, its node stopped at a place; None: it does not get there.

    Args:
        make: makes the component, which comes to the stop.
        stop: makes the stop for a place, or for none.
        at: the place; None to run undisturbed.
        answers: answers what a paused run object waits for.
        loses_spans: the node has not written what it had to tell.
        given: as for `submit`.
    """
    holding = stop(at)
    component = make(holding)
    async with engine_of(database, component, loses_spans=at is not None and loses_spans) as first:
        record = await submit(first, component, "go", session_id=f"{make.__name__}-{at}", **given)
        to_its_end = asyncio.create_task(_answer_until_it_ends(first, record, answers))
        reached = asyncio.create_task(holding.reached.wait())
        await asyncio.wait({to_its_end, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if to_its_end.done():
            ran = to_its_end.result()
            return ran if at is None else None
        await asyncio.sleep(0.05)  # all else comes as far as it can
        to_its_end.cancel()
        async with engine_of(database, make(stop(None))) as second:
            await first.stop()
            return await asyncio.wait_for(_answer_until_it_ends(second, record, answers), 20)


async def check_tokens_and_rows(database: Database, ran: Ran) -> int:
    """Check that a run's own event is its last, its tokens are counted once and all rows ended; return its tokens."""
    assert ran.events[-1]["run_id"] == ran.record.id
    of_events = [event["total_tokens"] for event in ran.events if event["event"].endswith("ModelRequestCompleted")]
    totals = await database.fetchrow(
        "select input_tokens, output_tokens from sessions where id = $1", ran.record.session_id
    )
    assert totals is not None
    assert sum(totals) == sum(of_events)
    statuses = await database.fetch("select distinct status from runs where root_key = $1", ran.record.key)
    assert {row["status"] for row in statuses} <= {"COMPLETED", "ERROR"}
    return sum(of_events)


async def _answer_until_it_ends(engine: Engine, record: RunRecord, answers: Answers) -> Ran:
    while True:
        ran = await outcome_of(engine, record)
        if ran.output["status"] != RunStatus.PAUSED.value:
            return ran
        await spans_written(engine)
        continued = await engine.proceed(await engine.find("p", record.id), answers(ran.output))
        await engine.wait(continued.record, after=continued.after)
