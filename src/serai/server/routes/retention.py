"""What is kept for how long, applying that now, and erasing a user."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from serai.engine.retention import JOB, PROJECT
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.flags import read_flag
from serai.server.openapi import JsonObject, errors, header_parameter, json_result, query_parameter
from serai.server.routes.record_shapes import COUNT, TEXT, TIME, object_schema, or_null
from serai.server.scope import PROJECT_PARAMETERS, check_name, project_of
from serai.server.times import utc_text_or_null
from serai.storage.erasure import count_user, erase_user
from serai.storage.jobs import JobRecord

WAITS_S: Final = 30.0
_LOOKS_S: Final = 0.1


async def get_retention(request: Request) -> Response:
    """The days for which each kind of data is kept, and what the last clearing removed."""
    runtime = runtime_of(request)
    jobs = await runtime.jobs.list(project_id=PROJECT, kind=JOB, limit=1)
    return json_answer({"rules": runtime.retention.rules.as_days(), "last": _show_job(jobs[0]) if jobs else None})


async def apply_retention(request: Request) -> Response:
    """Remove what is older than the rules say, as a background job that is waited for; or count what would go."""
    runtime = runtime_of(request)
    rules = runtime.retention.rules.as_days()
    if read_flag(request, "dry_run"):
        return json_answer({"dry_run": True, "rules": rules, "removed": await runtime.retention.count()})
    job_id = await runtime.job_runner.enqueue(JOB, {}, project_id=PROJECT, dedupe_key="retention")
    if job_id is None:  # one is waiting or at work
        job_id = (await runtime.jobs.list(project_id=PROJECT, kind=JOB, limit=1))[0].id
    job = await _wait(request, job_id)
    status = 200 if job.ended_at is not None else 202
    return json_answer({"dry_run": False, "rules": rules, **_show_job(job)}, status=status)


async def erase(request: Request) -> Response:
    """Remove a user: sessions, runs, events, memories, schedules, evals, media, and the name in the totals."""
    runtime, project_id = runtime_of(request), project_of(request)
    user_id = check_name(request.path_params["user_id"], ("path", "user_id"))
    is_dry = read_flag(request, "dry_run")
    act = count_user if is_dry else erase_user
    await runtime.tracing.spans.write_now()  # else these would come when the user is gone
    removed = await act(runtime.database, project_id, user_id)
    return json_answer({"user_id": user_id, "dry_run": is_dry, "removed": removed})


async def _wait(request: Request, job_id: UUID) -> JobRecord:
    """Return a job when it has ended, or as it is after some time."""
    jobs = runtime_of(request).jobs
    ends_at = time.monotonic() + WAITS_S
    while True:
        job = await jobs.get(job_id)
        if job is None:
            raise NotFoundError("The job is gone; ask for it again.")
        if job.ended_at is not None or time.monotonic() >= ends_at:
            return job
        await asyncio.sleep(_LOOKS_S)


def _show_job(job: JobRecord) -> dict[str, Any]:
    return {
        "status": job.status.value,
        "removed": (job.progress or {}).get("removed", {}),
        "error": job.error,
        "started_at": utc_text_or_null(job.started_at),
        "finished_at": utc_text_or_null(job.ended_at),
    }


_TAGS: Final = ("retention",)
_DRY_RUN: Final = query_parameter(
    "dry_run", {"type": "boolean", "default": False}, "Only count what would go; nothing is changed."
)
_KEY: Final = header_parameter("Idempotency-Key", "Accepted; repeating it does no harm.")
_ROWS: Final[JsonObject] = {"type": "object", "additionalProperties": COUNT}
_RULES: Final[JsonObject] = {
    "type": "object",
    "additionalProperties": or_null({"type": "number"}),
    "description": "Days for which each kind of data is kept; null: for ever.",
}
_JOB: Final[JsonObject] = {
    "status": TEXT,
    "removed": {**_ROWS, "description": "Rows removed of each kind."},
    "error": or_null(TEXT),
    "started_at": or_null(TIME),
    "finished_at": or_null(TIME),
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/retention",
        handler=get_retention,
        summary="Read for how long data is kept",
        tags=_TAGS,
        responses={
            **json_result(object_schema({"rules": _RULES, "last": or_null(object_schema(_JOB))})),
            **errors(401, 403, 503),
        },
    ),
    Route(
        method="POST",
        path="/retention/apply",
        handler=apply_retention,
        summary="Remove what is older than the rules say, now",
        description="It is done every night anyway, for all projects. `202`: it goes on in the background.",
        tags=_TAGS,
        parameters=(_DRY_RUN, _KEY),
        responses={
            **json_result(object_schema({"dry_run": {"type": "boolean"}, "rules": _RULES, **_JOB})),
            **json_result(
                object_schema({"dry_run": {"type": "boolean"}, "rules": _RULES, **_JOB}), "It goes on.", status=202
            ),
            **errors(401, 403, 422, 503),
        },
    ),
    Route(
        method="DELETE",
        path="/users/{user_id}",
        handler=erase,
        summary="Erase a user from a project",
        description="Nothing of the user is left; totals of days stay as they are, without the name.",
        tags=("users",),
        parameters=(*PROJECT_PARAMETERS, _DRY_RUN, _KEY),
        responses={
            **json_result(object_schema({"user_id": TEXT, "dry_run": {"type": "boolean"}, "removed": _ROWS})),
            **errors(400, 401, 403, 422, 503),
        },
    ),
)
