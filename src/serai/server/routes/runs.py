"""Runs: create, continue and cancel them, read, list and follow them.

The kind of component is in the path; the handlers are the same for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import EVENT_PREFIXES, RunStatus
from serai.domain.runs import RunRecord
from serai.engine.engine import RunRequest
from serai.errors import ConflictError, InvalidFieldError, NotFoundError
from serai.server.answers import json_answer, name_ignored
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.form_fields import read_fields
from serai.server.logs import bind_run_id
from serai.server.openapi import JsonObject, errors, form_body, header_parameter, json_result, query_parameter
from serai.server.run_forms import ContinueForm, RunForm, check_filters, read_continue_form, read_run_form
from serai.server.run_kinds import RUN_KINDS, RunKind
from serai.server.run_schemas import RESUME_FORM, continue_form, run_form, run_object
from serai.server.run_streams import control_frame, follow, resume
from serai.server.run_views import run_row, show_run
from serai.server.runtime import Runtime
from serai.server.scope import check_name, idempotency_key_of, project_of
from serai.server.sse import EventStream
from serai.server.writes import write_key
from serai.storage.runs import Answer

MOST_LISTED: Final = 1000


async def create_run(request: Request) -> Response:
    """Run a component: the whole answer, or its events as they come.

    The run belongs to the server: closing the connection leaves it running.
    """
    runtime = runtime_of(request)
    kind, component_id = _component_of(request)
    form = await read_run_form(request, RUN_KINDS[kind], max_field_bytes=runtime.settings.max_body_bytes)
    if kind == "workflow":
        runtime.components.workflows[component_id].check_message(form.input.message)
    if form.input.knowledge_filters is not None:
        check_filters(form.input.knowledge_filters, runtime.components.find(kind, component_id))
    project_id = project_of(request)
    if form.blobs:
        await runtime.engine.blobs.put_all(project_id, form.blobs, user_id=form.user_id)
    record, is_new = await runtime.engine.submit(
        RunRequest(
            project_id=project_id,
            user_id=form.user_id,
            session_id=form.session_id,
            run_id=form.run_id,
            kind=kind,
            component_id=component_id,
            input=dump_json(form.input),
            idempotency_key=idempotency_key_of(request),
            waits=form.waits,
            message=form.input.message,
            traceparent=request.headers.get("traceparent"),
        )
    )
    bind_run_id(record.id)
    return await _answer(runtime, form, record, is_new=is_new)


async def continue_run(request: Request) -> Response:
    """Continue a paused run with the answers it waits for: the whole answer, or its events from here on.

    With some of the answers the run stays paused and keeps them.
    """
    runtime = runtime_of(request)
    project_id = project_of(request)
    kind, component_id = _component_of(request)
    form = await read_continue_form(request, RUN_KINDS[kind], max_field_bytes=runtime.settings.max_body_bytes)
    run_id = check_name(request.path_params["run_id"], ("path", "run_id"))
    try:
        record = await runtime.engine.find(project_id, run_id)
    except NotFoundError:
        raise NotFoundError(f"No runs found for run ID {run_id}") from None
    if (record.kind, record.component_id, form.session_id or record.session_id) != (
        kind,
        component_id,
        record.session_id,
    ) or (form.user_id and record.user_id and form.user_id != record.user_id):
        raise NotFoundError(f"No runs found for run ID {run_id}")
    bind_run_id(record.id)
    key = write_key(request, "run.continue", run_id, form.asked)
    continued = await runtime.engine.proceed(record, form.answers, key=key, waits=form.waits)
    if continued.is_begun:
        return await _answer(runtime, form, continued.record, after=continued.after, is_new=continued.is_new)
    answer = await runtime.engine.get_answer(continued.record)
    if answer.status is RunStatus.PAUSED:
        return await _still_paused(runtime, form, continued.record, answer)
    # The rest of the answers has come meanwhile: what the run did with all of them.
    record = await runtime.engine.find(project_id, run_id)
    return await _answer(runtime, form, record, after=record.segment_seq - 1, is_new=False)


async def cancel_run(request: Request) -> Response:
    """Cancel a run at any stage; what was said so far is kept. A run that has ended stays as it is."""
    kind, component_id = _component_of(request)
    await runtime_of(request).engine.cancel(
        project_of(request),
        check_name(request.path_params["run_id"], ("path", "run_id")),
        kind=kind,
        component_id=component_id,
        session_id=request.query_params.get("session_id") or None,
    )
    return json_answer(b"{}")


async def get_run(request: Request) -> Response:
    """Read a run: its answer once it rests, its state before."""
    runtime = runtime_of(request)
    record = await _find_run(request)
    return json_answer(await _run_object(runtime, record, await runtime.engine.get_answer(record)))


async def list_runs(request: Request) -> Response:
    """List a session's runs of a component, oldest first; of more than a thousand the newest."""
    runtime = runtime_of(request)
    kind, component_id = _component_of(request)
    session_id = request.query_params.get("session_id")
    if not session_id:
        raise InvalidFieldError.of(("query", "session_id"), "Field required", kind="missing")
    runs = await runtime.engine.list_runs(
        project_of(request),
        check_name(session_id, ("query", "session_id")),
        kind=kind,
        component_id=component_id,
        status=_status(request),
        limit=MOST_LISTED,
    )
    name = runtime.components.find(kind, component_id).name
    return json_answer([run_row(record, answer, name=name) for record, answer in runs])


async def follow_run(request: Request) -> Response:
    """Follow a run's events from a place on, live until its end; resumes at `Last-Event-ID` or `after`."""
    runtime = runtime_of(request)
    after = _after(request)
    record = _check_has_events(await _find_run(request))
    return _events(runtime, follow(runtime.engine.follow(record, after=after), blobs=runtime.engine.blobs))


async def resume_run(request: Request) -> Response:
    """Follow a run's events as the published protocol does: what was missed, then what comes, with control frames."""
    runtime = runtime_of(request)
    fields = await read_fields(request, max_field_bytes=runtime.settings.max_body_bytes)
    after = _sequence_number(fields.get("last_event_index"), ("body", "last_event_index"))
    _component_of(request)
    try:
        record = await _find_run(request, session_id=fields.get("session_id"))
    except NotFoundError as error:
        run_id = request.path_params["run_id"]
        return _events(runtime, _only(control_frame("error", run_id, error=error.message, message=error.message)))
    return _events(runtime, resume(runtime.engine, _check_has_events(record), after=after))


async def _answer(
    runtime: Runtime, form: RunForm | ContinueForm, record: RunRecord, *, after: int = -1, is_new: bool
) -> Response:
    """Return what the caller wanted of a run that was just begun, continued, or answered in part."""
    response: Response
    if form.is_stream:
        follower = runtime.engine.follow(record, after=after, is_new=is_new)
        response = _events(runtime, follow(follower, blobs=runtime.engine.blobs, is_content_only=form.is_content_only))
    elif form.is_background:
        pending = {"run_id": record.id, "session_id": record.session_id, "status": "PENDING"}
        response = json_answer(pending, status=202)
    else:
        answer = await runtime.engine.wait(record, after=after, is_new=is_new)
        response = json_answer(await _run_object(runtime, record, answer))
    name_ignored(response, form.ignored)
    return response


async def _still_paused(runtime: Runtime, form: ContinueForm, record: RunRecord, answer: Answer) -> Response:
    """Return what a run still waits for; in a stream it is a frame that is no event of the run's log."""
    run = await _run_object(runtime, record, answer)
    if not form.is_stream:
        return json_answer(run)
    shown = load_json(run)
    names = (f"{record.kind}_id", f"{record.kind}_name", *RUN_KINDS[record.kind].paused)
    members = {name: shown[name] for name in names if name in shown}
    return _events(runtime, _only(control_frame(f"{EVENT_PREFIXES[record.kind]}Paused", record.id, **members)))


async def _only(frame: bytes) -> AsyncIterator[bytes]:
    yield frame


def _events(runtime: Runtime, frames: AsyncIterator[bytes]) -> Response:
    return EventStream(frames, heartbeat_s=runtime.settings.heartbeat_s)


def _component_of(request: Request) -> tuple[str, str]:
    """Return kind and id of the component in the path."""
    name, component_id = next((name, value) for name, value in request.path_params.items() if name != "run_id")
    component = runtime_of(request).components.find(name.removesuffix("_id"), component_id)
    return component.kind, component.id


async def _find_run(request: Request, *, session_id: str | None = None) -> RunRecord:
    kind, component_id = _component_of(request)
    record = await runtime_of(request).engine.find(
        project_of(request), check_name(request.path_params["run_id"], ("path", "run_id"))
    )
    session_id = session_id or request.query_params.get("session_id") or record.session_id
    if (record.kind, record.component_id, record.session_id) != (kind, component_id, session_id):
        raise NotFoundError("Run not found")
    bind_run_id(record.id)
    return record


def _check_has_events(record: RunRecord) -> RunRecord:
    if record.parent_key is not None:
        raise ConflictError(f"Run '{record.id}' runs inside another one, whose events hold its own: follow that.")
    return record


async def _run_object(runtime: Runtime, record: RunRecord, answer: Answer) -> bytes:
    name = runtime.components.find(record.kind, record.component_id).name
    return await show_run(record, answer, name=name, blobs=runtime.engine.blobs)


def _status(request: Request) -> RunStatus | None:
    text = request.query_params.get("status")
    if not text:
        return None
    try:
        return RunStatus(text.upper())
    except ValueError:
        known = ", ".join(status.value for status in RunStatus)
        raise InvalidFieldError.of(
            ("query", "status"), f"Input should be one of {known}", kind="enum", given=text[:100]
        ) from None


def _after(request: Request) -> int:
    """Return the last sequence number the caller has seen; -1 for none."""
    header = request.headers.get("last-event-id")
    if header is not None:
        return _sequence_number(header, ("header", "Last-Event-ID"))
    return _sequence_number(request.query_params.get("after"), ("query", "after"))


def _sequence_number(text: str | None, loc: tuple[str, str]) -> int:
    if text is None or text == "":
        return -1
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or not -1 <= int(text) < 2**31:
        raise InvalidFieldError.of(
            loc, "Input should be an event's sequence number", kind="int_parsing", given=text[:100]
        )
    return int(text)


_EVENTS: Final[JsonObject] = {
    "description": "Server-sent events; each frame's id is the event's sequence number in its run.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_SESSION: Final = query_parameter("session_id", {"type": "string"}, "The run's session; looked up when absent.")
_KEY: Final = header_parameter("Idempotency-Key", "The same key and form again are the same request.")
_TAGS: Final = ("runs",)


def _routes(kind: RunKind) -> list[Route]:
    """Return the operations on runs of one kind of component."""
    runs = f"/{kind.name}s/{{{kind.name}_id}}/runs"
    run = f"{runs}/{{run_id}}"
    shown = run_object(kind)
    result = json_result(shown, "The run object.")
    result_or_events = {
        200: {
            "description": "The run object, or with stream=true its events.",
            "content": {**result[200]["content"], **_EVENTS["content"]},
        },
        **json_result(shown, "Accepted: background=true and stream=false.", status=202),
    }
    return [
        Route(
            method="POST",
            path=runs,
            handler=create_run,
            summary=f"Run {kind.title}",
            description="The run goes on when the connection closes; read or follow it by its id.",
            tags=_TAGS,
            parameters=(_KEY,),
            body=form_body(run_form(kind)),
            responses={**result_or_events, **errors(400, 401, 403, 404, 409, 413, 422, 503)},
        ),
        Route(
            method="GET",
            path=runs,
            handler=list_runs,
            summary=f"List the runs of {kind.title} in a session",
            tags=_TAGS,
            parameters=(
                query_parameter("session_id", {"type": "string"}, "The session.", required=True),
                query_parameter("status", {"type": "string"}, "Only runs of this status."),
            ),
            responses={
                **json_result({"type": "array", "items": shown}, "Runs, oldest first."),
                **errors(401, 403, 404, 422, 503),
            },
        ),
        Route(
            method="POST",
            path=f"{run}/continue",
            handler=continue_run,
            summary=f"Continue a paused run of {kind.title}",
            description="Its public id stays. It goes on in its turn, on any node.",
            tags=_TAGS,
            parameters=(_KEY,),
            body=form_body(continue_form(kind)),
            responses={**result_or_events, **errors(400, 401, 403, 404, 409, 413, 422, 503)},
        ),
        Route(
            method="POST",
            path=f"{run}/cancel",
            handler=cancel_run,
            summary=f"Cancel a run of {kind.title}",
            description="At any stage, within a second; also before it comes. Repeating it changes nothing.",
            tags=_TAGS,
            parameters=(_SESSION,),
            responses={**json_result({"type": "object"}, "Accepted."), **errors(401, 403, 404, 422, 503)},
        ),
        Route(
            method="POST",
            path=f"{run}/resume",
            handler=resume_run,
            summary=f"Resume the events of a run of {kind.title}",
            description="As the published protocol has it; `GET …/events` does the same with standard event ids.",
            tags=_TAGS,
            body=form_body(RESUME_FORM),
            responses={200: _EVENTS, **errors(401, 403, 404, 409, 413, 422, 503)},
        ),
        Route(
            method="GET",
            path=run,
            handler=get_run,
            summary=f"Read a run of {kind.title}",
            tags=_TAGS,
            parameters=(_SESSION,),
            responses={**result, **errors(401, 403, 404, 422, 503)},
        ),
        Route(
            method="GET",
            path=f"{run}/events",
            handler=follow_run,
            summary=f"Follow a run of {kind.title}",
            tags=_TAGS,
            parameters=(
                _SESSION,
                query_parameter("after", {"type": "integer", "minimum": -1}, "Last sequence number already seen."),
                header_parameter("Last-Event-ID", "The same as `after`; wins over it."),
            ),
            responses={200: _EVENTS, **errors(401, 403, 404, 409, 422, 503)},
        ),
    ]


ROUTES: Final = [route for kind in RUN_KINDS.values() for route in _routes(kind)]
