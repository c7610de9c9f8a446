"""Metrics: the totals of days, and computing them anew."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from serai.server.answers import json_answer
from serai.server.context import runtime_of
from serai.server.databases import DATABASE_PARAMETERS, check_database
from serai.server.dispatch import Route
from serai.server.flags import read_flag
from serai.server.metrics_refresh import KIND, refresh_payload
from serai.server.openapi import JsonObject, errors, header_parameter, json_result, query_parameter
from serai.server.routes.record_shapes import COUNT, TEXT, TIME, or_null
from serai.server.scope import project_of, read_user
from serai.server.times import read_day, utc_text, utc_text_or_null
from serai.storage.jobs import JobRecord, JobStatus
from serai.storage.metrics import COUNTS, TOKENS, DayTotals

_STATES: Final = {
    JobStatus.PENDING: "running",
    JobStatus.RUNNING: "running",
    JobStatus.COMPLETED: "completed",
    JobStatus.ERROR: "failed",
    JobStatus.CANCELLED: "failed",
}


async def get_metrics(request: Request) -> Response:
    """The totals of each day with activity, oldest first."""
    check_database(request, "metrics")
    first, last = _range_of(request)
    user_id = read_user(request)
    store = runtime_of(request).metrics
    days = await store.read_days(project_of(request), first=first, last=last, user_id=user_id)
    updated_at = max((day.updated_at for day in days), default=None)
    return json_answer(
        {
            "metrics": [show_day(day, user_id=user_id) for day in days],
            "updated_at": utc_text_or_null(updated_at),
        }
    )


async def refresh_metrics(request: Request) -> Response:
    """Compute totals anew from the sessions and runs there are; with `background=true` as a job."""
    check_database(request, "metrics")
    runtime, project_id = runtime_of(request), project_of(request)
    first, last = _range_of(request)
    if not read_flag(request, "background"):
        days = await runtime.metrics.refresh(project_id, first=first, last=last)
        return json_answer([show_day(day) for day in days])
    job_id = await runtime.job_runner.enqueue(
        KIND, refresh_payload(first, last), project_id=project_id, dedupe_key="refresh"
    )
    if job_id is None:
        answer = {"status": "already_running", "message": "The metrics are being computed anew already."}
    else:
        answer = {"status": "started", "message": "The metrics are computed anew in the background."}
    return json_answer(answer, status=202)


async def get_refresh_status(request: Request) -> Response:
    """How far the last refresh in the background is."""
    check_database(request, "metrics")
    jobs = await runtime_of(request).jobs.list(project_id=project_of(request), kind=KIND, limit=1)
    return json_answer(_show_status(jobs[0] if jobs else None))


def show_day(day: DayTotals, *, user_id: str | None = None) -> dict[str, Any]:
    """Return the totals of a day as the wire has them."""
    tokens = dict(day.tokens)
    tokens["audio_total_tokens"] = tokens["audio_input_tokens"] + tokens["audio_output_tokens"]
    return {
        "id": f"{day.day}_daily" if user_id is None else f"{day.day}_{user_id}_daily",
        **{f"{name}_count": count for name, count in day.counts.items()},
        "users_count": day.users,
        "token_metrics": tokens,
        "model_metrics": [
            {
                "model_id": model.id,
                "model_provider": model.provider,
                "count": model.runs,
                **({} if model.cost is None else {"cost": model.cost}),
            }
            for model in day.models
        ],
        "cost": day.cost,
        "date": f"{day.day}T00:00:00Z",
        "created_at": utc_text(day.created_at),
        "updated_at": utc_text(day.updated_at),
    }


def _show_status(job: JobRecord | None) -> dict[str, Any]:
    if job is None:
        return {"status": "idle", "started_at": None, "finished_at": None, "error": None}
    return {
        "status": _STATES[job.status],
        "started_at": utc_text_or_null(job.started_at),
        "finished_at": utc_text_or_null(job.ended_at),
        "error": job.error if job.status is JobStatus.ERROR else None,
    }


def _range_of(request: Request) -> tuple[date, date]:
    return read_day(request, "starting_date") or date.min, read_day(request, "ending_date") or date.max


_TAGS: Final = ("metrics",)
_DAY: Final = {"type": "string", "format": "date"}
_RANGE: Final = (
    query_parameter("starting_date", _DAY, "From which day on, in UTC."),
    query_parameter("ending_date", _DAY, "To which day, itself included."),
    *DATABASE_PARAMETERS,
)
_DOLLARS: Final[JsonObject] = {"type": "number", "description": "US dollars, of the models whose prices are known."}
_DAY_METRICS: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "id": TEXT,
        **{f"{name}_count": COUNT for name in (*COUNTS, "users")},
        "token_metrics": {
            "type": "object",
            "properties": dict.fromkeys((*TOKENS, "audio_total_tokens"), COUNT),
        },
        "model_metrics": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"model_id": TEXT, "model_provider": TEXT, "count": COUNT, "cost": _DOLLARS},
            },
        },
        "cost": or_null(_DOLLARS),
        **dict.fromkeys(("date", "created_at", "updated_at"), TIME),
    },
}
_METRICS: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "metrics": {"type": "array", "items": _DAY_METRICS},
        "updated_at": or_null(TIME),
    },
}
_STATUS: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "status": {"enum": ["idle", "running", "completed", "failed"]},
        "started_at": or_null(TIME),
        "finished_at": or_null(TIME),
        "error": or_null(TEXT),
    },
}
_STARTED: Final[JsonObject] = {
    "type": "object",
    "properties": {"status": {"enum": ["started", "already_running"]}, "message": TEXT},
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/metrics",
        handler=get_metrics,
        summary="Read the totals of each day",
        description="A run counts on the day it ends, a session on the day it is made. What is removed stays counted.",
        tags=_TAGS,
        parameters=(
            *_RANGE,
            query_parameter("user_id", TEXT, "Of this user alone."),
        ),
        responses={**json_result(_METRICS), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="POST",
        path="/metrics/refresh",
        handler=refresh_metrics,
        summary="Compute the totals of days anew",
        description="They are always up to date; this checks them against the sessions and runs that there are.",
        tags=_TAGS,
        parameters=(
            *_RANGE,
            query_parameter("background", {"type": "boolean", "default": False}, "Answer at once and go on."),
            header_parameter("Idempotency-Key", "Accepted; repeating a refresh does no harm."),
        ),
        responses={
            **json_result({"type": "array", "items": _DAY_METRICS}, "The days."),
            **json_result(_STARTED, "Accepted: background=true.", status=202),
            **errors(400, 401, 403, 404, 422, 503),
        },
    ),
    Route(
        method="GET",
        path="/metrics/refresh/status",
        handler=get_refresh_status,
        summary="Read how far the last refresh in the background is",
        tags=_TAGS,
        parameters=DATABASE_PARAMETERS,
        responses={**json_result(_STATUS), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
