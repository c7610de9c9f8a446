"""Evals whose node stops or dies: another one goes on after the last finished iteration, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic_ai import Agent

from serai.components.agent import AgentComponent
from serai.domain.evals import EvalRecord, EvalStatus, EvalType, NewEval
from serai.domain.json_text import dump_json, load_json
from serai.engine.jobs import MAX_ATTEMPTS
from serai.errors import ShuttingDownError
from serai.evals.evals import Evals
from serai.evals.runner import run_id
from serai.evals.spec import EvalSpec
from serai.storage import nodes
from serai.storage.connection import Database
from serai.storage.jobs import JobStore
from serai.testing import Asked, ScriptedModel, Turn
from tests.component_runs import engine_of
from tests.run_values import until

FINISHED = "select finished >= $1 from eval_runs"


class Place:
    """Where runs are held from the n-th on."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0
        self.reached = asyncio.Event()

    def component(self) -> AgentComponent:
        return AgentComponent(Agent(ScriptedModel(self._answer), name="helper"))

    def _answer(self, asked: Asked) -> Turn:
        return Turn(f"{len(asked.messages)}", gate=self._pass)

    async def _pass(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.reached.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def node(database: Database, place: Place) -> AsyncIterator[Evals]:
    component = place.component()
    async with engine_of(database, component) as engine:
        evals = Evals(database, engine, [component])
        evals.start()
        try:
            yield evals
        finally:
            await evals.stop()


async def begin(database: Database, evals: Evals, *, iterations: int = 3, **members: Any) -> EvalRecord:
    new = NewEval(
        project_id="p",
        user_id=None,
        name=None,
        eval_type=EvalType.PERFORMANCE,
        kind="agent",
        component_id="helper",
        component_name="helper",
        model_id=None,
        model_provider=None,
        input=dump_json(EvalSpec(input="go", **members)),
        iterations=iterations,
    )
    async with database.transaction() as connection:
        record = await evals.begin(connection, new)
    evals.announce(record)
    return record


async def test_an_eval_goes_on_after_its_last_finished_iteration(database: Database):
    first, second = Place(at=2), Place()
    async with node(database, first) as doomed:
        record = await begin(database, doomed)
        await first.reached.wait()
        waiting = asyncio.create_task(doomed.wait("p", record.id))
        async with node(database, second) as survivor:
            await doomed.stop()
            with pytest.raises(ShuttingDownError, match="goes on"):
                await waiting
            await doomed._engine.stop()
            ended = await survivor.wait("p", record.id)
    assert (ended.status, ended.finished) == (EvalStatus.COMPLETED, 3)
    assert len(load_json(ended.data or b"")["run_times"]) == 3
    assert second.count == 2, "the finished iteration was not run again"
    runs = await database.fetch("select id, status from runs order by id")
    assert [tuple(row) for row in runs] == [(run_id(record.id, number), "COMPLETED") for number in (1, 2, 3)]


async def test_an_eval_that_was_taken_for_lost_is_done_once_by_two_nodes(database: Database):
    """The run of the iteration is one, and only one of those who wait for it writes its result."""
    place = Place()
    async with node(database, place) as one, node(database, place) as other:
        record = await begin(database, one, iterations=20)
        await until(database, FINISHED, 3)
        async with database.connection() as connection:
            await connection.execute("update jobs set status = 'PENDING', node_id = null")
        one.look()
        other.look()
        ended = await other.wait("p", record.id)
        assert (ended.status, ended.finished) == (EvalStatus.COMPLETED, 20)
        await until(database, "select status = 'COMPLETED' from jobs")
    assert await database.fetchval("select count(*) from runs") == 20


async def test_an_eval_that_keeps_stopping_its_nodes_ends(database: Database):
    held = Place(at=1)
    async with node(database, held) as evals:
        await evals.stop()
        record = await begin(database, evals)
        store = JobStore(database)
        for _ in range(MAX_ATTEMPTS - 1):
            await store.claim(["eval:agent:helper"], node_id="dead", limit=1)
            async with database.connection() as connection:
                await nodes.release_runs_of(connection, ["dead"], is_takeover=True)
    async with node(database, Place()) as survivor:
        ended = await survivor.wait("p", record.id)
        await until(database, "select status = 'COMPLETED' from jobs")
    assert ended.status is EvalStatus.ERROR
    assert "begun 4 times" in (ended.error or "")
    assert held.count == 0


async def test_a_node_without_the_component_leaves_an_eval_alone(database: Database):
    place = Place()
    async with node(database, place) as having, engine_of(database) as engine:
        lacking = Evals(database, engine, [])
        lacking.start()
        await having.stop()
        record = await begin(database, having)
        lacking.look()
        await asyncio.sleep(0.1)
        assert await database.fetchval("select status from jobs") == "PENDING"
        await lacking.stop()
    async with node(database, place) as again:
        assert (await again.wait("p", record.id)).status is EvalStatus.COMPLETED
