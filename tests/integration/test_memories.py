"""Memories on a real PostgreSQL: what is counted of them agrees with a recount, whatever is written, and at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.memories import AutomaticChange, MemoryAction, MemoryChange, MemoryOrigin, MemoryRecord, NewMemory
from serai.errors import ConflictError
from serai.storage import memory_lists, memory_rows
from serai.storage.connection import Database
from serai.storage.idempotency import request_key
from serai.storage.memories import MemoryStore, UpdatedMemory, erase_user_memories
from serai.storage.memory_changes import ChangeSource, apply_automatic, list_changes, undo_change
from serai.storage.memory_lists import SORTS, MemoryFilter, list_memories
from serai.storage.memory_stats import list_memory_users, list_topics
from serai.storage.metrics import MetricsStore
from tests.run_values import open_database

USERS = ("ada", "bob", "Ümit")
TOPICS = ("tea", "work", 'a "b"\\', "null")
TEXTS = ("Likes tea", "LIKES  Tea", "Живёт в Риме, 喜欢喝茶", "NULL", 'Say "hi", {a}\\')


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with open_database(shared_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> MemoryStore:
    return MemoryStore(database)


@pytest.fixture
def project() -> str:
    return str(uuid4())


def new(project: str, memory: str, user_id: str = "ada", *topics: str) -> NewMemory:
    return NewMemory(project_id=project, user_id=user_id, memory=memory, topics=topics)


AGE = (
    """
    with aged as (
        update memories set updated_at = updated_at - interval '1 day' where project_id = $1 and user_id = $2
        returning updated_at::date as day
    )
    insert into usage_deltas (project_id, day, memories)
    select $1, day + later, 1 - 2 * later from aged cross join generate_series(0, 1) as later""",
    """
    update memory_users set last_updated_at = last_updated_at - interval '1 day'
    where project_id = $1 and user_id = $2""",
)


@pytest.fixture(autouse=True)
def all_pages_are_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each page but the first be looked for by days where days can tell."""
    monkeypatch.setattr(memory_lists, "FAR", -1000)


def source(operation_id: str | None = None) -> ChangeSource:
    return ChangeSource(
        origin=MemoryOrigin.EXTRACTION, operation_id=operation_id or str(uuid4()), run_id="r", agent_id="helper"
    )


async def change(
    database: Database, project: str, *changes: AutomaticChange, user_id: str = "ada", operation_id: str | None = None
) -> list[MemoryChange]:
    async with database.transaction() as connection:
        return await apply_automatic(connection, project, user_id, changes, source=source(operation_id))


async def texts_of(store: MemoryStore, project: str, user_id: str = "ada") -> list[str]:
    return sorted(record.memory for record in await store.list_of_user(project, user_id, limit=100))


async def recount(database: Database, project: str) -> None:
    """Compare what is kept beside the memories with the memories themselves."""
    rows = await database.fetch("select user_id, topics, updated_at from memories where project_id = $1", project)
    memories = Counter(row["user_id"] for row in rows)
    latest = {user: max(row["updated_at"] for row in rows if row["user_id"] == user) for user in memories}
    users, total = await list_memory_users(database, project, user_id=None, limit=100, offset=0)
    assert {user.user_id: (user.memories, user.last_updated_at) for user in users} == {
        user: (count, latest[user]) for user, count in memories.items()
    }
    assert [user.last_updated_at for user in users] == sorted(latest.values(), reverse=True)
    assert total == len(memories)
    topics = Counter((row["user_id"], topic) for row in rows for topic in row["topics"])
    kept = await database.fetch("select user_id, topic, memories from memory_topics where project_id = $1", project)
    assert {(row["user_id"], row["topic"]): row["memories"] for row in kept} == topics
    assert await list_topics(database, project, None) == sorted({topic for _, topic in topics})
    whole = await list_memories(database, project, MemoryFilter(), limit=1000, offset=0)
    assert (whole.total, whole.is_exact, len(whole.records)) == (len(rows), True, len(rows))
    for offset in range(1, len(rows) + 2):
        page = await list_memories(database, project, MemoryFilter(), limit=3, offset=offset)
        assert (page.records, page.total) == (whole.records[offset : offset + 3], len(rows)), offset
    days = Counter(row["updated_at"].date() for row in rows)
    kept = await database.fetch(
        "select day, sum(memories)::int as memories from (select day, memories from memory_days where project_id = $1 "
        "union all select day, memories from usage_deltas where project_id = $1) as told group by day",
        project,
    )
    assert {row["day"]: row["memories"] for row in kept if row["memories"]} == days


class Walk:
    """Does one thing after another to the memories of a project, and remembers what it could come back to."""

    def __init__(self, database: Database, project: str) -> None:
        self.database = database
        self.project = project
        self.store = MemoryStore(database)
        self.ids: list[UUID] = []
        self.changes: list[UUID] = []

    async def step(self, draw: random.Random) -> None:
        acts = [self.create, self.create, self.update, self.delete, self.automatic, self.undo, self.erase]
        await draw.choice([*acts, self.age, self.fold])(draw)

    async def create(self, draw: random.Random) -> None:
        topics = draw.sample(TOPICS, draw.randrange(4))
        made = await self.store.create(new(self.project, draw.choice(TEXTS), draw.choice(USERS), *topics))
        self.ids.append(made.id)

    async def update(self, draw: random.Random) -> None:
        topics = draw.choice([None, tuple(draw.sample(TOPICS, draw.randrange(4)))])
        asked = UpdatedMemory(
            project_id=self.project,
            id=self.any_id(draw),
            user_id=draw.choice([None, "ada"]),
            memory=draw.choice(TEXTS),
            topics=topics,
        )
        await self.store.update(asked)

    async def delete(self, draw: random.Random) -> None:
        ids = [self.any_id(draw) for _ in range(draw.randrange(1, 4))]
        await self.store.delete(self.project, ids, user_id=draw.choice([None, *USERS]))

    async def automatic(self, draw: random.Random) -> None:
        changes = [
            AutomaticChange(
                action=action,
                memory_id=None if action is MemoryAction.CREATED else self.any_id(draw),
                memory=draw.choice(TEXTS),
                topics=draw.choice([None, tuple(draw.sample(TOPICS, 2))]),
            )
            for action in draw.choices(list(MemoryAction), k=draw.randrange(4))
        ]
        made = await change(self.database, self.project, *changes, user_id=draw.choice(USERS))
        self.changes += [one.id for one in made]
        self.ids += [one.memory_id for one in made]

    async def undo(self, draw: random.Random) -> None:
        if not self.changes:
            return
        try:
            async with self.database.transaction() as connection:
                await undo_change(connection, self.project, draw.choice(self.changes))
        except ConflictError:
            pass

    async def erase(self, draw: random.Random) -> None:
        if draw.random() < 0.2:
            async with self.database.transaction() as connection:
                await erase_user_memories(connection, self.project, draw.choice(USERS))

    async def age(self, draw: random.Random) -> None:
        """Have all that is remembered of a user be a day older."""
        async with self.database.transaction() as connection:
            user_id = draw.choice(USERS)
            await memory_rows.hold_user(connection, self.project, user_id)
            for sql in AGE:
                await connection.execute(sql, self.project, user_id)

    async def fold(self, _: random.Random) -> None:
        await MetricsStore(self.database).fold()

    def any_id(self, draw: random.Random) -> UUID:
        return draw.choice(self.ids) if self.ids else uuid4()


@given(draw=st.randoms(use_true_random=False), steps=st.integers(1, 12))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_counts_topics_and_users_agree_with_a_recount(database: Database, draw: random.Random, steps: int):
    walk = Walk(database, str(uuid4()))
    for _ in range(steps):
        await walk.step(draw)
    await recount(database, walk.project)


async def test_they_agree_when_many_write_at_once(database: Database, project: str):
    walk = Walk(database, project)

    async def go_on(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(15):
            await walk.step(draw)

    await asyncio.gather(*map(go_on, range(8)))
    await recount(database, project)


async def test_a_change_waits_for_no_other_users_writers(database: Database, store: MemoryStore, project: str):
    made = await store.create(new(project, "Ada's", "ada"))
    wrong = AutomaticChange(action=MemoryAction.DELETED, memory_id=made.id)
    async with database.transaction() as connection, asyncio.timeout(10):
        await memory_rows.hold_user(connection, project, "ada")
        assert await change(database, project, wrong, user_id="bob") == []


async def test_what_is_stored_at_once_is_read_back_each_as_it_was(store: MemoryStore, project: str):
    asked = [new(project, text, user, *TOPICS[:count]) for text in TEXTS for user in USERS for count in (0, 2, 4)]
    made = await asyncio.gather(*map(store.create, asked))
    assert [(one.memory, one.user_id, one.topics) for one in made] == [
        (one.memory, one.user_id, one.topics) for one in asked
    ]
    assert await asyncio.gather(*(store.get(project, one.id) for one in made)) == made
    assert await store.get(project, made[0].id, "somebody") is None
    assert await store.get("elsewhere", made[0].id) is None


async def test_writes_of_one_memory_that_come_together_follow_each_other(
    database: Database, store: MemoryStore, project: str
):
    made = await store.create(new(project, "0", "ada", "tea"))
    other = await store.create(new(project, "Other", "bob"))

    def update(memory: str, user_id: str | None, *topics: str) -> UpdatedMemory:
        return UpdatedMemory(project_id=project, id=made.id, user_id=user_id, memory=memory, topics=topics)

    asked = [
        update("1", None),
        update("2", "ada", "work"),
        update("x", "bob", "null"),
        update("3", None, "work", "tea"),
    ]
    changed = await asyncio.gather(*map(store.update, asked))
    assert [one and (one.memory, one.topics, one.revision) for one in changed] == [
        ("1", (), 2),
        ("2", ("work",), 3),
        None,
        ("3", ("work", "tea"), 4),
    ]
    await recount(database, project)
    removals = [("ada", [other.id]), (None, [other.id, other.id, uuid4()]), ("ada", [made.id, other.id])]
    counts = await asyncio.gather(*(store.delete(project, ids, user_id=user) for user, ids in removals))
    assert counts == [0, 1, 1]
    await recount(database, project)


async def test_requests_with_one_key_store_one_memory_also_from_two_nodes(
    database: Database, store: MemoryStore, project: str
):
    key = request_key(project, "k", "memory.create", "x")
    stores = (store, MemoryStore(database))
    made = await asyncio.gather(*(stores[at % 2].create(new(project, "Once"), key) for at in range(10)))
    assert len(set(made)) == 1
    other = request_key(project, "k", "memory.create", "y")
    refused = await asyncio.gather(
        store.create(new(project, "Other"), other), store.create(new(project, "Two")), return_exceptions=True
    )
    assert [type(one) for one in refused] == [ConflictError, MemoryRecord]
    await recount(database, project)


Question = tuple[MemoryFilter, Callable[[MemoryRecord], bool]]
QUESTIONS: list[Question] = [
    (MemoryFilter(), lambda one: True),
    (MemoryFilter(user_id="ada"), lambda one: one.user_id == "ada"),
    (MemoryFilter(topics=["tea"]), lambda one: "tea" in one.topics),
    (MemoryFilter(topics=["tea", "work"], user_id="bob"), lambda one: one.user_id == "bob" and len(one.topics) == 2),
    (MemoryFilter(search="likes"), lambda one: "likes" in one.memory.lower()),
    (MemoryFilter(search="ЖИВ", user_id="ada"), lambda one: one.memory[0] == "Ж" and one.user_id == "ada"),
    (MemoryFilter(search="喝茶"), lambda one: "喝茶" in one.memory),
    (MemoryFilter(search="k"), lambda one: "k" in one.memory.lower()),
    (MemoryFilter(agent_id="helper"), lambda one: one.agent_id == "helper"),
    (MemoryFilter(agent_id="helper", search="number 3"), lambda one: one.memory == "Number 3"),
    (MemoryFilter(team_id="helper"), lambda one: False),
]


@pytest.mark.parametrize("most_counted", [3, 10_000])
@pytest.mark.parametrize("sort", SORTS)
async def test_each_page_of_each_list_is_a_part_of_the_whole(
    database: Database, store: MemoryStore, project: str, sort: Any, most_counted: int
):
    texts = [(TEXTS[at % 3], USERS[at % 2], TOPICS[: at % 3]) for at in range(12)]
    made = list(
        await asyncio.gather(*(store.create(new(project, text, user, *topics)) for text, user, topics in texts))
    )
    added = [AutomaticChange(action=MemoryAction.CREATED, memory=f"Number {at}") for at in range(5)]
    made += [one.after for one in await change(database, project, *added) if one.after]
    keys = {
        "updated_at": lambda one: (one.updated_at, one.id),
        "created_at": lambda one: one.id,
        "user_id": lambda one: (one.user_id, one.updated_at, one.id),
    }
    for wanted, is_wanted in QUESTIONS:
        for is_descending in (False, True):
            whole = sorted(filter(is_wanted, made), key=keys[sort], reverse=is_descending)
            is_exact = not wanted.is_narrow or len(whole) <= most_counted
            for offset in range(0, len(whole) + 2, 2):
                page = await list_memories(
                    database,
                    project,
                    wanted,
                    sort=sort,
                    is_descending=is_descending,
                    limit=2,
                    offset=offset,
                    most_counted=most_counted,
                )
                assert page.records == whole[offset : offset + 2], (wanted, offset)
                assert (page.total, page.is_exact) == (len(whole) if is_exact else most_counted, is_exact)


async def test_pages_of_users_are_parts_of_the_whole(database: Database, store: MemoryStore, project: str):
    for number in range(7):
        await store.create(new(project, "x", f"user-{number}"))
    for offset in range(9):
        users, total = await list_memory_users(database, project, user_id=None, limit=3, offset=offset)
        assert [user.user_id for user in users] == [f"user-{number}" for number in range(6, -1, -1)][
            offset : offset + 3
        ]
        assert total == 7


async def test_an_operation_that_is_done_again_changes_nothing(database: Database, store: MemoryStore, project: str):
    changes = [AutomaticChange(action=MemoryAction.CREATED, memory=text) for text in ("One", "Two")]
    both = await asyncio.gather(*(change(database, project, *changes, operation_id="run-1") for _ in range(4)))
    assert all(one == both[0] for one in both)
    assert await texts_of(store, project) == ["One", "Two"]
    assert [one.after.source_run_id for one in both[0] if one.after] == ["r", "r"]
    assert (await list_changes(database, project, limit=10, offset=0))[1] == 2


async def test_what_is_known_already_or_gone_is_left_out(database: Database, store: MemoryStore, project: str):
    known = await store.create(new(project, "Likes tea"))
    made = await change(
        database,
        project,
        AutomaticChange(action=MemoryAction.CREATED, memory="LIKES  tea"),
        AutomaticChange(action=MemoryAction.CREATED, memory="N\0ew\ud800", topics=("", "t\0", "x" * 300)),
        AutomaticChange(action=MemoryAction.CREATED, memory=" "),
        AutomaticChange(action=MemoryAction.UPDATED, memory_id=uuid4(), memory="Gone"),
        AutomaticChange(action=MemoryAction.UPDATED, memory_id=known.id, memory="Likes tea"),
        AutomaticChange(action=MemoryAction.DELETED, memory_id=uuid4()),
    )
    assert [(one.after.memory, one.after.topics) for one in made if one.after] == [
        ("N\ufffdew\ufffd", ("t\ufffd", "x" * 200))
    ]
    assert await texts_of(store, project) == ["Likes tea", "N\ufffdew\ufffd"]
    replaced = await change(
        database,
        project,
        AutomaticChange(action=MemoryAction.DELETED, memory_id=known.id),
        AutomaticChange(action=MemoryAction.CREATED, memory="likes tea"),
    )
    assert [one.action for one in replaced] == [MemoryAction.DELETED, MemoryAction.CREATED]


async def test_a_change_of_another_revision_than_expected_changes_nothing(
    database: Database, store: MemoryStore, project: str
):
    made = await store.create(new(project, "Before"))
    changed = await store.update(
        UpdatedMemory(project_id=project, id=made.id, user_id="ada", memory="After", topics=None)
    )
    assert changed is not None
    assert changed.updated_at > made.updated_at
    with pytest.raises(ConflictError, match="changed meanwhile"):
        await change(
            database,
            project,
            AutomaticChange(action=MemoryAction.CREATED, memory="New"),
            AutomaticChange(action=MemoryAction.DELETED, memory_id=made.id, expected_revision=made.revision),
        )
    assert await texts_of(store, project) == ["After"]


async def test_an_undo_at_the_same_time_happens_once(database: Database, store: MemoryStore, project: str):
    made = await store.create(new(project, "Before", "ada", "tea"))
    (one,) = await change(
        database, project, AutomaticChange(action=MemoryAction.UPDATED, memory_id=made.id, memory="After", topics=())
    )

    async def undo() -> MemoryChange | None:
        async with database.transaction() as connection:
            return await undo_change(connection, project, one.id)

    undone = await asyncio.gather(*(undo() for _ in range(4)))
    assert len({change.id for change in undone if change}) == 1
    restored = await store.get(project, made.id)
    assert restored is not None
    assert (restored.memory, restored.topics, restored.revision) == ("Before", ("tea",), 3)
    await recount(database, project)


async def test_erasing_a_user_leaves_nothing_of_it(database: Database, store: MemoryStore, project: str):
    await store.create(new(project, "Mine", "ada", "tea"))
    await store.create(new(project, "Hers", "bob", "tea"))
    (learnt,) = await change(database, project, AutomaticChange(action=MemoryAction.CREATED, memory="Learnt"))
    async with database.transaction() as connection:
        erased = await erase_user_memories(connection, project, "ada")
        assert erased == {"memories": 2, "memory_topics": 1, "memory_changes": 1, "memory_users": 1}
        assert set((await erase_user_memories(connection, project, "ada")).values()) == {0}
        assert await undo_change(connection, project, learnt.id) is None
    for table in ("memories", "memory_topics", "memory_changes", "memory_users"):
        found = await database.fetchval(
            f"select count(*) from {table} where user_id = 'ada' and project_id = $1", project
        )
        assert found == 0
    await recount(database, project)
