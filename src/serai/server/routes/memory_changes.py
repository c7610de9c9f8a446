"""What became of memories without anybody asking by hand: the changes, undoing them, and an audit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.ids import read_key
from serai.domain.json_text import dump_json
from serai.domain.memories import MemoryChange
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.context import runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.flags import read_flag
from serai.server.large_work import make
from serai.server.memory_bodies import user_of
from serai.server.memory_views import show_audit, show_change
from serai.server.openapi import errors, json_result
from serai.server.paging import page_body, read_paging
from serai.server.routes.memory_shapes import (
    AUDIT,
    CHANGE_FILTERS,
    CHANGES,
    KEY,
    PAGE_OF_CHANGES,
    PAGING,
    SCOPE,
    TAGS,
    TOGETHER,
    USER,
)
from serai.server.scope import check_text, project_of
from serai.server.writes import write_key
from serai.storage.connection import Connection
from serai.storage.idempotency import answer_once
from serai.storage.memory_changes import MOST_COUNTED, list_changes, undo_change, undo_operation
from serai.storage.memory_lists import MemoryFilter, list_memories

MOST_AUDITED: Final = 5000


async def list_memory_changes(request: Request) -> Response:
    """List the changes that nobody made by hand, newest first."""
    check_database(request, "memory")
    paging = read_paging(request)
    query = request.query_params
    memory_id = read_key(query["memory_id"]) if query.get("memory_id") else None
    if query.get("memory_id") and memory_id is None:
        return json_answer(page_body((), total=0, paging=paging))
    changes, total = await list_changes(
        runtime_of(request).database,
        project_of(request),
        user_id=user_of(request),
        memory_id=memory_id,
        run_id=check_text(query.get("run_id", ""), ("query", "run_id")) or None,
        limit=paging.limit,
        offset=paging.offset,
    )

    def show() -> bytes:
        items = (dump_json(show_change(change)) for change in changes)
        return page_body(items, total=min(total, MOST_COUNTED), paging=paging, is_exact=total <= MOST_COUNTED)

    return json_answer(await make(show, items=len(changes)))


async def undo_memory_change(request: Request) -> Response:
    """Put a memory back as it was before a change."""
    check_database(request, "memory")
    name, project_id, user_id = request.path_params["change_id"], project_of(request), user_of(request)
    change_id = read_key(name)
    together = read_flag(request, "together")
    if change_id is None:
        raise _not_found(name)
    undone: Sequence[MemoryChange] = ()

    async def undo(connection: Connection) -> dict[str, Any]:
        nonlocal undone
        if together:
            undone = await undo_operation(connection, project_id, change_id, user_id=user_id)
        elif one := await undo_change(connection, project_id, change_id, user_id=user_id):
            undone = [one]
        if not undone:
            raise _not_found(name)
        return {}

    database = runtime_of(request).database
    key = write_key(request, "memory.undo", str(change_id), user_id, str(together))
    await answer_once(database, key, undo)
    if not undone:  # it was done before: again it changes nothing and tells the same
        await answer_once(database, None, undo)
    return json_answer({"data": [show_change(change) for change in undone]})


async def audit_memories(request: Request) -> Response:
    """Count the memories that came by themselves, have no source, or say what others say."""
    check_database(request, "memory")
    wanted = MemoryFilter(user_id=user_of(request))
    database, project_id = runtime_of(request).database, project_of(request)
    page = await list_memories(database, project_id, wanted, limit=MOST_AUDITED, offset=0)
    return json_answer(await asyncio.to_thread(show_audit, page.records, total=page.total))


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(f"Change with ID {name[:200]} not found")


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/memories/changes",
        handler=list_memory_changes,
        summary="List the changes of memories that nobody made by hand, newest first",
        tags=TAGS,
        parameters=(*SCOPE, USER, *CHANGE_FILTERS, *PAGING),
        responses={**json_result(PAGE_OF_CHANGES), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="POST",
        path="/memories/changes/{change_id}/undo",
        handler=undo_memory_change,
        summary="Put a memory back as it was before a change",
        description=(
            "Refused when the memory was changed since. Again, it changes nothing and gives the same answer. "
            "The answer has the changes that undo."
        ),
        tags=TAGS,
        parameters=(*SCOPE, USER, TOGETHER, KEY),
        responses={**json_result(CHANGES), **errors(400, 401, 403, 404, 409, 422, 503)},
    ),
    Route(
        method="GET",
        path="/memories/audit",
        handler=audit_memories,
        summary="Count memories that came by themselves, have no source, or say what others say",
        description=f"Of more than {MOST_AUDITED} memories it looks at those that were changed last.",
        tags=TAGS,
        parameters=(*SCOPE, USER),
        responses={**json_result(AUDIT), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
