"""Lists and counts of traces against what there is, whatever was written, told again and removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import pytest

from serai.domain.sessions import NewSession
from serai.domain.traces import Entry, Span, SpanKind, SpanStatus
from serai.storage.connection import Database
from serai.storage.erasure import count_user, erase_user
from serai.storage.sessions import SessionStore
from serai.storage.spans import SpanStore
from serai.storage.trace_lists import TraceQuestion
from serai.storage.trace_removal import count_old_traces, remove_old_traces
from serai.storage.trace_store import TraceStore
from tests.span_values import BEGAN_NS, span

BEGAN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGAN_NS // 1000)
MINUTE_NS = 60 * 1_000_000_000
TABLES = (
    *("traces", "spans", "trace_deltas", "trace_counts", "trace_hours", "trace_sessions", "trace_session_parts"),
    *("trace_session_counts", "trace_removals"),
)
VALUES: dict[str, list[str | None]] = {
    "user_id": [None, "ada", "bob"],
    "session_id": [None, "s1", "s2", "s3"],
    "status": [None, "OK", "ERROR", "UNSET"],
}
COMPONENTS = [{}, {"agent_id": "a"}, {"agent_id": "b"}, {"team_id": "a"}, {"workflow_id": "w"}]


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url)
    await database.open()
    await database.execute(f"truncate {', '.join(TABLES)}")
    yield database
    await database.close()


def root(number: int, **members: Any) -> Span:
    """Return a trace that began so many minutes after the first."""
    return span(number, 1, started_ns=BEGAN_NS + number * MINUTE_NS, **members)


def some_span(random: Random) -> Span:
    """Return a span of one of sixty traces, over four hours: its root, as it began or ended, or one before it."""
    number = random.randrange(60)
    if random.random() < 0.3:
        return span(number, random.randint(2, 4), parent=1, started_ns=BEGAN_NS + (number - 5) * MINUTE_NS)
    random = Random(f"{number} {random.random() < 0.9}")
    told: dict[str, Any] = {"user_id": random.choice(VALUES["user_id"]), **random.choice(COMPONENTS)}
    told |= {"session_id": random.choice(VALUES["session_id"]), "run_id": f"r{number}"}
    told["duration_ns"] = random.choice([None, MINUTE_NS])
    told["status"] = SpanStatus.UNSET if told["duration_ns"] is None else random.choice(list(SpanStatus))
    return root(number * 4, **told, trace_id=UUID(int=number), entry=random.choice([Entry.LOCAL, Entry.ROOT]))


async def check_lists(database: Database) -> None:
    """Compare every list, its total and its pages with the rows that there are."""
    store = TraceStore(database)
    rows = await database.fetch("select * from traces order by started_at desc, trace_id desc")
    questions: list[dict[str, Any]] = [
        {"members": {name: value for name, value in zip(VALUES, values, strict=True) if value} | component}
        for values in product(*VALUES.values())
        for component in COMPONENTS
    ]
    moments = [BEGAN + timedelta(minutes=minutes) for minutes in (-1, 61, 120, 400)]
    questions += [{**one, "since": since} for one in questions[::7] for since in moments]
    questions += [{**one, "until": until} for one in questions[::9] for until in moments]
    for asked in questions:
        found = [row["trace_id"] for row in rows if _is_asked_for(row, **asked)]
        page = await store.lists.page(TraceQuestion(project_id="default", limit=7, **asked))
        assert ([record.trace_id for record in page.records], page.total) == (found[:7], len(found)), asked
        offset = len(found) * 2 // 3 or 1
        page = await store.lists.page(TraceQuestion(project_id="default", limit=7, offset=offset, **asked))
        assert ([record.trace_id for record in page.records], page.total) == (found[offset:][:7], len(found)), asked


def _is_asked_for(
    row: Any, *, members: dict[str, str], since: datetime | None = None, until: datetime | None = None
) -> bool:
    return (
        all(row[name] == value for name, value in members.items())
        and (since is None or row["started_at"] >= since)
        and (until is None or (row["ended_at"] <= until and (row["duration_ns"] is not None or row["entry"] == 0)))
    )


async def check_sessions(database: Database) -> None:
    """Compare what is kept of sessions with their traces."""
    store = TraceStore(database)
    for members in ({}, {"user_id": "ada"}, {"agent_id": "a"}, {"user_id": "bob", "workflow_id": "w"}):
        told: dict[str, list[Any]] = {}
        for row in await database.fetch("select * from traces where session_id is not null"):
            if _is_asked_for(row, members=members):
                told.setdefault(row["session_id"], []).append(row["created_at"])
        expected = {(max(times), min(times), len(times), name) for name, times in told.items()}
        page = await store.sessions.page(TraceQuestion(project_id="default", members=members))
        found = {(one.last_at, one.first_at, one.traces, one.session_id) for one in page.records}
        assert (found, page.total) == (expected, len(expected)), members
        latest = [one.last_at for one in page.records]
        assert latest == sorted(latest, reverse=True), members


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
async def test_lists_and_counts_are_right_whatever_was_written_again_and_removed(database: Database, seed: int):
    random, writer, counts = Random(seed), SpanStore(database), TraceStore(database).counts
    for turn in range(4):
        for _ in range(12):
            await writer.write([some_span(random) for _ in range(random.randint(1, 8))])
        if turn % 2:
            await database.execute("delete from traces where trace_id::text < $1", f"{UUID(int=10 * turn)}")
        if turn != 2:
            await counts.fold()
        if turn > 1:
            await check_lists(database)
    await check_sessions(database)
    await database.execute("delete from traces")
    await counts.fold()
    for table in ("trace_deltas", "trace_counts", "trace_hours", "trace_sessions", "trace_session_parts"):
        assert await database.fetchval(f"select count(*) from {table}") == 0, table
    assert await database.fetchval("select sum(sessions) from trace_session_counts") == 0


async def test_long_lists_have_pages_far_in_and_say_when_there_are_more_than_were_counted(database: Database):
    await database.execute(
        """insert into traces (project_id, trace_id, user_id, session_id, name, status, entry, entry_span_id,
                               started_at, ended_at, duration_ns, total_spans, error_count)
           select 'default', gen_random_uuid(), 'ada', 's' || nr % 1500, 'n', 'OK', 3, 1,
                  $1::timestamptz + nr * interval '1 min', $1::timestamptz + nr * interval '1 min', 1, 1, 0
           from generate_series(1, 3000) as nr""",
        BEGAN,
    )
    store = TraceStore(database)
    until = BEGAN + timedelta(minutes=2000)
    page = await store.lists.page(TraceQuestion(project_id="default", until=until, offset=1500))
    assert (page.total, page.is_exact, len(page.records)) == (1000, False, 20)
    assert page.records[0].started_at == BEGAN + timedelta(minutes=500)
    exact = await store.lists.page(TraceQuestion(project_id="default", members={"user_id": "ada", "status": "OK"}))
    assert (exact.total, exact.is_exact) == (3000, True)
    for members in ({}, {"status": "OK"}, {"user_id": "ada"}):
        far = await store.lists.page(TraceQuestion(project_id="default", members=members, offset=1400))
        assert (far.total, far.records[0].started_at) == (3000, BEGAN + timedelta(minutes=1600)), members
    of_ada = await store.sessions.page(TraceQuestion(project_id="default", members={"user_id": "ada"}))
    assert (of_ada.total, of_ada.is_exact, of_ada.records[0].traces) == (1000, False, 2)
    of_all = [await store.sessions.page(TraceQuestion(project_id="default", offset=at)) for at in (0, 700, 800, 1490)]
    assert {(page.total, page.is_exact) for page in of_all} == {(1500, True)}
    assert [len({one.session_id for one in page.records}) for page in of_all] == [20, 20, 20, 10]


async def test_old_traces_go_and_those_that_go_on_stay(database: Database):
    still = span(3, 2, parent=1, started_ns=BEGAN_NS + 300 * MINUTE_NS, duration_ns=MINUTE_NS)
    await SpanStore(database).write([root(1), root(2), root(3), still, root(200)])
    before = BEGAN + timedelta(minutes=100)
    assert await count_old_traces(database, before=before) == 2
    assert [await remove_old_traces(database, before=before) for _ in range(2)] == [2, 0]
    left = await database.fetch("select trace_id from spans group by trace_id order by trace_id")
    assert [row["trace_id"].int for row in left] == [3, 200]
    await check_lists(database)


async def test_traces_go_with_their_sessions_and_what_comes_late_goes_too(database: Database):
    sessions, writer, counts = SessionStore(database), SpanStore(database), TraceStore(database).counts
    nothing: dict[str, Any] = dict.fromkeys(("user_id", "component_id", "name", "state", "metadata"))
    await sessions.create(NewSession(project_id="default", id="s1", kind="agent", **nothing))
    await database.execute("update sessions set first_run_key = gen_random_uuid() where id = 's1'")
    spans = [root(1, session_id="s1"), span(1, 2, parent=1), root(2, session_id="s2")]
    await writer.write(spans)
    await sessions.delete("default", ["s1"])
    assert await _traces(database) == [2]
    await writer.write(spans)
    assert await _traces(database) == [1, 2]
    await counts.fold()
    assert await _traces(database) == [2]
    await check_lists(database)
    await writer.write(
        [span(5, 1, session_id="s1", started_ns=int((datetime.now(UTC) + timedelta(hours=1)).timestamp()) * 10**9)]
    )
    await counts.fold()
    assert await _traces(database) == [2, 5]


async def test_nothing_is_left_of_an_erased_user(database: Database):
    asks: dict[str, Any] = {"kind": SpanKind.LLM, "input_tokens": 5, "output_tokens": 2, "cost": 0.5}
    writer = SpanStore(database)
    of_ada = [root(1, user_id="ada", session_id="s1"), span(1, 2, parent=1, user_id="ada")]
    await writer.write(
        [*of_ada, root(2, user_id="bob"), span(2, 2, parent=1, **asks), span(2, 3, parent=1, user_id="ada", **asks)]
    )
    assert (await count_user(database, "default", "ada"))["traces"] == 1
    removed = await erase_user(database, "default", "ada")
    assert (removed["traces"], removed["spans"]) == (1, 3)
    row = await database.fetchrow("select total_spans, input_tokens, output_tokens, cost from traces")
    assert row is not None
    assert tuple(row) == (2, 5, 2, 0.5)
    await writer.write(of_ada)
    await TraceStore(database).counts.fold()
    for table in TABLES:
        assert not await database.fetchval(f"select exists(select from {table} as one where one::text ~ 'ada')"), table
    await check_lists(database)


async def _traces(database: Database) -> list[int]:
    rows = await database.fetch("select trace_id from traces order by trace_id")
    return [row["trace_id"].int for row in rows]
