"""The runs of a session: all of them, one of them, or a preview of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.json_text import dump_json, without_nulls
from serai.domain.runs import RunRecord
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.context import runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.large_work import LARGE_BYTES, make
from serai.server.openapi import errors, json_result
from serai.server.routes.session_shapes import PREVIEW, RUN, RUN_PARAMETERS, SCOPE, TAGS
from serai.server.runtime import Runtime
from serai.server.scope import check_name, project_of, read_user
from serai.server.session_bodies import read_kind, read_run_filter
from serai.server.session_run_views import media_of_run, show_preview, show_session_run
from serai.storage.runs import Answer

_Runs = Sequence[tuple[RunRecord, Answer]]


async def list_session_runs(request: Request) -> Response:
    """List a session's runs, oldest first; those inside them are in their answers."""
    wanted = read_run_filter(request)
    session_id, _ = await _check_session(request)
    runtime = runtime_of(request)
    runs = await runtime.sessions.list_runs(project_of(request), session_id, wanted)
    shown = await _show(runtime, project_of(request), runs)
    return json_answer(b"[" + b",".join(shown) + b"]")


async def get_session_run(request: Request) -> Response:
    """Read a run of a session, or one inside such a run."""
    run_id = check_name(request.path_params["run_id"], ("path", "run_id"))
    session_id, has_runs = await _check_session(request)
    if not has_runs:
        raise NotFoundError(f"Session with ID {session_id} has no runs")
    runtime = runtime_of(request)
    found = await runtime.sessions.find_run(project_of(request), session_id, run_id)
    if found is None:
        raise NotFoundError(f"Run with ID {run_id} not found in session {session_id}")
    (shown,) = await _show(runtime, project_of(request), [found], keeps_nulls=True)
    return json_answer(shown)


async def list_run_previews(request: Request) -> Response:
    """List a session's runs in a few words each, oldest first."""
    wanted = read_run_filter(request)
    session_id, _ = await _check_session(request)
    runs = await runtime_of(request).sessions.list_runs(project_of(request), session_id, wanted, with_messages=False)
    return json_answer(await make(partial(_previews, runs), size_bytes=_size_of(runs)))


async def _check_session(request: Request) -> tuple[str, bool]:
    """Return the id of the session that a request speaks of, and whether it ever had runs."""
    check_database(request, "session")
    read_kind(request)
    session_id = check_name(request.path_params["session_id"], ("path", "session_id"))
    user_id = read_user(request)
    has_runs = await runtime_of(request).sessions.has_runs(project_of(request), session_id, user_id=user_id)
    if has_runs is None:
        raise NotFoundError(f"Session with ID {session_id} not found")
    return session_id, has_runs


async def _show(runtime: Runtime, project_id: str, runs: _Runs, *, keeps_nulls: bool = False) -> list[bytes]:
    hashes = {sha256 for _, answer in runs for sha256 in media_of_run(answer)}
    blobs = await runtime.engine.blobs.get_all(project_id, hashes) if hashes else {}

    def show() -> list[bytes]:
        return [_show_run(runtime, *run, blobs=blobs, keeps_nulls=keeps_nulls) for run in runs]

    return await make(show, size_bytes=LARGE_BYTES if blobs else _size_of(runs))


def _show_run(
    runtime: Runtime, record: RunRecord, answer: Answer, *, blobs: Mapping[str, bytes], keeps_nulls: bool
) -> bytes:
    component = runtime.components.of_kind(record.kind).get(record.component_id)
    name = component.name if component else record.component_id
    run = show_session_run(record, answer, name=name, blobs=blobs)
    return dump_json(run if keeps_nulls else without_nulls(run))


def _previews(runs: _Runs) -> bytes:
    return dump_json([show_preview(record, answer) for record, answer in runs])


def _size_of(runs: _Runs) -> int:
    return sum(len(answer.output or b"") + len(answer.messages or b"") for _, answer in runs)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/sessions/{session_id}/runs",
        wide="session_id",
        handler=list_session_runs,
        summary="List the runs of a session",
        description="Runs of members and steps are in the runs that they belong to.",
        tags=TAGS,
        parameters=RUN_PARAMETERS,
        responses={**json_result({"type": "array", "items": RUN}), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/sessions/{session_id}/runs/{run_id}",
        wide="session_id",
        handler=get_session_run,
        summary="Read a run of a session",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(RUN), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/sessions/{session_id}/run-previews",
        wide="session_id",
        handler=list_run_previews,
        summary="List the runs of a session in a few words each",
        tags=TAGS,
        parameters=RUN_PARAMETERS,
        responses={**json_result({"type": "array", "items": PREVIEW}), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
