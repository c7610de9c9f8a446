"""Sessions on a real PostgreSQL: lists agree with what there is, pages with the whole, and removals leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.ids import new_key
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Step
from serai.domain.search_text import PIECES_END, fold, pieces_of
from serai.domain.sessions import NewSession, RunFilter, SessionChanges, SessionQuestion
from serai.domain.usage import used
from serai.errors import ConflictError
from serai.storage import session_lists
from serai.storage.connection import Database
from serai.storage.metrics import MetricsStore
from serai.storage.run_log import Append, RunLog
from serai.storage.run_moves import RunMoves
from serai.storage.runs import RunStore
from serai.storage.session_lists import MOST_COUNTED, ORDERS
from serai.storage.sessions import SessionStore
from tests.run_values import completed, content, finish_of, new_run, open_database, submit

WORDS = ("Zürich", "straße", "日本語", "a_b%c", "Hello there", "hello")
IDS = [f"s{number}" for number in range(6)]
USERS = (None, "u1", "u2")
KINDS = ("agent", "team")
IS_WAITED_FOR = "select exists(select from pg_locks where not granted)"

_acts = st.tuples(
    st.sampled_from(("create", "create", "submit", "submit", "finish", "rename", "delete", "fold")),
    st.sampled_from(IDS),
    st.sampled_from(USERS),
    st.sampled_from(KINDS),
    st.sampled_from((None, "c1", "c2")),
    st.sampled_from((*WORDS, "")),
)
Act = tuple[str, str, str | None, str, str | None, str]


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened


@pytest.fixture
def project() -> str:
    return str(uuid4())


def new_session(project: str, session_id: str, **members: Any) -> NewSession:
    given: dict[str, Any] = {
        **dict.fromkeys(("user_id", "component_id", "name", "state", "metadata")),
        "project_id": project,
        "id": session_id,
        "kind": "agent",
    }
    return NewSession(**(given | members))


def titled_run(project: str, session_id: str, message: str, **members: Any) -> Any:
    folded = fold(message)
    pieces = PIECES_END.join(pieces_of(folded))
    return new_run(session_id, project_id=project, title=message, folded=folded, pieces=pieces, **members)


async def total(store: SessionStore, project: str, **asked: Any) -> int:
    return (await store.page(SessionQuestion(project_id=project, **asked))).total


async def ids(store: SessionStore, project: str, **asked: Any) -> list[str]:
    return [record.id for record in (await store.page(SessionQuestion(project_id=project, **asked))).records]


async def perform(database: Database, project: str, act: Act) -> None:
    """Do one of the things that change lists; whether it is possible does not matter."""
    name, session_id, user_id, kind, component_id, word = act
    store, runs = SessionStore(database), RunStore(database)
    if name == "create":
        members = {"user_id": user_id, "kind": kind, "component_id": component_id, "name": word}
        await asyncio.gather(
            *(store.create(new_session(project, session_id, **members)) for _ in range(2)), return_exceptions=True
        )
    elif name == "submit":
        run = titled_run(project, session_id, word, user_id=user_id, kind=kind, component_id=component_id or "c1")
        await runs.submit([run, titled_run(project, session_id, word, user_id=user_id)])
    elif name == "finish":
        held = await runs.claim([(a, b) for a in KINDS for b in ("c1", "c2", "helper")], node_id="node", limit=100)
        usage = used("m", "p", {"input_tokens": 2, "output_tokens": 1})
        await runs.finish([finish_of(record, usage=usage) for record in held], node_id="node")
    elif name == "rename":
        await store.update(project, session_id, SessionChanges(name=word), user_id=user_id)
    elif name == "delete":
        await store.delete(project, [session_id, "absent"], user_id=user_id)
    else:
        await MetricsStore(database).fold()


async def check_lists(database: Database, project: str) -> None:
    """Compare each list with what the table holds."""
    store = SessionStore(database)
    rows = await database.fetch("select * from sessions where project_id = $1", project)
    for user_id in (None, "u1", "u2"):
        for kind in (None, *KINDS):
            for component_id in (None, "c1", "helper"):
                asked: dict[str, Any] = {"user_id": user_id, "kind": kind, "component_id": component_id}
                found = {row["id"] for row in rows if all(value in (None, row[name]) for name, value in asked.items())}
                page = await store.page(SessionQuestion(project_id=project, **asked))
                assert (page.total, {record.id for record in page.records}) == (len(found), found), asked
    for word in WORDS:
        called = {row["id"] for row in rows if fold(word) in fold(row["name"] or row["first_message"] or "")}
        page = await store.page(SessionQuestion(project_id=project, text=word))
        assert (page.total, {record.id for record in page.records}) == (len(called), called), word
    used_tokens = {row["id"]: row["input_tokens"] + row["output_tokens"] for row in rows}
    ended = await database.fetch(
        "select session_id, count(*) as runs from runs where project_id = $1 and ended_at is not null group by 1",
        project,
    )
    assert {name: tokens for name, tokens in used_tokens.items() if tokens} == {
        row["session_id"]: 3 * row["runs"] for row in ended
    }


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(_acts, min_size=5, max_size=25))
def test_lists_agree_with_what_there_is_whatever_was_done(shared_url: str, acts: list[Act]):
    async def play() -> None:
        project = str(uuid4())
        async with open_database(shared_url) as database:
            for act in acts:
                await perform(database, project, act)
            await check_lists(database, project)
            await MetricsStore(database).fold()
            await check_lists(database, project)

    asyncio.run(play())


async def test_every_page_is_a_part_of_the_whole(database: Database, project: str):
    store = SessionStore(database)
    await asyncio.gather(
        *(store.create(new_session(project, f"s{n:02}", name=f"n{n % 7}", user_id=f"u{n % 2}")) for n in range(23))
    )
    for column in ORDERS:
        for asked in ({}, {"user_id": "u1"}, {"text": "n"}, {"text": "n1", "user_id": "u1"}):
            whole = await ids(store, project, column=column, is_descending=False, limit=100, **asked)
            assert whole
            for is_descending in (False, True):
                expected = whole[::-1] if is_descending else whole
                for offset in range(0, len(whole) + 5, 4):
                    page = await ids(
                        store, project, column=column, is_descending=is_descending, limit=5, offset=offset, **asked
                    )
                    assert page == expected[offset : offset + 5], (column, asked, is_descending, offset)


async def test_pages_are_found_from_the_days_on_which_sessions_were_made(
    database: Database, project: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_lists, "FAR", -1000)
    store, metrics = SessionStore(database), MetricsStore(database)
    made = """
        with made as (
            insert into sessions (project_id, id, kind, component_id, created_at)
            select $1, $2 || i, (array['agent', 'team'])[1 + i % 2], 'c' || i % 3, now() - make_interval(days => i / $3)
            from generate_series(1, 40) as i returning *
        )
        insert into usage_deltas (project_id, day, kind, component_id, sessions, listed)
        select project_id, created_at::date, kind, component_id, 1, 1 from made"""
    for name, of_a_day in (("a", 7), ("b", 40)):
        await database.execute(made, project, name, of_a_day)
        await store.delete(project, [f"{name}{n}" for n in range(14, 25)])
        if name == "a":
            await metrics.fold()
    for asked in ({}, {"kind": "team"}, {"component_id": "c1"}, {"kind": "agent", "component_id": "c2"}):
        whole = await ids(store, project, limit=100, **asked)
        for is_descending in (False, True):
            expected = whole if is_descending else whole[::-1]
            for offset in range(1, len(whole) + 3):
                question = SessionQuestion(
                    project_id=project, is_descending=is_descending, limit=6, offset=offset, **asked
                )
                page = await store.page(question)
                found = [record.id for record in page.records]
                assert (found, page.total) == (expected[offset : offset + 6], len(whole)), (asked, question)
    assert await database.fetchval("select count(*) > 30 from session_days where project_id = $1", project)


async def test_lists_and_searches_never_read_a_run(database: Database, project: str):
    store = SessionStore(database)
    await submit(RunStore(database), *(titled_run(project, f"s{n}", "hello", user_id="u") for n in range(3)))
    await database.execute("alter table runs rename to hidden_runs")
    try:
        for column in ORDERS:
            for asked in ({}, {"user_id": "u", "kind": "agent"}, {"text": "hell"}, {"component_id": "helper"}):
                for offset in (0, 1, 2):
                    found = await ids(store, project, column=column, offset=offset, limit=10, **asked)
                    assert len(found) == 3 - offset, (column, asked, offset)
                assert await total(store, project, **asked) == 3
    finally:
        await database.execute("alter table hidden_runs rename to runs")


async def test_a_search_counts_up_to_a_limit_and_keeps_the_order(database: Database, project: str):
    await database.execute(
        """
        with made as (
            insert into sessions (project_id, id, kind, name, created_at)
            select $1, 's' || i, 'agent', 'common ' || i, now() - i * interval '1 second'
            from generate_series(1, $2) as i
            returning project_id, id, name
        ), named as (
            insert into session_names (project_id, session_id, folded, pieces)
            select project_id, id, name, array(select substr(name, i, 3) from generate_series(1, length(name) - 2) as i)
            from made
        )
        insert into usage_deltas (project_id, day, kind, listed) values ($1, current_date, 'agent', $2)""",
        project,
        MOST_COUNTED + 50,
    )
    store = SessionStore(database)
    page = await store.page(SessionQuestion(project_id=project, text="COMMON", limit=2, offset=3))
    assert ([record.id for record in page.records], page.total, page.is_exact) == (["s4", "s5"], MOST_COUNTED, False)
    rare = await store.page(SessionQuestion(project_id=project, text="common 104"))
    found = {"s104", *(f"s{n}" for n in range(1040, 1050))}
    assert ({record.id for record in rare.records}, rare.total, rare.is_exact) == (found, len(found), True)
    short = await store.page(SessionQuestion(project_id=project, text="50", limit=1))
    assert (short.records[0].id, short.is_exact) == ("s50", True)


async def test_an_id_is_taken_once_also_at_once(database: Database, project: str):
    store, other = SessionStore(database), SessionStore(database)
    made = await asyncio.gather(
        *((store if n % 2 else other).create(new_session(project, "s", name=f"n{n}")) for n in range(10)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in made) == [*["ConflictError"] * 9, "Created"]
    assert (await total(store, project), isinstance(made[0], ConflictError)) == (1, type(made[0]) is ConflictError)


async def test_a_removal_leaves_nothing_but_the_totals_of_days(database: Database, project: str):
    store, runs, log, metrics = SessionStore(database), RunStore(database), RunLog(database), MetricsStore(database)
    record, _ = await submit(
        runs, *(new_run("s", project_id=project, node_id="node", user_id="u1", id=f"{project}{n}") for n in (1, 2))
    )
    child = ChildRun(
        key=new_key(),
        parent_key=record.key,
        kind="agent",
        component_id="c",
        status=RunStatus.RUNNING,
        segment=0,
        input=b"{}",
    )
    step = Step(operation="model", call="0", fingerprint=b"f", result=b"{}")
    await log.append([Append(record, content(0), [step], [child])], node_id="node")
    await RunMoves(database).remember_cancel(project, record.id)
    await store.update(project, "s", SessionChanges(name="named"))
    usage = used("m", "p", {"input_tokens": 2, "output_tokens": 1})
    await runs.finish([finish_of(record, events=[completed(1)], usage=usage)], node_id="node")
    before = [(day.counts, day.tokens, day.users, day.models) for day in await metrics.read_days(project)]
    await store.delete(project, ["s"])
    for table in ("sessions", "session_names", "runs", "run_cancellations"):
        assert not await database.fetchval(f"select count(*) from {table} where project_id = $1", project), table
    for table in ("run_events", "run_steps"):
        assert not await database.fetchval(f"select count(*) from {table} where project_id = $1", project), table
    assert [(day.counts, day.tokens, day.users, day.models) for day in await metrics.read_days(project)] == before
    await metrics.refresh(project)
    assert [(day.counts, day.tokens, day.users, day.models) for day in await metrics.read_days(project)] == before
    assert await total(store, project) == 0


async def test_a_session_that_several_remove_at_once_is_counted_out_once(database: Database, project: str):
    store, metrics = SessionStore(database), MetricsStore(database)
    await asyncio.gather(*(store.create(new_session(project, f"s{n}", user_id=f"u{n % 2}")) for n in range(6)))
    await store.update(project, "s1", SessionChanges(name="named"))
    await asyncio.gather(
        *(store.delete(project, [f"s{n}"], user_id=user_id) for user_id in (None, "u0", "u1", "u0") for n in range(4)),
        store.delete(project, ["s4"], user_id="u1"),
    )
    assert (await ids(store, project, is_descending=False), await total(store, project)) == (["s4", "s5"], 2)
    days = await metrics.read_days(project)
    assert [day.counts["agent_sessions"] for day in days] == [6]
    assert await total(store, project) == 2
    assert [day.counts for day in await metrics.refresh(project)] == [day.counts for day in days]
    assert await database.fetchval("select count(*) from session_names where project_id = $1", project) == 0


async def test_a_node_that_works_on_a_removed_run_is_refused(database: Database, project: str):
    store, runs, log = SessionStore(database), RunStore(database), RunLog(database)
    (record,) = await submit(runs, new_run("s", project_id=project, node_id="node"))
    writes: list[Callable[[], Awaitable[Any]]] = [
        lambda: log.append([Append(record, content(0))], node_id="node"),
        lambda: store.delete(project, ["s"]),
    ]
    await asyncio.gather(*(write() for write in writes))
    assert await log.append([Append(record, content(1))], node_id="node") == set()
    (finished,) = await runs.finish([finish_of(record)], node_id="node")
    assert not finished.is_done
    assert not await database.fetchval("select count(*) from run_events where run_key = $1", record.key)
    assert await store.has_runs(project, "s") is None


async def test_a_run_that_is_just_beginning_inside_another_goes_with_the_session(database: Database, project: str):
    (record,) = await submit(RunStore(database), new_run("s", project_id=project, node_id="node"))
    async with database.transaction() as connection:
        await connection.execute("select from runs where key = $1 for share", record.key)
        await connection.execute(
            "insert into runs (key, id, project_id, session_id, root_key, parent_key, kind, component_id, input, "
            "status, ready, position) select $2::uuid, $2::uuid::text, project_id, session_id, key, key, kind, "
            "component_id, input, status, false, position from runs where key = $1",
            *(record.key, new_key()),
        )
        removal = asyncio.create_task(SessionStore(database).delete(project, ["s"]))
        async with asyncio.timeout(5):
            while not await connection.fetchval(IS_WAITED_FOR):  # noqa: ASYNC110 - in the database
                await asyncio.sleep(0.005)
    await removal
    assert not await database.fetchval("select count(*) from runs where project_id = $1", project)


async def test_runs_are_listed_and_found_by_their_session(database: Database, project: str):
    store, runs = SessionStore(database), RunStore(database)
    first, second = await submit(runs, *(new_run("s", project_id=project, node_id="node") for _ in range(2)))
    listed = await store.list_runs(project, "s", RunFilter())
    assert [record.key for record, _ in listed] == [first.key, second.key]
    waiting = await store.list_runs(project, "s", RunFilter(statuses=["PENDING"]))
    assert [record.key for record, _ in waiting] == [second.key]
    assert await store.find_run(project, "other", first.id) is None
    assert (await store.has_runs(project, "s"), await store.has_runs(project, "s", user_id="u")) == (True, None)
