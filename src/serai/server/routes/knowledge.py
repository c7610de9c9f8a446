"""Contents of knowledge bases: take documents in, read and list what there is, change and remove it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final
from uuid import UUID

from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from serai.domain.ids import read_key
from serai.domain.json_text import dump_json
from serai.domain.knowledge import ContentRecord
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.context import description_of, runtime_of
from serai.server.dispatch import Route
from serai.server.form_fields import received_form
from serai.server.knowledge_bodies import base_of, digest_upload, read_changes, read_upload
from serai.server.knowledge_views import show_content, show_status
from serai.server.large_work import make
from serai.server.openapi import errors, form_body, json_result
from serai.server.paging import page_body, read_paging, read_sorting
from serai.server.routes.knowledge_shapes import (
    CHANGES,
    CONTENT,
    DELETED,
    KEY,
    PAGE_OF_CONTENTS,
    PAGING,
    SCOPE,
    SORTING,
    STATUS,
    TAGS,
    UPLOAD,
    USER,
)
from serai.server.scope import idempotency_key_of, project_of, read_user
from serai.server.writes import write_key
from serai.storage.connection import Connection
from serai.storage.idempotency import answer_once
from serai.storage.knowledge_contents import SORTS

_CONTENT: Final = "/knowledge/content"


async def upload_content(request: Request) -> Response:
    """Store a document to be taken in; what becomes of it is read by its id."""
    base, most_bytes = base_of(request), description_of(request).settings.max_body_bytes
    project_id, user_id = project_of(request), read_user(request)
    async with received_form(request, max_field_bytes=most_bytes), _room_for(request):
        form = await read_upload(request, base, project_id=project_id, user_id=user_id, most_bytes=most_bytes)

        async def upload(connection: Connection) -> dict[str, Any]:
            return show_content(await base.upload(form.upload, connection=connection))

        asked = await digest_upload(form.upload) if idempotency_key_of(request) else b""
        key = write_key(request, "knowledge.upload", base.id, asked)
        answer = await answer_once(runtime_of(request).database, key, upload)
    base.announce(form.upload)
    return json_answer(answer, status=202, ignored=sorted({*form.ignored, *form.unheeded(answer)}))


async def list_contents(request: Request) -> Response:
    """List contents, the latest first."""
    base = base_of(request)
    paging = read_paging(request)
    sorting = read_sorting(request, SORTS, default="created_at")
    records, total = await base.contents.page(
        project_of(request),
        base.id,
        sort_by=sorting.column,
        is_descending=sorting.is_descending,
        limit=paging.limit,
        offset=paging.offset,
    )

    def show() -> bytes:
        return page_body((dump_json(show_content(record)) for record in records), total=total, paging=paging)

    ignored = [*sorting.ignored, *(["parent_id"] if request.query_params.get("parent_id") else [])]
    return json_answer(await make(show, items=len(records)), ignored=ignored)


async def get_content(request: Request) -> Response:
    """Read a content."""
    return json_answer(show_content(await _find(request)))


async def get_content_status(request: Request) -> Response:
    """Read where a content stands."""
    return json_answer(show_status(await _find(request)))


async def update_content(request: Request) -> Response:
    """Change a content's name, description or metadata, by which a search filters at once."""
    base, content_id = base_of(request), _id_of(request)
    most_bytes = description_of(request).settings.max_body_bytes
    async with received_form(request, max_field_bytes=most_bytes), _room_for(request):
        form = await read_changes(request, most_bytes=most_bytes)

    async def update(connection: Connection) -> dict[str, Any]:
        record = await base.contents.update(
            project_of(request), base.id, content_id, form.changes, connection=connection
        )
        if record is None:
            raise _not_found(request)
        return show_content(record)

    key = write_key(request, "knowledge.update", base.id, str(content_id), dump_json(form.changes))
    answer = await answer_once(runtime_of(request).database, key, update)
    return json_answer(answer, ignored=form.ignored)


async def delete_content(request: Request) -> Response:
    """Remove a content; a search finds it no more."""
    base, content_id = base_of(request), _id_of(request)

    async def delete(connection: Connection) -> dict[str, Any]:
        if not await base.contents.delete(project_of(request), base.id, [content_id], connection=connection):
            raise _not_found(request)
        return {"id": str(content_id)}

    key = write_key(request, "knowledge.delete", base.id, str(content_id))
    return json_answer(await answer_once(runtime_of(request).database, key, delete))


async def delete_contents(request: Request) -> Response:
    """Remove all contents of a base."""
    base = base_of(request)

    async def delete(connection: Connection) -> dict[str, Any]:
        await base.contents.delete_all(project_of(request), base.id, connection=connection)
        return {}

    await answer_once(runtime_of(request).database, write_key(request, "knowledge.clear", base.id), delete)
    return json_answer("success")


def _room_for(request: Request) -> AbstractAsyncContextManager[None]:
    """Return what a large form waits for, received but not read, until there is memory for its file."""
    length = request.headers.get("content-length", "")
    is_small = length.isdecimal() and int(length) < MultiPartParser.spool_max_size
    return nullcontext() if is_small else runtime_of(request).knowledge.large_uploads


async def _find(request: Request) -> ContentRecord:
    base = base_of(request)
    record = await base.contents.get(project_of(request), base.id, _id_of(request))
    if record is None:
        raise _not_found(request)
    return record


def _id_of(request: Request) -> UUID:
    content_id = read_key(request.path_params["content_id"])
    if content_id is None:
        raise _not_found(request)
    return content_id


def _not_found(request: Request) -> NotFoundError:
    return NotFoundError(f"Content not found: {request.path_params['content_id'][:200]}")


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=_CONTENT,
        handler=upload_content,
        status=202,
        summary="Take a document into a knowledge base",
        description=(
            "A job reads, cuts and stores it; what comes of it can be read at once. The same bytes or URL are one "
            "content, which gets the name, the description and the metadata that are given last; it is read and cut in "
            "another way only with `replace`."
        ),
        tags=TAGS,
        parameters=(*SCOPE, USER, KEY),
        body=form_body(UPLOAD),
        responses={**json_result(CONTENT, status=202), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path=_CONTENT,
        handler=list_contents,
        summary="List contents",
        tags=TAGS,
        parameters=(*SCOPE, *PAGING, *SORTING),
        responses={**json_result(PAGE_OF_CONTENTS), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="DELETE",
        path=_CONTENT,
        handler=delete_contents,
        summary="Remove all contents of a knowledge base",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        responses={**json_result({"const": "success"}), **errors(400, 401, 403, 404, 409, 422, 503)},
    ),
    Route(
        method="GET",
        path=f"{_CONTENT}/{{content_id}}",
        handler=get_content,
        summary="Read a content",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(CONTENT), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="PATCH",
        path=f"{_CONTENT}/{{content_id}}",
        handler=update_content,
        summary="Change a content's name, description or metadata",
        description="What is left out stays as it is. A search filters by new metadata at once.",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=form_body(CHANGES),
        responses={**json_result(CONTENT), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path=f"{_CONTENT}/{{content_id}}",
        handler=delete_content,
        summary="Remove a content",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        responses={**json_result(DELETED), **errors(400, 401, 403, 404, 409, 422, 503)},
    ),
    Route(
        method="GET",
        path=f"{_CONTENT}/{{content_id}}/status",
        handler=get_content_status,
        summary="Read where a content stands",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(STATUS), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
