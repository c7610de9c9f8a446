"""Reads the traces that runs leave, as trees that are the same for any two runs. Not a test itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from serai.components.step_spans import StepSpans
from serai.domain.runs import RunRecord
from serai.engine.tracing import Tracer
from serai.storage.connection import Database
from serai.telemetry.writer import SpanWriter


def tracer_of(writer: SpanWriter) -> Tracer:
    """Return what has an engine tell its spans to a writer."""
    return Tracer(writer, StepSpans())


async def spans_of(database: Database, trace_id: UUID) -> list[asyncpg.Record]:
    """Return a trace's spans as they are stored, in the order in which they began."""
    return await database.fetch("select * from spans where trace_id = $1 order by started_at, span_id", trace_id)


async def tree_of(database: Database, record: RunRecord) -> list[Any]:
    """Return a run's trace as a tree: of each span kind, name, status and what lies in it, the same for any two runs.

    What tells of nodes and waiting is left out, and model requests that failed, which no journal keeps.
    """
    rows = await spans_of(database, record.root_key)
    inner: dict[int | None, list[asyncpg.Record]] = {}
    known = {row["span_id"] for row in rows}
    for row in rows:
        inner.setdefault(row["parent_id"] if row["parent_id"] in known else None, []).append(row)

    def shown(parent: int | None) -> list[Any]:
        found = [row for row in inner.get(parent, []) if not _is_left_out(row)]
        nodes = [(row["kind"], row["name"], row["status"], row["output"], shown(row["span_id"])) for row in found]
        return sorted(nodes, key=repr)

    return shown(None)


def _is_left_out(row: asyncpg.Record) -> bool:
    is_failed_request = row["kind"] == "LLM" and row["status"] == "ERROR"
    return is_failed_request or row["kind"] in ("QUEUE", "WAIT", "TAKEOVER")
