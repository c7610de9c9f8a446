"""Traces with their spans, one or the page of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from serai.storage.connection import Database
from serai.storage.spans import signed
from serai.storage.trace_rows import COLUMNS, SPAN_COLUMNS, SpanRecord, TraceRecord

MOST_SPANS: Final = 10_000
"""The most spans of a trace that are read, the first ones."""

MOST_SPANS_FOUND: Final = 5_000
"""The most of all traces on a page of a search."""

_FEW: Final = 500
"""Spans that are read without holding up others."""

_TRACE = f"select {COLUMNS} from traces where project_id = $1 and trace_id = $2"  # noqa: S608 - our own text
_SPANS = f"""
select {SPAN_COLUMNS} from spans where project_id = $1 and trace_id = $2 order by started_at, span_id
limit $3"""  # noqa: S608
_SPANS_OF_ALL = f"""
select asked.trace_id, found.* from unnest($2::uuid[]) as asked(trace_id) cross join lateral (
    select {SPAN_COLUMNS} from spans where project_id = $1 and spans.trace_id = asked.trace_id
    order by started_at, span_id limit $3) as found"""  # noqa: S608
_SPAN = f"""
select {SPAN_COLUMNS} from spans where project_id = $1 and trace_id = $2 and span_id = $3"""  # noqa: S608


class TraceDetails:
    """The statements about single traces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, project_id: str, trace_id: UUID) -> TraceRecord | None:
        """Return a trace without its spans."""
        row = await self._database.fetchrow(_TRACE, project_id, trace_id)
        return None if row is None else TraceRecord(*row)

    async def spans_of(self, project_id: str, trace_id: UUID) -> list[SpanRecord]:
        """Return the spans of a trace, the first `MOST_SPANS` by their start."""
        rows = await self._database.fetch(_SPANS, project_id, trace_id, MOST_SPANS)
        return _spans(rows) if len(rows) < _FEW else await asyncio.to_thread(_spans, rows)

    async def spans_of_all(self, project_id: str, trace_ids: Sequence[UUID]) -> dict[UUID, list[SpanRecord]]:
        """Return the spans of some traces, of each the first ones."""
        found: dict[UUID, list[SpanRecord]] = {trace_id: [] for trace_id in trace_ids}
        if trace_ids:
            most = MOST_SPANS_FOUND // len(trace_ids)
            for row in await self._database.fetch(_SPANS_OF_ALL, project_id, trace_ids, most):
                found[row["trace_id"]].append(SpanRecord(*row[1:]))
        return found

    async def find_span(self, project_id: str, trace_id: UUID, span_id: int) -> SpanRecord | None:
        """Return a span of a trace."""
        row = await self._database.fetchrow(_SPAN, project_id, trace_id, signed(span_id))
        return None if row is None else SpanRecord(*row)


def _spans(rows: Sequence[asyncpg.Record]) -> list[SpanRecord]:
    return [SpanRecord(*row) for row in rows]
