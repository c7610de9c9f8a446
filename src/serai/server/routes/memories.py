"""Memories of users: make, read, list, change and remove them, their topics and users, and condensing them."""

from __future__ import annotations

from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from serai.components.counted_model import Spender, counted
from serai.domain.ids import new_key, read_key, read_keys
from serai.domain.json_text import dump_json
from serai.domain.memories import MemoryOrigin, MemoryRecord, NewMemory
from serai.errors import ConflictError, NotFoundError
from serai.memory.optimize import Optimization, optimize
from serai.server.answers import json_answer, name_ignored
from serai.server.context import description_of, runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.large_work import make
from serai.server.memory_bodies import (
    DeletedBody,
    MemoryBody,
    OptimizeBody,
    check_memory,
    check_user,
    filter_of,
    read,
    user_of,
)
from serai.server.memory_models import choose_model
from serai.server.memory_views import show_memory, show_optimization, show_user
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import page_body, read_paging, read_sorting
from serai.server.routes.memory_shapes import (
    DELETED,
    FILTERS,
    KEY,
    LISTED,
    MEMORY,
    NEW,
    OPTIMIZATION,
    OPTIMIZE,
    PAGE_OF_MEMORIES,
    PAGE_OF_USERS,
    PAGING,
    SCOPE,
    SORTING,
    TAGS,
    TOPICS,
    USER,
)
from serai.server.scope import project_of
from serai.server.writes import write_key
from serai.storage.connection import Connection
from serai.storage.idempotency import RequestKey, answer_once, find_first_answers
from serai.storage.memories import DeletedMemories, UpdatedMemory, update_memories
from serai.storage.memories import delete_memories as delete_stored
from serai.storage.memory_changes import ChangeSource, apply_automatic
from serai.storage.memory_lists import SORTS, Sort, list_memories
from serai.storage.memory_stats import list_memory_users, list_topics

MOST_OPTIMIZED: Final = 5000


async def create_memory(request: Request) -> Response:
    """Store a memory of a user."""
    check_database(request, "memory")
    body, raw, ignored = await read(request, MemoryBody)
    memory, topics = check_memory(body)
    new = NewMemory(
        project_id=project_of(request), user_id=check_user(body.user_id), memory=memory, topics=topics or ()
    )
    key = write_key(request, "memory.create", raw)
    return json_answer(show_memory(await runtime_of(request).memories.create(new, key)), ignored=ignored)


async def list_all(request: Request) -> Response:
    """List memories, those that were changed last first."""
    check_database(request, "memory")
    paging = read_paging(request)
    sorting = read_sorting(request, SORTS, default="updated_at")
    page = await list_memories(
        runtime_of(request).database,
        project_of(request),
        filter_of(request),
        sort=cast("Sort", sorting.column),
        is_descending=sorting.is_descending,
        limit=paging.limit,
        offset=paging.offset,
    )

    def show() -> bytes:
        items = (dump_json(show_memory(record)) for record in page.records)
        return page_body(items, total=page.total, paging=paging, is_exact=page.is_exact)

    return json_answer(await make(show, items=len(page.records)), ignored=sorting.ignored)


async def get_memory(request: Request) -> Response:
    """Read a memory."""
    check_database(request, "memory")
    name = request.path_params["memory_id"]
    memory_id = read_key(name)
    user_id = user_of(request) if request.scope["query_string"] else None
    project_id = project_of(request)
    found = memory_id and await runtime_of(request).memories.get(project_id, memory_id, user_id)
    if not found:
        raise _not_found(name)
    return json_answer(show_memory(found))


async def update_memory(request: Request) -> Response:
    """Replace a memory's text, and its topics when they are given."""
    check_database(request, "memory")
    body, raw, ignored = await read(request, MemoryBody)
    memory, topics = check_memory(body)
    user_id = check_user(body.user_id) if body.user_id else None
    runtime, project_id, name = runtime_of(request), project_of(request), request.path_params["memory_id"]
    memory_id = read_key(name)
    if memory_id is None:
        raise _not_found(name)

    asked = UpdatedMemory(project_id=project_id, id=memory_id, user_id=user_id, memory=memory, topics=topics)
    key = write_key(request, "memory.update", name, raw)
    if key is None:
        return json_answer(_show_changed(await runtime.memories.update(asked), name), ignored=ignored)

    async def update(connection: Connection) -> dict[str, Any]:
        return _show_changed((await update_memories(connection, [asked]))[0], name)

    return json_answer(await answer_once(runtime.database, key, update), ignored=ignored)


async def delete_memory(request: Request) -> Response:
    """Remove a memory; one that is not there, or is another user's, changes nothing."""
    check_database(request, "memory")
    await _delete(request, [request.path_params["memory_id"]], user_of(request))
    return Response(status_code=204)


async def delete_memories(request: Request) -> Response:
    """Remove memories; those that are not there, or are another user's, change nothing."""
    check_database(request, "memory")
    body, _, ignored = await read(request, DeletedBody)
    await _delete(request, body.memory_ids, body.user_id)
    response = Response(status_code=204)
    name_ignored(response, ignored)
    return response


async def list_memory_topics(request: Request) -> Response:
    """List the topics of memories."""
    check_database(request, "memory")
    return json_answer(await list_topics(runtime_of(request).database, project_of(request), user_of(request)))


async def list_user_stats(request: Request) -> Response:
    """List the users who have memories, the latest change first."""
    check_database(request, "memory")
    paging = read_paging(request)
    users, total = await list_memory_users(
        runtime_of(request).database,
        project_of(request),
        user_id=user_of(request),
        limit=paging.limit,
        offset=paging.offset,
    )
    return json_answer(page_body((dump_json(show_user(user)) for user in users), total=total, paging=paging))


async def optimize_memories(request: Request) -> Response:
    """Have a model condense all memories of a user into fewer."""
    check_database(request, "memory")
    body, raw, ignored = await read(request, OptimizeBody)
    user_id, project_id, runtime = check_user(body.user_id), project_of(request), runtime_of(request)
    about = description_of(request)
    model = await choose_model(body.model, about.settings.model, about.components)
    key = write_key(request, "memory.optimize", raw) if body.apply else None
    if key is not None and (first := await _first_answer(request, key)):
        return json_answer(first, ignored=ignored)
    memories = await runtime.memories.list_of_user(project_id, user_id, limit=MOST_OPTIMIZED + 1)
    if not memories:
        raise NotFoundError(f"No memories found for user {user_id}")
    if len(memories) > MOST_OPTIMIZED:
        raise ConflictError(
            f"User {user_id} has more than {MOST_OPTIMIZED} memories, too many to condense at once: delete some first."
        )
    spender = Spender(project_id=project_id, kind="agent", component_id=None, user_id=user_id)
    async with counted(model, runtime.metrics, spender) as lent:
        optimization = await optimize(lent, memories)
    if not body.apply:
        return json_answer(show_optimization(optimization), ignored=ignored)

    async def apply(connection: Connection) -> dict[str, Any]:
        return await _apply(connection, project_id, user_id, optimization)

    return json_answer(await answer_once(runtime.database, key, apply), ignored=ignored)


async def _apply(connection: Connection, project_id: str, user_id: str, optimization: Optimization) -> dict[str, Any]:
    source = ChangeSource(origin=MemoryOrigin.OPTIMIZE, operation_id=f"optimize:{new_key()}")
    await apply_automatic(connection, project_id, user_id, optimization.changes, source=source)
    return show_optimization(optimization)


async def _first_answer(request: Request, key: RequestKey) -> dict[str, Any] | None:
    async with runtime_of(request).database.connection() as connection:
        (first,) = await find_first_answers(connection, [(key, None)])
    if isinstance(first, Exception):
        raise first
    return None if first is None else first.answer


async def _delete(request: Request, memory_ids: list[str], user_id: str | None) -> None:
    runtime, project_id, ids = runtime_of(request), project_of(request), read_keys(memory_ids)
    key = write_key(request, "memory.delete", dump_json([memory_ids, user_id]))
    if key is None:
        await runtime.memories.delete(project_id, ids, user_id=user_id)
        return

    async def delete(connection: Connection) -> dict[str, Any]:
        await delete_stored(connection, [DeletedMemories(project_id, ids, user_id)])
        return {}

    await answer_once(runtime.database, key, delete)


def _show_changed(record: MemoryRecord | None, name: str) -> dict[str, Any]:
    if record is None:
        raise _not_found(name)
    return show_memory(record)


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(f"Memory with ID {name[:200]} not found")


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/memories",
        handler=create_memory,
        summary="Store a memory of a user",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(NEW),
        responses={**json_result(MEMORY), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/memories",
        handler=list_all,
        summary="List memories",
        description=LISTED,
        tags=TAGS,
        parameters=(*SCOPE, USER, *FILTERS, *PAGING, *SORTING),
        responses={**json_result(PAGE_OF_MEMORIES), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="DELETE",
        path="/memories",
        handler=delete_memories,
        status=204,
        summary="Remove memories",
        description="Those that are not there, or are another user's, change nothing.",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(DELETED),
        responses=errors(400, 401, 403, 404, 409, 413, 422, 503),
    ),
    Route(
        method="GET",
        path="/memories/{memory_id}",
        handler=get_memory,
        summary="Read a memory",
        tags=TAGS,
        parameters=(*SCOPE, USER),
        responses={**json_result(MEMORY), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="PATCH",
        path="/memories/{memory_id}",
        handler=update_memory,
        summary="Replace a memory's text",
        description="Topics that are left out stay as they are.",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(NEW),
        responses={**json_result(MEMORY), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path="/memories/{memory_id}",
        handler=delete_memory,
        status=204,
        summary="Remove a memory",
        description="One that is not there, or is another user's, changes nothing.",
        tags=TAGS,
        parameters=(*SCOPE, USER, KEY),
        responses=errors(400, 401, 403, 404, 409, 422, 503),
    ),
    Route(
        method="GET",
        path="/memory_topics",
        handler=list_memory_topics,
        summary="List the topics of memories",
        tags=TAGS,
        parameters=(*SCOPE, USER),
        responses={**json_result(TOPICS), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="GET",
        path="/user_memory_stats",
        handler=list_user_stats,
        summary="List the users who have memories, the latest change first",
        tags=TAGS,
        parameters=(*SCOPE, USER, *PAGING),
        responses={**json_result(PAGE_OF_USERS), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="POST",
        path="/optimize-memories",
        handler=optimize_memories,
        summary="Have a model condense all memories of a user into fewer",
        description=(
            "Tokens are estimated: one for each four characters. What was applied can be undone: it is listed by "
            "`GET /memories/changes`."
        ),
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(OPTIMIZE),
        responses={**json_result(OPTIMIZATION), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
)
