"""Runs: create one, read one, follow one. The kind of component is in the path; the handlers are the same for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.components.messages import load_messages, wire_messages
from serai.components.run_input import load_run_input
from serai.domain.json_text import dump_json
from serai.domain.run_state import LAST_EVENTS
from serai.domain.runs import Event, RunRecord
from serai.engine.engine import RunRequest
from serai.engine.event_log import Follower
from serai.errors import InvalidFieldError, NotFoundError
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.logs import bind_run_id
from serai.server.openapi import errors, form_body, header_parameter, json_result, query_parameter
from serai.server.run_forms import read_run_form
from serai.server.scope import check_name, idempotency_key_of, project_of
from serai.server.sse import EventStream, frame
from serai.storage.runs import Answer

_encode_input = msgspec.json.Encoder(enc_hook=str).encode
_CONTENT_EVENTS: Final = frozenset({"RunContent", "CustomEvent"})


async def create_run(request: Request) -> Response:
    """Run a component: the whole answer, or its events as they come.

    The run belongs to the server: closing the connection leaves it running.
    """
    runtime = runtime_of(request)
    kind, component_id = _component_of(request)
    form = await read_run_form(request, max_field_bytes=runtime.settings.max_body_bytes)
    record, is_new = await runtime.engine.submit(
        RunRequest(
            project_id=project_of(request),
            user_id=form.user_id,
            session_id=form.session_id,
            run_id=form.run_id,
            kind=kind,
            component_id=component_id,
            input=dump_json(form.input),
            idempotency_key=idempotency_key_of(request),
        )
    )
    bind_run_id(record.id)
    headers = {"X-Serai-Ignored-Fields": ", ".join(form.ignored)[:1000]} if form.ignored else {}
    if form.is_stream:
        follower = runtime.engine.follow(record, is_new=is_new)
        response: Response = EventStream(
            _frames(follower, is_content_only=form.is_content_only), heartbeat_s=runtime.settings.heartbeat_s
        )
    elif form.is_background:
        pending = {"run_id": record.id, "session_id": record.session_id, "status": "PENDING"}
        response = _json(dump_json(pending), status=202)
    else:
        response = _json(_run_object(record, await runtime.engine.wait(record, is_new=is_new), runtime.agents))
    for name, value in headers.items():
        response.headers[name] = _header_text(value)
    return response


async def get_run(request: Request) -> Response:
    """Read a run: its answer once it rests, its state before."""
    runtime = runtime_of(request)
    record = await _find_run(request)
    return _json(_run_object(record, await runtime.engine.get_answer(record), runtime.agents))


async def follow_run(request: Request) -> Response:
    """Follow a run's events from a place on, live until its end; resumes at `Last-Event-ID` or `after`."""
    runtime = runtime_of(request)
    after = _after(request)
    record = await _find_run(request)
    follower = runtime.engine.follow(record, after=after)
    return EventStream(_frames(follower, is_content_only=False), heartbeat_s=runtime.settings.heartbeat_s)


async def _frames(follower: Follower, *, is_content_only: bool) -> AsyncIterator[bytes]:
    shown = _CONTENT_EVENTS | LAST_EVENTS[follower.record.kind] if is_content_only else None
    try:
        async for events in follower.batches():
            yield b"".join(_frame(event) for event in events if shown is None or event.name in shown)
    finally:
        follower.close()


def _frame(event: Event) -> bytes:
    return frame(event.name, event.data, event.seq)


def _component_of(request: Request) -> tuple[str, str]:
    """Return kind and id of the component in the path."""
    name, component_id = next((name, value) for name, value in request.path_params.items() if name != "run_id")
    if component_id not in runtime_of(request).agents:
        raise NotFoundError("Agent not found")
    return name.removesuffix("_id"), component_id


async def _find_run(request: Request) -> RunRecord:
    kind, component_id = _component_of(request)
    record = await runtime_of(request).engine.find(
        project_of(request), check_name(request.path_params["run_id"], ("path", "run_id"))
    )
    session_id = request.query_params.get("session_id") or record.session_id
    if (record.kind, record.component_id, record.session_id) != (kind, component_id, session_id):
        raise NotFoundError("Run not found")
    bind_run_id(record.id)
    return record


def _run_object(record: RunRecord, answer: Answer, agents: Any) -> bytes:
    """Return the run object: the stored answer with its messages, or what is known before it rests."""
    if answer.output is None:
        agent = agents[record.component_id]
        return dump_json(
            {
                "run_id": record.id,
                "agent_id": record.component_id,
                "agent_name": agent.name,
                "session_id": record.session_id,
                "user_id": record.user_id,
                "input": {"input_content": load_run_input(record.input).message},
                "created_at": int(record.created_at.timestamp()),
                "metrics": {},
                "status": answer.status.value,
            }
        )
    messages = [] if answer.messages is None else wire_messages(load_messages([answer.messages]))
    return answer.output[:-1] + b',"messages":' + dump_json(messages) + b"}"


def _after(request: Request) -> int:
    """Return the last sequence number the caller has seen; -1 for none."""
    header = request.headers.get("last-event-id")
    text = header if header is not None else request.query_params.get("after")
    if text is None or text == "":
        return -1
    loc = ("header", "Last-Event-ID") if header is not None else ("query", "after")
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or not -1 <= int(text) < 2**31:
        raise InvalidFieldError.of(
            loc, "Input should be an event's sequence number", kind="int_parsing", given=text[:100]
        )
    return int(text)


def _header_text(value: str) -> str:
    text = value.encode("ascii", "backslashreplace").decode()
    # The HTTP server refuses control characters, and with them the whole answer.
    return "".join(character if character.isprintable() else " " for character in text)


def _json(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json")


RUN_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "What the user says."},
        "stream": {"type": "boolean", "default": True, "description": "Events as they come instead of one answer."},
        "stream_events": {"type": "boolean", "default": True, "description": "False: only content and the end."},
        "background": {"type": "boolean", "default": False, "description": "Answer 202 at once; read the run later."},
        "session_id": {"type": "string", "description": "Default: a new session."},
        "user_id": {"type": "string"},
        "run_id": {"type": "string", "description": "Default: a new UUID."},
        "session_state": {"type": "string", "description": "A JSON object, laid over the session's state."},
        "dependencies": {"type": "string", "description": "A JSON object for the agent's tools."},
        "metadata": {"type": "string", "description": "A JSON object kept with the run."},
        "knowledge_filters": {"type": "string", "description": "JSON, handed to the agent."},
        "add_history_to_context": {"type": "boolean", "default": True},
        "num_history_runs": {"type": "integer", "description": "How many earlier runs of the session the agent sees."},
    },
}
_RUN: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("run_id", "agent_id", "agent_name", "session_id")},
        "user_id": {"type": ["string", "null"]},
        "metadata": {"type": ["object", "null"]},
        "session_state": {"type": "object"},
        "created_at": {"type": "integer", "description": "Unix seconds."},
        "status": {"type": "string", "enum": ["PENDING", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED", "ERROR"]},
        "content": {"description": "The answer; of an ERROR its text."},
        "metrics": {"type": "object"},
        "messages": {"type": "array", "items": {"type": "object"}},
        "tools": {"type": "array", "items": {"type": "object"}},
    },
}
_EVENTS: Final[dict[str, Any]] = {
    "description": "Server-sent events; each frame's id is the event's sequence number in its run.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_SESSION = query_parameter("session_id", {"type": "string"}, "The run's session; looked up when absent.")
_RESULT = json_result(_RUN, "The run object.")
_RESULT_OR_EVENTS = {
    200: {
        "description": "The run object, or with stream=true its events.",
        "content": {**_RESULT[200]["content"], **_EVENTS["content"]},
    },
    **json_result(_RUN, "Accepted: background=true and stream=false.", status=202),
}

ROUTES: Final = [
    Route(
        method="POST",
        path="/agents/{agent_id}/runs",
        handler=create_run,
        summary="Run an agent",
        description="The run goes on when the connection closes; read or follow it by its id.",
        tags=("runs",),
        parameters=(header_parameter("Idempotency-Key", "The same key and form again are the same run."),),
        body=form_body(RUN_FORM),
        responses={**_RESULT_OR_EVENTS, **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/agents/{agent_id}/runs/{run_id}",
        handler=get_run,
        summary="Read a run",
        tags=("runs",),
        parameters=(_SESSION,),
        responses={**_RESULT, **errors(401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/agents/{agent_id}/runs/{run_id}/events",
        handler=follow_run,
        summary="Follow a run",
        tags=("runs",),
        parameters=(
            _SESSION,
            query_parameter("after", {"type": "integer", "minimum": -1}, "Last sequence number already seen."),
            header_parameter("Last-Event-ID", "The same as `after`; wins over it."),
        ),
        responses={200: _EVENTS, **errors(401, 403, 404, 422, 503)},
    ),
]
