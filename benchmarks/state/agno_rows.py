"""The dataset in agno's tables on PostgreSQL, as agno itself would have written it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from benchmarks.state.copies import (
    Connection,
    Copy,
    Template,
    batches,
    copies_of,
    copy_runs,
    fill,
    whole_second,
    without_indexes,
)
from benchmarks.state.dataset import Dataset, Memory, Session

_SESSIONS = (
    *("session_id", "session_type", "agent_id", "team_id", "workflow_id", "user_id", "session_data"),
    *("agent_data", "team_data", "workflow_data", "metadata", "summary", "created_at", "updated_at"),
)
_MEMORIES = ("memory_id", "memory", "user_id", "topics", "created_at", "updated_at")
_INDEXED = ("ai.agno_sessions", "ai.agno_memories", "ai.agno_runs")
_NULL = "null"

_COPY_RUNS = """
insert into ai.agno_runs
select copy.*
from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    as wanted(run_id, session_id, user_id, position, at)
join ai.agno_runs as template on template.run_id = $1
cross join lateral jsonb_populate_record(template, jsonb_build_object(
    'run_id', wanted.run_id, 'session_id', wanted.session_id, 'user_id', wanted.user_id,
    'run_index', wanted.position, 'created_at', wanted.at, 'updated_at', wanted.at,
    'run_data', replace(replace(template.run_data::text, template.run_id, wanted.run_id),
        template.session_id, wanted.session_id)::jsonb
)) as copy"""


async def load(connection: Connection, data: Dataset, more: Sequence[Session], templates: Sequence[Template]) -> None:
    """Store a dataset.

    Args:
        connection: to agno's database.
        data: what.
        more: sessions beside it.
        templates: of a run, and of one that is big if there are such.
    """
    async with without_indexes(connection, *_INDEXED):
        for sessions in batches(chain(more, data.sessions())):
            rows = [_session_row(one, templates[one.is_big].metrics) for one in sessions]
            await fill(connection, "ai.agno_sessions", _SESSIONS, rows)
            for copies in copies_of(sessions):
                await copy_runs(connection, _COPY_RUNS, copies, templates, row_of=_run_row)
        for some in batches(data.memories()):
            await fill(connection, "ai.agno_memories", _MEMORIES, map(_memory_row, some))


def _run_row(one: Copy) -> tuple[Any, ...]:
    return str(one.run_id), one.session.id, one.session.user_id, one.position, whole_second(one.session.created_at)


def _session_row(session: Session, metrics: dict[str, Any]) -> tuple[Any, ...]:
    data: dict[str, Any] = {"session_name": session.name, "session_state": session.state}
    if session.runs:
        data["session_metrics"] = _times(metrics, session.runs)
    kinds = ("agent", "team", "workflow")
    at = whole_second(session.created_at)
    empty = {"agent": _NULL, "team": _NULL, "workflow": "{}"}
    return (
        *(session.id, session.kind),
        *(session.component_id if kind == session.kind else None for kind in kinds),
        *(session.user_id, json.dumps(data)),
        *(empty[kind] if kind == session.kind else None for kind in kinds),
        *("{}" if session.kind == "workflow" else _NULL, _NULL, at, at),
    )


def _times(metrics: Any, count: int) -> Any:
    """Return what so many runs have used in all."""
    match metrics:
        case dict():
            return {name: _times(value, count) for name, value in metrics.items()}
        case list():
            return [_times(item, count) for item in metrics]
        case int():
            return metrics * count
        case _:
            return metrics


def _memory_row(memory: Memory) -> tuple[Any, ...]:
    at = whole_second(memory.created_at)
    return str(memory.id), json.dumps(memory.text), memory.user_id, json.dumps(memory.topics), at, at
