"""Sessions: make, read, list, rename, change and remove them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from serai.components.blob_references import StoredBytes
from serai.domain.sessions import SessionChanges, SessionDetail, SessionQuestion, SessionRecord
from serai.errors import NotFoundError
from serai.server.answers import json_answer, name_ignored
from serai.server.bodies import read_body
from serai.server.context import runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.large_work import LARGE_BYTES, make
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import page_body, read_paging, read_sorting
from serai.server.routes.session_shapes import (
    CHANGES,
    DEFAULT_ORDER,
    DELETE_MEDIA,
    DELETION,
    KEY,
    LIST_PARAMETERS,
    NEW,
    NEW_NAME,
    NEW_TYPE,
    PAGE_OF_SESSIONS,
    PROJECT,
    SCOPE,
    SESSION,
    TAGS,
    USER,
)
from serai.server.scope import check_name, project_of, read_named, read_user
from serai.server.session_bodies import (
    read_changes,
    read_deletion,
    read_kind,
    read_new,
    read_new_name,
    read_text,
)
from serai.server.session_views import media_of, show_listed, show_session
from serai.server.writes import write_key
from serai.storage.connection import Connection
from serai.storage.idempotency import answer_once
from serai.storage.session_lists import ORDERS
from serai.storage.sessions import remove_sessions

_Body = TypeVar("_Body")


async def create_session(request: Request) -> Response:
    """Make a session."""
    check_database(request, "session")
    runtime = runtime_of(request)
    project_id = project_of(request)
    kind = read_kind(request)
    raw = await read_body(request)
    new, ignored = await _read(partial(read_new, project_id=project_id, kind=kind), raw)
    key = write_key(request, "session.create", kind, raw)
    created = await runtime.sessions.create(new, key=key)
    record = SessionRecord(
        id=created.id,
        user_id=new.user_id,
        kind=new.kind,
        component_id=new.component_id,
        name=new.name,
        first_message=None,
        state=new.state,
        metadata=new.metadata,
        summary=None,
        input_tokens=0,
        output_tokens=0,
        has_runs=False,
        created_at=created.created_at,
        updated_at=created.created_at,
    )
    return json_answer(await _show(request, SessionDetail(record)), status=201, ignored=ignored)


async def list_sessions(request: Request) -> Response:
    """List sessions, the newest first unless asked otherwise."""
    check_database(request, "session")
    paging = read_paging(request)
    sorting = read_sorting(request, ORDERS, default=DEFAULT_ORDER)
    question = SessionQuestion(
        project_id=project_of(request),
        user_id=read_user(request),
        kind=read_kind(request),
        component_id=read_named(request, "component_id"),
        text=read_text(request),
        column=sorting.column,
        is_descending=sorting.is_descending,
        limit=paging.limit,
        offset=paging.offset,
    )
    page = await runtime_of(request).sessions.page(question)

    def show() -> bytes:
        items = (show_listed(record) for record in page.records)
        return page_body(items, total=page.total, paging=paging, is_exact=page.is_exact)

    body = await make(show, size_bytes=sum(map(_size_of, page.records)), items=len(page.records))
    return json_answer(body, ignored=sorting.ignored)


async def get_session(request: Request) -> Response:
    """Read a session: what it is, what was said in it, what it used."""
    return json_answer(await _show(request, await _find(request)))


async def rename_session(request: Request) -> Response:
    """Name a session; an empty name has it called by its first message."""
    raw = await read_body(request)
    return await _change(request, "session.rename", raw, *await _read(read_new_name, raw))


async def update_session(request: Request) -> Response:
    """Replace a session's name, state, metadata or summary; a run at work lays the state it has changed over it."""
    raw = await read_body(request)
    return await _change(request, "session.update", raw, *await _read(read_changes, raw))


async def delete_session(request: Request) -> Response:
    """Remove a session with its runs; one that is not there is no error."""
    return await _delete(request, [_id_of(request)])


async def delete_sessions(request: Request) -> Response:
    """Remove sessions with their runs; those that are not there are passed over."""
    session_ids, ignored = await _read(read_deletion, await read_body(request))
    return await _delete(request, session_ids, *ignored)


def _missing_session(request: Request, session_id: str) -> NotFoundError:
    """Return the error for a session that is not there, or another user's."""
    kind = read_kind(request)
    return NotFoundError(f"{f'{kind.capitalize()} ' if kind else ''}Session with id '{session_id}' not found")


async def _read(read: Callable[[bytes], _Body], raw: bytes) -> _Body:
    return await make(partial(read, raw), size_bytes=len(raw))


async def _change(
    request: Request, operation: str, raw: bytes, changes: SessionChanges, ignored: list[str]
) -> Response:
    check_database(request, "session")
    runtime, project_id = runtime_of(request), project_of(request)
    session_id, user_id = _id_of(request), read_user(request)
    missing = _missing_session(request, session_id)
    changed: SessionDetail | None = None

    async def change(connection: Connection | None) -> dict[str, Any]:
        nonlocal changed
        changed = await runtime.sessions.update(project_id, session_id, changes, user_id=user_id, connection=connection)
        if changed is None:
            raise missing
        return {}

    key = write_key(request, operation, session_id, user_id, raw)
    if not changes.is_empty:
        await (change(None) if key is None else answer_once(runtime.database, key, change))
    detail = changed or await _find(request)
    return json_answer(await _show(request, detail, keeps_nulls=True), ignored=ignored)


async def _delete(request: Request, session_ids: list[str], *ignored: str) -> Response:
    check_database(request, "session")
    runtime, project_id, user_id = runtime_of(request), project_of(request), read_user(request)

    async def delete(connection: Connection) -> dict[str, Any]:
        await remove_sessions(connection, project_id, session_ids, user_id=user_id)
        return {}

    if key := write_key(request, "session.delete", user_id, *session_ids):
        await answer_once(runtime.database, key, delete)
    else:
        await runtime.sessions.delete(project_id, session_ids, user_id=user_id)
    response = Response(status_code=204)
    name_ignored(response, [*ignored, *(["delete_media"] if "delete_media" in request.query_params else [])])
    return response


async def _find(request: Request) -> SessionDetail:
    check_database(request, "session")
    session_id = _id_of(request)
    missing = _missing_session(request, session_id)
    detail = await runtime_of(request).sessions.get(project_of(request), session_id, user_id=read_user(request))
    if detail is None:
        raise missing
    return detail


async def _show(request: Request, detail: SessionDetail, *, keeps_nulls: bool = False) -> bytes:
    runtime, record = runtime_of(request), detail.record
    component = runtime.components.of_kind(record.kind).get(record.component_id or "")
    name = component.name if component else None
    blobs: dict[str, StoredBytes] = {}
    if hashes := media_of(detail):
        found = await runtime.engine.blobs.get_all(project_of(request), hashes)
        blobs = {sha256: StoredBytes.of(sha256, data) for sha256, data in found.items()}
    show = partial(show_session, detail, component_name=name, blobs=blobs, keeps_nulls=keeps_nulls)
    size_bytes = LARGE_BYTES if blobs else sum(map(len, detail.messages)) + _size_of(record)
    return await make(show, size_bytes=size_bytes)


def _size_of(record: SessionRecord) -> int:
    return len(record.state or b"") + len(record.metadata or b"") + len(record.summary or b"")


def _id_of(request: Request) -> str:
    return check_name(request.path_params["session_id"], ("path", "session_id"))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/sessions",
        handler=create_session,
        status=201,
        summary="Make a session",
        description="A run in an unknown session makes one, too.",
        tags=TAGS,
        parameters=(*PROJECT, NEW_TYPE, KEY),
        body={**json_body(NEW), "required": False},
        responses={**json_result(SESSION, status=201), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/sessions",
        handler=list_sessions,
        summary="List sessions",
        description="Their runs are never read. A search counts up to 1,000.",
        tags=TAGS,
        parameters=LIST_PARAMETERS,
        responses={**json_result(PAGE_OF_SESSIONS), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="DELETE",
        path="/sessions",
        handler=delete_sessions,
        status=204,
        summary="Remove sessions with their runs",
        tags=TAGS,
        parameters=(*PROJECT, USER, DELETE_MEDIA, KEY),
        body=json_body(DELETION),
        responses=errors(400, 401, 403, 404, 409, 413, 422, 503),
    ),
    Route(
        method="GET",
        path="/sessions/{session_id}",
        wide="session_id",
        handler=get_session,
        summary="Read a session",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(SESSION), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="PATCH",
        path="/sessions/{session_id}",
        wide="session_id",
        handler=update_session,
        summary="Change a session",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(CHANGES),
        responses={**json_result(SESSION), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path="/sessions/{session_id}",
        wide="session_id",
        handler=delete_session,
        status=204,
        summary="Remove a session with its runs",
        tags=TAGS,
        parameters=(*SCOPE, DELETE_MEDIA, KEY),
        responses=errors(400, 401, 403, 404, 409, 422, 503),
    ),
    Route(
        method="POST",
        path="/sessions/{session_id}/rename",
        wide="session_id",
        handler=rename_session,
        summary="Name a session",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(NEW_NAME),
        responses={**json_result(SESSION), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
)
