"""Memories on a real PostgreSQL: what is written, counted, found and undone, also when many write at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serai.domain.memories import NewMemory
from serai.storage.connection import Database
from serai.storage.idempotency import request_key
from serai.storage.memories import MemoryStore, erase_user_memories
from serai.storage.memory_lists import MemoryFilter, list_memories
from serai.storage.memory_stats import list_memory_users, list_topics
from tests.run_values import open_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> MemoryStore:
    return MemoryStore(database)


async def test_smoke(database: Database, store: MemoryStore):
    new = NewMemory(project_id="p", user_id="u", memory='Likes "tea" \\ Straße', topics=('a "q"', "b,\\"))
    made = await store.create(new)
    assert await store.get("p", made.id) == made
    assert await store.get("p", made.id, "other") is None
    key = request_key("p", "k", "memory.create", "x")
    first = await store.create(new, key)
    assert await store.create(new, key) == first
    assert await list_topics(database, "p", None) == await list_topics(database, "p", "u") == ['a "q"', "b,\\"]
    async with database.transaction() as c:
        changed = await store.update(c, "p", made.id, user_id="u", memory="new", topics=("c",))
    assert changed == changed
    page = await list_memories(database, "p", MemoryFilter(search="STRASSE"), limit=10, offset=0)
    assert page.total == 1 and page.records == [first]
    page = await list_memories(database, "p", MemoryFilter(user_id="u"), limit=1, offset=1)
    assert page.total == 2 and page.records == [first]
    assert [u.memories for u in (await list_memory_users(database, "p", user_id=None, limit=2, offset=0))[0]] == [2]
    async with database.transaction() as c:
        assert await store.delete(c, "p", [made.id], user_id=None) == 1
    async with database.transaction() as c:
        print(await erase_user_memories(c, "p", "u"))
    assert await list_memory_users(database, "p", user_id=None, limit=2, offset=0) == ([], 0)


async def test_changes_smoke(database: Database, store: MemoryStore):
    from serai.domain.memories import AutomaticChange, MemoryAction, MemoryOrigin
    from serai.storage.memory_changes import ChangeSource, apply_automatic, list_changes, undo_change, undo_operation

    a = await store.create(NewMemory(project_id="p", user_id="u", memory="one", topics=("x",)))
    b = await store.create(NewMemory(project_id="p", user_id="u", memory="two"))
    source = ChangeSource(origin=MemoryOrigin.EXTRACTION, operation_id="r", run_id="r")
    todo = [
        AutomaticChange(action=MemoryAction.CREATED, memory="th\0ree"),
        AutomaticChange(action=MemoryAction.CREATED, memory=" ONE  "),
        AutomaticChange(action=MemoryAction.UPDATED, memory_id=a.id, memory="one!"),
        AutomaticChange(action=MemoryAction.DELETED, memory_id=b.id),
    ]
    async with database.transaction() as c:
        done = await apply_automatic(c, "p", "u", todo, source=source)
    async with database.transaction() as c:
        assert await apply_automatic(c, "p", "u", todo, source=source) == done
    print(done)
    assert [d.action for d in done] == ["deleted", "updated", "created", "created"]
    async with database.transaction() as c:
        assert await undo_change(c, "p", done[0].id)
    assert (await store.get("p", b.id)).memory == "two"
    async with database.transaction() as c:
        undone = await undo_operation(c, "p", done[1].id)
    assert {m.memory for m in await store.list_of_user("p", "u", limit=9)} == {"one", "two"}
    assert (await list_changes(database, "p", run_id="r", limit=9, offset=0))[1] == 8
