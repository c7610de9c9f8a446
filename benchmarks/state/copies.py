"""Runs by the thousand: a server makes one, and PostgreSQL copies it with other ids. Tables without their indexes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import asyncpg

from benchmarks.processes import ServerProcess
from benchmarks.requests import Request, call
from benchmarks.state.dataset import BIG_QUESTION, QUESTION, Session, session_id

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Item = TypeVar("Item")
AT_A_TIME = 10_000
LOAD_TIMEOUT_S = 1800
_RUNS_AT_A_TIME = 200

_INDEXES = """
select schemaname, indexname, indexdef from pg_indexes
where schemaname || '.' || tablename = any($1) and indexdef not like 'CREATE UNIQUE%'"""


@dataclass(frozen=True)
class Template:
    """A run that a server has made, in a session of its own."""

    session_id: str
    run_id: str
    tokens: dict[str, int]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """A run to be made of a template: of which session, the how many-th in it."""

    run_id: UUID
    session: Session
    position: int


def make_template(server: ServerProcess, *, is_big: bool) -> Template:
    """Have a server run its agent in a session that was made before, as all sessions of the dataset are."""
    name = session_id("big template" if is_big else "template")
    body = {"session_id": name, "session_state": {}, "agent_id": "instant", "user_id": "template"}
    call(server, Request("POST", "/sessions?type=agent", json.dumps(body).encode()))
    fields = {"message": BIG_QUESTION if is_big else QUESTION, "stream": "false", "session_id": name}
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    run = Request("POST", "/agents/instant/runs", urlencode({**fields, "user_id": "template"}).encode(), form)
    made = json.loads(call(server, run).body)
    metrics = json.loads(call(server, Request("GET", f"/sessions/{name}?type=agent")).body)["metrics"]
    tokens = {key: count for key, count in metrics.items() if isinstance(count, int)}
    return Template(name, made["run_id"], tokens, metrics)


def remove_template(server: ServerProcess, template: Template) -> None:
    """Have the server remove a template's session, and the run with it."""
    call(server, Request("DELETE", f"/sessions/{template.session_id}"))


def copies_of(sessions: Iterable[Session]) -> Iterator[list[Copy]]:
    """Yield the runs of sessions, some hundred at a time."""
    copies = (Copy(run_id(session, nr), session, nr) for session in sessions for nr in range(session.runs))
    return batches(copies, _RUNS_AT_A_TIME)


async def copy_runs(
    connection: Connection,
    sql: str,
    copies: Sequence[Copy],
    templates: Sequence[Template],
    *,
    row_of: Callable[[Copy], Sequence[Any]],
) -> None:
    """Have PostgreSQL copy runs.

    Args:
        connection: to the database.
        sql: what does it; it takes the id of a template and columns.
        copies: the runs.
        templates: of a run, and of one that is big if there are such.
        row_of: says what of a run goes into the columns.
    """
    for template, is_big in zip(templates, (False, True), strict=False):
        if rows := [row_of(one) for one in copies if one.session.is_big == is_big]:
            await connection.execute(sql, template.run_id, *zip(*rows, strict=True), timeout=LOAD_TIMEOUT_S)


def run_id(session: Session, position: int) -> UUID:
    """Return the id of a session's run, a UUID of version 7."""
    clock = int(session.created_at.timestamp() * 1000)
    return UUID(int=clock << 80 | 7 << 76 | 2 << 62 | UUID(session.id).int >> 80 << 14 | position)


def batches(items: Iterable[Item], size: int = AT_A_TIME) -> Iterator[list[Item]]:
    """Yield items in lists."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


@asynccontextmanager
async def without_indexes(connection: Connection, *tables: str) -> AsyncIterator[None]:
    """Drop the indexes of tables, but for those that keep them unique, and build them again at the end.

    Args:
        connection: to the database.
        tables: with their schemas.
    """
    indexes = await connection.fetch(_INDEXES, tables)
    for schema, name, _ in indexes:
        await connection.execute(f'drop index {schema}."{name}"')
    yield
    await connection.execute("set maintenance_work_mem = '512MB'")
    for _, _, definition in indexes:
        await connection.execute(definition, timeout=LOAD_TIMEOUT_S)


async def fill(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Copy rows into a table, which is named with its schema."""
    schema, _, name = table.partition(".")
    await connection.copy_records_to_table(
        name, schema_name=schema, columns=list(columns), records=rows, timeout=LOAD_TIMEOUT_S
    )


def whole_second(at: datetime) -> int:
    """Return a time in seconds, as agno stores it."""
    return int(at.astimezone(UTC).timestamp())
