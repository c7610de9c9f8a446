"""What the routes of traces take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from serai.domain.trace_filters import COMPARISONS, KEYS, TEXT_SEARCHES, ValueType
from serai.domain.traces import SpanStatus
from serai.server.databases import DATABASE_PARAMETERS
from serai.server.openapi import query_parameter
from serai.server.paging import LAST_PAGE, page_of, paging_parameters
from serai.server.routes.record_shapes import COUNT, OBJECT, TEXT, TIME, object_schema, or_null
from serai.server.scope import PROJECT_PARAMETERS
from serai.server.trace_bodies import MOST_FOUND
from serai.wire.choices import TraceSearchGroupBy

TAGS: Final = ("traces",)
COMMON: Final = (*PROJECT_PARAMETERS, *DATABASE_PARAMETERS)
_OF: Final = tuple(
    query_parameter(f"{name}_id", TEXT, f"Only traces of this {name}.")
    for name in ("session", "user", "agent", "team", "workflow")
)
_TIMES: Final = (
    query_parameter("start_time", TIME, "Only traces that began then or later; without an offset in UTC."),
    query_parameter("end_time", TIME, "Only traces that had ended by then."),
)
LIST_PARAMETERS: Final = (
    *COMMON,
    query_parameter("run_id", TEXT, "Only the trace of this run."),
    *_OF,
    query_parameter("status", {**TEXT, "examples": [one.value for one in SpanStatus]}, "Only traces of this status."),
    *_TIMES,
    *paging_parameters(),
)
STATS_PARAMETERS: Final = (*COMMON, *_OF, *_TIMES, *paging_parameters())
DETAIL_PARAMETERS: Final = (
    *COMMON,
    query_parameter("span_id", TEXT, "Only this span of it."),
    query_parameter("run_id", TEXT, "Accepted and not used."),
    query_parameter("user_id", TEXT, "The traces of other users are not there."),
)
_TIMED: Final[dict[str, Any]] = {
    "duration": {**TEXT, "description": "For people: `27ms` or `1.50s`."},
    "duration_ms": {"type": "number"},
    "is_running": {"type": "boolean", "description": "It goes on; the duration is the one so far."},
    "start_time": TIME,
    "end_time": TIME,
}
_NEEDED: Final = ("name", "status", "duration", "duration_ms", "start_time", "end_time")
_CONTEXT: Final = ("run_id", "session_id", "user_id", "agent_id", "team_id", "workflow_id")
_SUMMARY: Final[dict[str, Any]] = {
    "trace_id": {**TEXT, "description": "32 hexadecimal digits."},
    "name": TEXT,
    "status": {"enum": [one.value for one in SpanStatus]},
    **_TIMED,
    "total_spans": COUNT,
    "error_count": COUNT,
    "input": {**TEXT, "description": "What was asked; in lists cut at 1,000 characters."},
    **dict.fromkeys(_CONTEXT, TEXT),
    "created_at": TIME,
    "total_tokens": COUNT,
    "cost": {"type": "number", "description": "US dollars, where the prices are known."},
}
_OF_A_TRACE: Final = ("trace_id", *_NEEDED, "total_spans", "error_count", "created_at")
TRACE: Final = object_schema(_SUMMARY, *_OF_A_TRACE)
SPAN: Final = {
    **object_schema(
        {
            "id": {**TEXT, "description": "16 hexadecimal digits."},
            "name": TEXT,
            "type": {**TEXT, "description": "`AGENT`, `TEAM`, `WORKFLOW`, `LLM`, `TOOL` and others."},
            **_TIMED,
            "status": TEXT,
            "input": TEXT,
            "output": TEXT,
            "error": TEXT,
            "step_type": TEXT,
            "metadata": OBJECT,
            "extra_data": OBJECT,
            "spans": {"type": "array", "items": OBJECT, "description": "Those right inside it, by their start."},
        },
        *("id", "type", *_NEEDED),
    ),
    "description": "A span; the root of a trace has its totals as `metadata`, and its input and output on the trace.",
}
DETAIL: Final = object_schema(
    {**_SUMMARY, "output": TEXT, "error": TEXT, "tree": {"type": "array", "items": SPAN}}, *_OF_A_TRACE, "tree"
)
STATS: Final = object_schema(
    {
        "session_id": TEXT,
        **dict.fromkeys(("user_id", "agent_id", "team_id", "workflow_id"), TEXT),
        "total_traces": COUNT,
        "first_trace_at": TIME,
        "last_trace_at": TIME,
    },
    *("session_id", "total_traces", "first_trace_at", "last_trace_at"),
)
PAGE: Final = page_of(TRACE)
STATS_PAGE: Final = page_of(STATS)
FOUND: Final = page_of({"anyOf": [DETAIL, STATS]})
SEARCH: Final = object_schema(
    {
        "filter": or_null(
            {
                **OBJECT,
                "description": 'For example `{"op": "AND", "conditions": [{"op": "EQ", "key": "status", '
                '"value": "ERROR"}, …]}`; keys and operators are in `/traces/filter-schema`.',
            }
        ),
        "group_by": {"enum": [one.value for one in TraceSearchGroupBy], "default": TraceSearchGroupBy.RUN.value},
        "page": {"type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 20},
    }
)
FILTERS: Final = object_schema(
    {
        "fields": {
            "type": "array",
            "items": object_schema(
                {
                    "key": TEXT,
                    "label": TEXT,
                    "type": TEXT,
                    "operators": {"type": "array", "items": TEXT},
                    "values": {"type": "array", "items": TEXT},
                },
                *("key", "label", "type", "operators"),
            ),
        },
        "logical_operators": {"type": "array", "items": TEXT},
    },
    *("fields", "logical_operators"),
)


def _field(key: str, value_type: ValueType) -> dict[str, Any]:
    """Return what user interfaces are told of a key: the operators that make sense of all that are understood."""
    label = key.replace("_", " ").title().replace("Id", "ID").replace("Duration Ms", "Duration (ms)")
    field: dict[str, Any] = {"key": key, "label": {"name": "Trace Name"}.get(key, label), "type": value_type.value}
    if key == "status":
        return {
            **field,
            "type": "enum",
            "operators": ["EQ", "NEQ", "IN"],
            "values": [one.value for one in SpanStatus],
        }
    operators = {
        ValueType.TEXT: ["EQ", "NEQ", *TEXT_SEARCHES, "IN"],
        ValueType.NUMBER: list(COMPARISONS),
        ValueType.TIME: ["GT", "GTE", "LT", "LTE"],
    }
    return {**field, "operators": operators[value_type]}


FILTER_FIELDS: Final = {
    "fields": [_field(key, value_type) for key, value_type in KEYS.items()],
    "logical_operators": ["AND", "OR", "NOT"],
}
"""What user interfaces build filters from."""
