"""What a server tells of its work: series for Prometheus, and its status now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from serai.errors import DatabaseUnavailableError
from serai.server.answers import json_answer
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import JsonObject, errors, json_result, query_parameter
from serai.server.paging import read_paging
from serai.server.routes.record_shapes import COUNT, TEXT, TIME, object_schema, or_null
from serai.server.status_view import ClusterView, show_status
from serai.storage.census import CensusTaker
from serai.telemetry.series import Snapshot

Answer = TypeVar("Answer")
MOST_RUNS: Final = 500
_ANSWERS_WITHIN_S: Final = 5.0


async def get_series(request: Request) -> Response:
    """Everything that this node counts and measures, and the queue of all nodes, as text for Prometheus."""
    runtime = runtime_of(request)
    snapshot = runtime.series.snapshot(await _unless_away(runtime.census.take()))
    text, media_type = await asyncio.to_thread(_render, snapshot, request.headers.get("accept", ""))
    return Response(text, media_type=media_type)


def _render(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    from serai.telemetry.exposition import render  # noqa: PLC0415 - 30 ms, and few servers are watched

    return render(snapshot, accept=accept)


async def get_status(request: Request) -> Response:
    """The nodes, the runs that wait or are at work, the rates of the last minute, and what is slow."""
    limit = read_paging(request, default=100, most=MOST_RUNS).limit
    runtime = runtime_of(request)
    view = await _unless_away(_look_around(runtime.census, limit))
    return json_answer(show_status(runtime.series, view, node=runtime.engine.node.id))


async def _look_around(taker: CensusTaker, limit: int) -> ClusterView:
    return ClusterView(
        census=await taker.take(), nodes=await taker.list_nodes(), runs=await taker.list_runs(limit=limit)
    )


async def _unless_away(asking: Awaitable[Answer]) -> Answer | None:
    """Return what the database answers; None when it does not, or not soon."""
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            return await asking
    except (DatabaseUnavailableError, TimeoutError):
        return None


_NUMBER: Final[JsonObject] = {"type": "number"}
_NODE: Final = object_schema({"id": TEXT, "name": TEXT, "started_at": TIME, "runs": COUNT})
_RUN: Final = object_schema(
    {
        **dict.fromkeys(("run_id", "kind", "component_id", "session_id"), TEXT),
        "user_id": or_null(TEXT),
        "status": TEXT,
        "created_at": TIME,
        "since": TIME,
        "takeovers": COUNT,
        "node": or_null(TEXT),
        "last_step": or_null(TEXT),
    }
)
_CALLS: Final[JsonObject] = {
    "type": "array",
    "items": object_schema({"name": TEXT, "calls": COUNT, "errors": COUNT, "mean_s": _NUMBER, "longest_s": _NUMBER}),
    "description": "Calls on this node in the last minute by name, the slowest first.",
}
_STATUS: Final = object_schema(
    {
        "node": {**TEXT, "description": "The node that answers; rates, times and lag are its own."},
        "database": {"type": "string", "enum": ["up", "down"]},
        "nodes": {"type": "array", "items": _NODE},
        "runs": {"type": "array", "items": _RUN, "description": "Runs at work, then those that wait."},
        "run_counts": {"type": "object", "additionalProperties": COUNT},
        "queue": object_schema({"runs": or_null(COUNT), "oldest_s": or_null(_NUMBER)}),
        "rates": {"type": "object", "additionalProperties": _NUMBER, "description": "Per second, over a minute."},
        "models": _CALLS,
        "tools": _CALLS,
        "loop_lag_s": _NUMBER,
        "spans": object_schema({"written": COUNT, "lost": COUNT}),
    }
)
_TAGS: Final = ("monitoring",)

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/-/metrics",
        handler=get_series,
        summary="Read the series for Prometheus",
        description="Counts and times of this node, and how much is under way on all of them. Text in Prometheus' "
        "format, or in that of OpenMetrics when `Accept` asks for it.",
        tags=_TAGS,
        responses={
            200: {"description": "Success.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **errors(401, 403, 503),
        },
    ),
    Route(
        method="GET",
        path="/-/status",
        handler=get_status,
        summary="Read what is under way",
        tags=_TAGS,
        parameters=(
            query_parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST_RUNS, "default": 100},
                "How many runs are listed.",
            ),
        ),
        responses={**json_result(_STATUS), **errors(401, 403, 422, 503)},
    ),
)
