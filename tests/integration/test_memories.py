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
    assert changed and changed.topics == ("c",) and changed.revision == 2
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
