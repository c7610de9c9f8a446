"""What a database held before lists had days is found from them afterwards, folded or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from serai.domain.sessions import SessionQuestion
from serai.storage import memory_lists, session_lists
from serai.storage.memory_lists import MemoryFilter, list_memories
from serai.storage.memory_stats import list_memory_users
from serai.storage.metrics import MetricsStore
from serai.storage.migrate import MIGRATIONS, migrate
from serai.storage.sessions import SessionStore
from tests.postgres import PostgresServer, empty_database
from tests.run_values import open_database

SESSIONS = """
with made as (
    insert into sessions (project_id, id, user_id, kind, component_id, created_at)
    select 'p', $1 || i, 'u', (array['agent', 'team'])[1 + i % 2], 'c' || i % 2, now() - make_interval(days => i / 4)
    from generate_series(1, 12) as i returning *
)
insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed)
select project_id, created_at::date, user_id, kind, component_id, 1, 1 from made"""
FOLDED = (
    """
    insert into session_counts (project_id, user_id, kind, component_id, sessions)
    select project_id, user_id, kind, component_id, sum(listed) from usage_deltas
    group by project_id, cube (user_id, kind, component_id)""",
    "delete from usage_deltas",
)
MEMORIES = (
    """
    insert into memories (id, project_id, user_id, memory, folded, fold_hash, marks, topics, origin, revision,
                          created_at, updated_at)
    select gen_random_uuid(), 'p', 'u' || i % 2, 'm', 'm', '', '{}', '{}', 'caller', 1, now(),
           now() - make_interval(days => i / 4) from generate_series(1, 12) as i""",
    """
    insert into memory_users (project_id, user_id, memories, last_updated_at)
    select project_id, user_id, count(*), max(updated_at) from memories group by project_id, user_id""",
    "insert into memory_counts (project_id, slot, memories, users) values ('p', 3, 9, 1), ('p', 7, 3, 1)",
)


async def test_lists_of_before_are_found_by_their_days(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for file in sorted(MIGRATIONS.glob("*.sql")):
        if file.name < "0012":
            shutil.copy(file, tmp_path)
    for module in (memory_lists, session_lists):
        monkeypatch.setattr(module, "FAR", -1000)
    async with empty_database(postgres_server) as dsn:
        await migrate(dsn, folder=tmp_path)
        async with open_database(dsn) as database:
            await database.execute(SESSIONS, "folded")
            for sql in FOLDED:
                await database.execute(sql)
            await database.execute(SESSIONS, "late")
            for sql in MEMORIES:
                await database.execute(sql)
        await migrate(dsn)
        async with open_database(dsn) as database:
            for _ in range(2):
                for kind, total in ((None, 24), ("agent", 12)):
                    whole = SessionQuestion(project_id="p", kind=kind, limit=100)
                    page = await SessionStore(database).page(whole)
                    assert (len(page.records), page.total) == (total, total)
                    for offset in range(1, total, 5):
                        question = SessionQuestion(project_id="p", kind=kind, limit=5, offset=offset)
                        found = await SessionStore(database).page(question)
                        assert (found.records, found.total) == (page.records[offset : offset + 5], total)
                memories = await list_memories(database, "p", MemoryFilter(), limit=100, offset=0)
                assert (len(memories.records), memories.total) == (12, 12)
                for offset in range(1, 12, 5):
                    some = await list_memories(database, "p", MemoryFilter(), limit=5, offset=offset)
                    assert (some.records, some.total) == (memories.records[offset : offset + 5], 12)
                users, count = await list_memory_users(database, "p", user_id=None, limit=5, offset=0)
                assert (len(users), count) == (2, 2)
                await MetricsStore(database).fold()
            assert [day.counts["agent_sessions"] > 0 for day in await MetricsStore(database).refresh("p")] == [True] * 4
