"""Runs as values, and a database to put them in, for tests of the store and the engine. Not a test itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from serai.domain.ids import new_key
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, NewRun, RunRecord
from serai.engine.retention import Retention, RetentionRules
from serai.storage.connection import Connection, Database
from serai.storage.runs import FinishedRun, RunStore

COMPONENT = ("agent", "helper")


@asynccontextmanager
async def open_database(dsn: str, **options: Any) -> AsyncIterator[Database]:
    """Open a stack of connections for the length of the block."""
    database = Database(dsn, **options)
    try:
        yield database
    finally:
        await database.close()


def new_run(session_id: str = "s", /, **members: Any) -> NewRun:
    """Return a run to be stored; without members one of nobody, waiting for any node."""
    key = new_key()
    given: dict[str, Any] = {
        "key": key,
        "id": str(key),
        "project_id": "p",
        "user_id": None,
        "session_id": session_id,
        "kind": COMPONENT[0],
        "component_id": COMPONENT[1],
        "input": b'{"message":"hi"}',
        "idempotency_key": None,
        "fingerprint": b"f",
        "node_id": None,
    }
    return NewRun(**(given | members))


def record_of(**members: Any) -> RunRecord:
    """Return a run as its node holds it, as no database knows it."""
    given: dict[str, Any] = {
        "key": UUID(int=1),
        "id": "run-1",
        "project_id": "p",
        "user_id": None,
        "session_id": "s",
        "root_key": UUID(int=1),
        "parent_key": None,
        "kind": COMPONENT[0],
        "component_id": COMPONENT[1],
        "status": RunStatus.RUNNING,
        "position": 1,
        "epoch": 1,
        "segment": 0,
        "segment_seq": 0,
        "takeovers": 0,
        "is_cancel_asked": False,
        "idempotency_key": None,
        "fingerprint": None,
        "input": b"{}",
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return RunRecord(**(given | members))


def finish_of(record: RunRecord, **members: Any) -> FinishedRun:
    """Return the end of a claimed run."""
    given: dict[str, Any] = {
        "record": record,
        "status": RunStatus.COMPLETED,
        "output": b"{}",
        "messages": None,
        "carried": None,
        "events": (),
        "next_seq": 0,
        "state_changes": {},
        "state_removals": (),
        "usage": [],
    }
    return FinishedRun(**(given | members))


def content(first: int, count: int = 1) -> list[Event]:
    """Return events of content, numbered from `first`."""
    return [Event(seq=seq, name="RunContent", data=b'{"n":%d}' % seq) for seq in range(first, first + count)]


def completed(seq: int) -> Event:
    """Return the event that ends an agent's run."""
    return Event(seq=seq, name="RunCompleted", data=b"{}")


async def submit(store: RunStore, *runs: NewRun) -> list[RunRecord]:
    """Store runs in one batch and return them as stored."""
    submitted = await store.submit(list(runs))
    return [one.record for one in submitted if one is not None]


async def claim(store: RunStore, *, node_id: str = "node", limit: int = 100) -> list[RunRecord]:
    """Claim runs of the one component there is."""
    return await store.claim([COMPONENT], node_id=node_id, limit=limit)


async def begin(store: RunStore, *, node_id: str = "node", user_id: str | None = None) -> RunRecord:
    """Store a run in a session of its own, claimed by a node."""
    run = new_run(str(new_key()), node_id=node_id, user_id=user_id)
    (record,) = await submit(store, run)
    return record


async def take_over(database: Database, record: RunRecord, *, node_id: str = "other") -> RunRecord:
    """Make a run claimable, as survivors do with a dead node's, and claim it."""
    await database.execute(
        "update runs set status = 'PENDING', node_id = null, takeovers = takeovers + 1 where key = $1", record.key
    )
    # A claim passes over a run whose old owner is writing at this moment.
    while not (taken := await claim(RunStore(database), node_id=node_id)):  # noqa: ASYNC110 - a poll by design
        await asyncio.sleep(0)
    assert keys(taken) == keys([record])
    return taken[0]


async def apply_retention(database: Database) -> dict[str, int]:
    """Remove what is older than the rules say by default; return how many rows of each kind went."""

    async def tell(_: Mapping[str, Any]) -> None: ...

    return await Retention(database, RetentionRules()).apply(tell)


async def until(database: Database | Connection, sql: str, *args: Any, timeout_s: float = 5) -> Any:
    """Ask again and again until the answer is true; return it."""
    async with asyncio.timeout(timeout_s):
        while not (answer := await database.fetchval(sql, *args)):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.005)
    return answer


async def until_true(ask: Callable[[], Awaitable[Any]], *, timeout_s: float = 10) -> Any:
    """Ask again and again until the answer is true; return it."""
    async with asyncio.timeout(timeout_s):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is asked has no event for it
            await asyncio.sleep(0.02)
    return answer


async def until_locked(database: Database, *, statements: int = 1) -> None:
    """Return once so many statements on this database wait for locks."""
    await until(
        database,
        "select count(*) >= $1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        statements,
    )


def keys(records: Sequence[RunRecord]) -> list[str]:
    """Return the keys as text, in order."""
    return [str(record.key) for record in records]
