"""The dataset in Serai's tables, as Serai itself would have written it; the counts follow from the rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from benchmarks.processes import ServerProcess
from benchmarks.requests import Request, call
from benchmarks.state.copies import (
    LOAD_TIMEOUT_S,
    Connection,
    Copy,
    Template,
    batches,
    copies_of,
    copy_runs,
    fill,
    run_id,
    without_indexes,
)
from benchmarks.state.dataset import QUESTION, Dataset, Memory, Session
from serai.domain import memories, search_text

_PROJECT = "default"
_SESSIONS = (
    *("project_id", "id", "user_id", "kind", "component_id", "name", "state", "run_count"),
    *("input_tokens", "output_tokens", "first_run_key", "first_message", "created_at", "updated_at"),
)
_NAMES = ("project_id", "session_id", "user_id", "folded", "pieces")
_MEMORIES = (
    *("project_id", "id", "user_id", "memory", "folded", "fold_hash", "marks", "topics", "origin", "revision"),
    *("created_at", "updated_at"),
)
_INDEXED = ("public.sessions", "public.session_names", "public.memories")

# Runs like one there is. What holds its ids as JSON gets the new ones; what a run has read or used stays as it is.
# The first position of a session that was made without a run is 2.
_COPY_RUNS = """
insert into runs
select copy.*
from unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[])
    as wanted(key, session_id, user_id, position, at)
join runs as template on template.project_id = 'default' and template.id = $1
cross join lateral jsonb_populate_record(template, jsonb_build_object(
    'key', wanted.key, 'id', wanted.key, 'root_key', wanted.key, 'session_id', wanted.session_id,
    'user_id', wanted.user_id, 'position', wanted.position + 2, 'idempotency_key', null,
    'output', '\\x' || encode(convert_to(replace(replace(convert_from(template.output, 'UTF8'),
        template.id, wanted.key::text), template.session_id, wanted.session_id), 'UTF8'), 'hex'),
    'messages', '\\x' || encode(convert_to(replace(replace(convert_from(template.messages, 'UTF8'),
        template.id, wanted.key::text), template.session_id, wanted.session_id), 'UTF8'), 'hex'),
    'created_at', wanted.at, 'started_at', wanted.at, 'ended_at', wanted.at
)) as copy"""

# What is to be counted of sessions and runs, which the server folds; and what there is of memories.
_COUNTS = (
    """
    insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed)
    select project_id, created_at::date, user_id, kind, component_id, 1, 1 from sessions where id <> all($1)""",
    """
    insert into usage_deltas (project_id, day, user_id, kind, component_id, runs, usage)
    select project_id, ended_at::date, user_id, kind, component_id, 1, usage from runs
    where parent_key is null and ended_at is not null and session_id <> all($1)""",
)
_MEMORY_COUNTS = (
    """
    insert into memory_users (project_id, user_id, memories, last_updated_at)
    select project_id, user_id, count(*), max(updated_at) from memories group by project_id, user_id""",
    """
    insert into memory_topics (project_id, user_id, topic, memories)
    select project_id, user_id, topic, count(*) from memories, unnest(topics) as topic
    group by project_id, user_id, topic""",
    """
    insert into memory_counts (project_id, memories, users)
    select project_id, count(*), count(distinct user_id) from memories group by project_id""",
    """
    insert into memory_days (project_id, day, memories)
    select project_id, updated_at::date, count(*) from memories group by project_id, updated_at::date""",
)


async def load(connection: Connection, data: Dataset, more: Sequence[Session], templates: Sequence[Template]) -> None:
    """Store a dataset.

    Args:
        connection: to Serai's database.
        data: what.
        more: sessions beside it.
        templates: of a run, and of one that is big if there are such.
    """
    async with without_indexes(connection, *_INDEXED):
        for sessions in batches(chain(more, data.sessions())):
            await fill(connection, "public.sessions", _SESSIONS, _session_rows(sessions, templates))
            await fill(connection, "public.session_names", _NAMES, map(_name_row, sessions))
            for copies in copies_of(sessions):
                await copy_runs(connection, _COPY_RUNS, copies, templates, row_of=_run_row)
        for some in batches(data.memories()):
            await fill(connection, "public.memories", _MEMORIES, map(_memory_row, some))
    for sql in _COUNTS:
        await connection.execute(sql, [one.session_id for one in templates], timeout=LOAD_TIMEOUT_S)
    for sql in _MEMORY_COUNTS:
        await connection.execute(sql, timeout=LOAD_TIMEOUT_S)


def settle(server: ServerProcess) -> None:
    """Have the server fold what is to be counted."""
    call(server, Request("GET", "/metrics?starting_date=2000-01-01&ending_date=2000-01-01"), timeout_s=LOAD_TIMEOUT_S)


def _run_row(one: Copy) -> tuple[Any, ...]:
    return one.run_id, one.session.id, one.session.user_id, one.position, one.session.created_at


def _session_rows(sessions: Iterable[Session], templates: Sequence[Template]) -> Iterator[tuple[Any, ...]]:
    for one in sessions:
        tokens = templates[one.is_big].tokens
        yield (
            *(_PROJECT, one.id, one.user_id, one.kind, one.component_id, one.name),
            json.dumps(one.state, separators=(",", ":")).encode(),
            1 + one.runs,
            *(tokens["input_tokens"] * one.runs, tokens["output_tokens"] * one.runs),
            run_id(one, 0) if one.runs else None,
            QUESTION if one.runs else None,
            *(one.created_at, one.created_at),
        )


def _name_row(session: Session) -> tuple[Any, ...]:
    folded = search_text.fold(session.name)
    return _PROJECT, session.id, session.user_id, folded, list(search_text.pieces_of(folded))


def _memory_row(memory: Memory) -> tuple[Any, ...]:
    folded = search_text.fold(memory.text)
    new = memories.NewMemory(project_id=_PROJECT, user_id=memory.user_id, memory=memory.text, topics=memory.topics)
    return (
        *(_PROJECT, memory.id, memory.user_id, memory.text, folded),
        memories.fold_hash(_PROJECT, memory.user_id, memory.text),
        memories.marks_of(new, folded),
        list(new.topics),
        *(new.origin.value, 1, memory.created_at, memory.created_at),
    )
