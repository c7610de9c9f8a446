"""Spans as they are written: again and again, in any order, each trace's row right after each write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from serai.domain.traces import Entry, SpanKind, SpanStatus
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from tests.span_values import BEGAN_NS, span


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url)
    await database.open()
    await database.execute("truncate traces, spans")
    yield database
    await database.close()


async def _trace(database: Database, number: int = 1) -> asyncpg.Record:
    row = await database.fetchrow("select * from traces where trace_id = $1", UUID(int=number))
    assert row is not None
    return row


async def test_a_trace_is_the_same_in_whatever_order_its_spans_come_and_come_again(database: Database):
    root: dict[str, Any] = {
        "kind": SpanKind.AGENT,
        "run_id": "r",
        "session_id": "s",
        "user_id": "u",
        "agent_id": "a",
        "input": "hi",
    }
    asks: dict[str, Any] = {"kind": SpanKind.LLM, "input_tokens": 10, "output_tokens": 3, "cost": 0.5}
    spans = [
        span(1, 1, started_ns=BEGAN_NS, duration_ns=9_000_000, status=SpanStatus.ERROR, error="x", **root),
        span(1, 2, parent=1, **asks),
        span(1, 3, parent=1, **asks),
        span(1, 4, parent=1, status=SpanStatus.ERROR, error="no"),
        span(1, (1 << 64) - 1, parent=2, started_ns=BEGAN_NS + 3_000_000),
    ]
    store = SpanStore(database)
    rows = []
    for seed in range(6):
        await database.execute("truncate traces, spans")
        random = Random(seed)
        for _ in range(8):
            await store.write(random.sample(spans, random.randint(1, 3)))
        await store.write(random.sample(spans, 5))
        rows.append({name: value for name, value in (await _trace(database)).items() if name != "created_at"})
    assert all(row == rows[0] for row in rows)
    row = rows[0]
    assert (row["total_spans"], row["error_count"], row["input_tokens"], row["cost"]) == (5, 2, 20, 1.0)
    assert (row["status"], row["duration_ns"], row["input"], row["agent_id"]) == ("ERROR", 9_000_000, "hi", "a")


async def test_a_span_that_goes_on_is_completed_and_one_that_ended_stays_as_it_was(database: Database):
    store = SpanStore(database)
    await store.write([span(1, 2, parent=1, duration_ns=None, status=SpanStatus.UNSET, name="tool", input="in")])
    await store.write([span(1, 2, parent=1, duration_ns=5, name="search", output="out")])
    await store.write([span(1, 2, parent=1, duration_ns=7_000, status=SpanStatus.ERROR, error="late")])
    row = await database.fetchrow("select * from spans")
    assert row is not None
    assert (row["name"], row["duration_ns"], row["input"], row["output"], row["error"]) == (
        "search",
        5,
        "in",
        "out",
        None,
    )
    assert (await _trace(database))["error_count"] == 0


async def test_a_span_told_anew_with_a_later_start_keeps_its_first_one(database: Database):
    store = SpanStore(database)
    waits: dict[str, Any] = {"kind": SpanKind.WAIT, "parent": 1}
    await store.write([span(1, 2, started_ns=BEGAN_NS, duration_ns=None, **waits)])
    await store.write([span(1, 2, started_ns=BEGAN_NS + 2_000_000_000, duration_ns=0, **waits)])
    assert await database.fetchval("select duration_ns from spans") == 2_000_000_000
    told = [span(1, 3, started_ns=BEGAN_NS + number, duration_ns=number, **waits) for number in (0, 5_000)]
    await store.write(told)
    assert await database.fetchval("select duration_ns from spans where span_id = 3") == 10_000


async def test_a_trace_is_about_its_root_and_until_that_comes_about_its_first_span(database: Database):
    store = SpanStore(database)
    await store.write([span(1, 2, parent=1, name="tool", user_id="u")])
    row = await _trace(database)
    assert (row["name"], row["status"], row["duration_ns"]) == ("tool", "UNSET", None)
    await store.write([span(1, 3, parent=99, entry=Entry.LOCAL, name="inner")])
    assert (await _trace(database))["name"] == "inner"
    await store.write([span(1, 1, name="root"), span(1, 4, parent=99, entry=Entry.LOCAL, name="other")])
    row = await _trace(database)
    assert (row["name"], row["user_id"], row["status"], row["total_spans"]) == ("root", "u", "OK", 4)


async def test_texts_that_postgresql_does_not_take_are_written_as_far_as_it_does(database: Database):
    await SpanStore(database).write([span(1, 1, name="a\0b", input="\ud800", attributes={"k\0": "\udfff\0"})])
    row = await database.fetchrow("select name, input from spans")
    assert row is not None
    assert tuple(row) == ("a\ufffdb", "\ufffd")


async def test_a_trace_is_of_the_component_at_its_root_and_not_of_those_that_work_in_it(database: Database):
    store = SpanStore(database)
    await store.write([span(1, 3, parent=2, kind=SpanKind.AGENT, agent_id="member")])
    row = await _trace(database)
    assert (row["agent_id"], row["team_id"]) == (None, None)
    await store.write([span(1, 2, parent=9, kind=SpanKind.AGENT, entry=Entry.LOCAL, agent_id="first seen")])
    assert (await _trace(database))["agent_id"] == "first seen"
    await store.write([span(1, 1, kind=SpanKind.TEAM, team_id="team")])
    await store.write([span(1, 4, parent=1, kind=SpanKind.AGENT, agent_id="member")])
    row = await _trace(database)
    assert (row["agent_id"], row["team_id"]) == (None, "team")


async def test_a_trace_is_about_an_agent_and_not_about_the_request_that_began_it(database: Database):
    store = SpanStore(database)
    plain: dict[str, Any] = {"kind": SpanKind.OTHER, "entry": Entry.PLAIN, "name": "POST /ask"}
    await store.write([span(1, 1, duration_ns=9, **plain)])
    row = await _trace(database)
    assert (row["name"], row["status"], row["duration_ns"]) == ("POST /ask", "OK", 9)
    await store.write([span(1, 2, parent=1, kind=SpanKind.AGENT, entry=Entry.ROOT, name="ask", agent_id="a")])
    await store.write([span(1, 1, duration_ns=9, **plain)])
    row = await _trace(database)
    assert (row["name"], row["agent_id"], row["duration_ns"]) == ("ask", "a", 1_000_000)


async def test_what_comes_late_does_not_reopen_a_run_that_has_ended_but_a_paused_run_goes_on(database: Database):
    store = SpanStore(database)
    goes_on: dict[str, Any] = {"duration_ns": None, "status": SpanStatus.UNSET}
    for status, is_reopened in (("COMPLETED", False), ("PAUSED", True)):
        await database.execute("truncate traces, spans")
        ended = SpanStatus.OK if status == "COMPLETED" else SpanStatus.UNSET
        await store.write([span(1, 1, **goes_on)])
        await store.write([span(1, 1, duration_ns=9_000, status=ended, attributes={"run_status": status})])
        await store.write([span(1, 1, **goes_on)])
        row = await _trace(database)
        kept = await database.fetchval("select duration_ns from spans")
        assert (row["duration_ns"] is None, kept is None) == (is_reopened, is_reopened), status
        await store.write([span(1, 1, duration_ns=20_000, attributes={"run_status": "COMPLETED"})])
        row = await _trace(database)
        longest = 20_000
        assert (row["duration_ns"], row["status"]) == (longest, "OK"), status


async def test_a_workflows_step_that_has_ended_is_not_stretched_by_a_node_that_walks_over_it_again(database: Database):
    store = SpanStore(database)
    step: dict[str, Any] = {"kind": SpanKind.WORKFLOW, "attributes": {"step_type": "Step"}, "parent": 1}
    await store.write([span(1, 2, duration_ns=1_000, **step)])
    await store.write([span(1, 2, duration_ns=31_000, **step)])
    assert await database.fetchval("select duration_ns from spans") == 1_000
