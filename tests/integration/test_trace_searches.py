"""Searches of traces on PostgreSQL against what expressions mean, read as they stand."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest

from serai.domain.trace_filters import (
    COMPARISONS,
    KEYS,
    TEXT_SEARCHES,
    AllOf,
    AnyOf,
    Comparison,
    Membership,
    Not,
    TraceFilter,
    Value,
    ValueType,
)
from serai.domain.traces import Span, SpanStatus
from serai.storage.connection import Database
from serai.storage.spans import SpanStore
from serai.storage.trace_lists import TraceLists, TraceQuestion
from tests.span_values import BEGAN_NS, span

pytestmark = pytest.mark.one_postgres

BEGAN: Final = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGAN_NS // 1000)
TEXTS: Final = ("", "a", "A", "Ab", "b_%", "ab", "é", "'; --", "OK", "ERROR", "UNSET")
COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "GT": operator.gt,
    "GTE": operator.ge,
    "LT": operator.lt,
    "LTE": operator.le,
    "CONTAINS": lambda value, part: part.lower() in value.lower(),
    "STARTSWITH": lambda value, part: value.lower().startswith(part.lower()),
}


def meets(wanted: TraceFilter, trace: Mapping[str, Any]) -> bool | None:
    """Tell whether a trace meets an expression; None: it cannot be said, for a value is missing."""
    match wanted:
        case Comparison(op, key, value):
            return None if trace[key] is None else COMPARE[op](trace[key], value)
        case Membership(key, values):
            return None if values and trace[key] is None else trace[key] in values
        case Not(condition):
            met = meets(condition, trace)
            return None if met is None else not met
        case AllOf(conditions):
            parts = [meets(each, trace) for each in conditions]
            return False if False in parts else None if None in parts else True
        case AnyOf(conditions):
            parts = [meets(each, trace) for each in conditions]
            return True if True in parts else None if None in parts else False


def some_filter(random: Random, levels: int = 3) -> TraceFilter:
    """Return an expression of up to so many levels."""
    kind = random.choice(["compare", "compare", "in", "all", "any", "not"] if levels else ["compare", "in"])
    key = random.choice([*KEYS])
    match kind:
        case "compare":
            ops = (*COMPARISONS, *TEXT_SEARCHES) if KEYS[key] is ValueType.TEXT else COMPARISONS
            return Comparison(random.choice(ops), key, some_value(random, key))
        case "in":
            return Membership(key, tuple(some_value(random, key) for _ in range(random.randrange(4))))
        case "not":
            return Not(some_filter(random, levels - 1))
    conditions = tuple(some_filter(random, levels - 1) for _ in range(random.randint(1, 3)))
    return AllOf(conditions) if kind == "all" else AnyOf(conditions)


def some_value(random: Random, key: str) -> Value:
    match KEYS[key]:
        case ValueType.TIME:
            return BEGAN + timedelta(milliseconds=random.randrange(40) * 500)
        case ValueType.NUMBER:
            return random.choice([0.0, 500.0, 1000.0, 1500.5])
        case ValueType.TEXT if key == "trace_id":
            return random.choice([f"{random.randrange(30):032x}", "0000", "1f", f"{UUID(int=5)}"])
        case ValueType.TEXT:
            return random.choice(TEXTS)


def some_trace(random: Random, number: int) -> Span:
    def text() -> str | None:
        return random.choice([None, *TEXTS])

    of = {name: text() for name in ("user_id", "session_id", "run_id")}
    component = {random.choice(["agent_id", "team_id", "workflow_id"]): text()}
    ended: dict[str, Any] = {"status": random.choice(list(SpanStatus)), "duration_ns": 500_000 * random.randrange(4000)}
    going_on: dict[str, Any] = {"status": SpanStatus.UNSET, "duration_ns": None}
    told = {**of, **component, **random.choice([ended, ended, going_on]), "name": random.choice(TEXTS)}
    return span(number, 1, started_ns=BEGAN_NS + random.randrange(20) * 10**9, **told)


async def test_searches_find_what_expressions_mean(database: Database):
    random = Random(7)
    await SpanStore(database).write([some_trace(random, number) for number in range(30)])
    await database.execute("update traces set created_at = started_at")
    lists = TraceLists(database)
    rows = (await lists.page(TraceQuestion(project_id="default", limit=50))).records
    traces = [
        {
            **row._asdict(),
            "trace_id": row.trace_id.hex,
            "start_time": row.started_at,
            "end_time": row.ended_at,
            "duration_ms": None if row.duration_ns is None else row.duration_ns / 1e6,
        }
        for row in rows
    ]
    for _ in range(400):
        wanted = some_filter(random)
        found = (await lists.page(TraceQuestion(project_id="default", search=wanted, limit=50))).records
        expected = [trace["trace_id"] for trace in traces if meets(wanted, trace)]
        assert [record.trace_id.hex for record in found] == expected, asdict(wanted)
