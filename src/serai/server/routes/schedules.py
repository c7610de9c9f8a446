"""Schedules: make, change, pause, resume and fire them, read and list them and the runs they started."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.json_text import dump_json
from serai.domain.schedules import ScheduleRecord, next_fire
from serai.errors import ConflictError, NotFoundError
from serai.server.answers import json_answer
from serai.server.bodies import read_body
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.flags import read_choice
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import page_body, read_paging
from serai.server.routes.schedule_shapes import (
    CHANGES,
    DEFAULT_LISTED,
    ENABLED,
    KEY,
    MOST_LISTED,
    NEW,
    PAGE_OF_RUNS,
    PAGE_OF_SCHEDULES,
    PAGING,
    SCHEDULE,
    SCOPE,
    STARTED,
    TAGS,
)
from serai.server.schedule_bodies import Changes, changed_spec, new_spec, read_changes
from serai.server.schedule_views import show_fired, show_schedule, show_started
from serai.server.scope import check_name, idempotency_key_of, project_of
from serai.server.writes import change_once, write_key
from serai.storage.connection import Connection
from serai.storage.idempotency import RequestKey, answer_once
from serai.storage.schedules import name_taken, read_clock

Change = Callable[[Connection], Awaitable[ScheduleRecord]]


async def list_schedules(request: Request) -> Response:
    """List the project's schedules by name."""
    paging = read_paging(request, default=DEFAULT_LISTED, most=MOST_LISTED)
    enabled = read_choice(request, "enabled")
    records, total = await runtime_of(request).schedules.list_schedules(
        project_of(request),
        is_paused=None if enabled is None else not enabled,
        limit=paging.limit,
        offset=paging.offset,
    )
    items = (dump_json(show_schedule(record)) for record in records)
    return json_answer(page_body(items, total=total, paging=paging))


async def create_schedule(request: Request) -> Response:
    """Make a schedule."""
    runtime = runtime_of(request)
    raw = await read_body(request)
    project_id = project_of(request)
    changes = read_changes(raw)
    # In a thread: an expression that never fires is searched for half a century.
    spec = await asyncio.to_thread(new_spec, changes, runtime.engine.components)

    async def create(connection: Connection) -> ScheduleRecord:
        next_at = next_fire(spec, kept=None, now=await read_clock(connection))
        record = await runtime.schedules.create(connection, project_id, spec, next_at=next_at)
        if record is None:
            raise name_taken(spec.name)
        return record

    record = await _write(request, write_key(request, "schedule.create", raw), create)
    return json_answer(show_schedule(record), status=201, ignored=sorted(changes.ignored))


async def get_schedule(request: Request) -> Response:
    """Read a schedule by id or name."""
    return json_answer(show_schedule(await _find(request, _name_of(request))))


async def update_schedule(request: Request) -> Response:
    """Change what is said about a schedule; of a declared one only whether it is paused."""
    raw = await read_body(request)
    changes = read_changes(raw)

    async def update(connection: Connection) -> ScheduleRecord:
        record = await _hold(request, connection)
        if record.declared_by is not None and set(changes.given) - {"is_paused"}:
            raise _declared(record, "changed")
        return await _change(request, connection, record, changes)

    record = await _write(request, write_key(request, "schedule.update", _name_of(request), raw), update)
    return json_answer(show_schedule(record), ignored=sorted(changes.ignored))


async def delete_schedule(request: Request) -> Response:
    """Remove a schedule; its runs stay. A declared one goes when its code does."""

    async def delete(connection: Connection) -> dict[str, Any]:
        record = await _hold(request, connection)
        if record.declared_by is not None:
            raise _declared(record, "deleted")
        await runtime_of(request).schedules.delete(connection, record)
        return {}

    key = write_key(request, "schedule.delete", _name_of(request))
    await answer_once(runtime_of(request).database, key, delete)
    return Response(status_code=204)


async def pause_schedule(request: Request) -> Response:
    """Have a schedule start no runs until it is resumed."""
    return await _set_paused(request, "schedule.pause", is_paused=True)


async def resume_schedule(request: Request) -> Response:
    """Have a schedule start runs again, from its next time on."""
    return await _set_paused(request, "schedule.resume", is_paused=False)


async def fire_schedule(request: Request) -> Response:
    """Start a run of a schedule now, paused or not; its times stay as they are."""
    record = await _find(request, _name_of(request))
    run = await runtime_of(request).scheduler.fire(record, idempotency_key=idempotency_key_of(request))
    return json_answer(show_fired(record, run), status=202)


async def list_schedule_runs(request: Request) -> Response:
    """List the runs that a schedule has started, newest first."""
    paging = read_paging(request, default=DEFAULT_LISTED, most=MOST_LISTED)
    record = await _find(request, _name_of(request))
    runs, total = await runtime_of(request).schedules.list_runs(record, limit=paging.limit, offset=paging.offset)
    items = (dump_json(show_started(record, run)) for run in runs)
    return json_answer(page_body(items, total=total, paging=paging))


async def _set_paused(request: Request, operation: str, *, is_paused: bool) -> Response:
    async def change(connection: Connection) -> ScheduleRecord:
        record = await _hold(request, connection)
        if record.is_paused == is_paused:
            return record
        return await _change(request, connection, record, Changes(given={"is_paused": is_paused}))

    return json_answer(show_schedule(await _write(request, write_key(request, operation, _name_of(request)), change)))


async def _change(request: Request, connection: Connection, record: ScheduleRecord, changes: Changes) -> ScheduleRecord:
    runtime = runtime_of(request)
    if set(changes.given) <= {"is_paused"}:
        spec = replace(record.spec(), **changes.given)
    else:
        spec = await asyncio.to_thread(changed_spec, record, changes, runtime.engine.components)
    try:
        next_at = next_fire(spec, kept=record, now=await read_clock(connection))
    except ValueError as error:
        raise ConflictError(f"Schedule {record.name!r} cannot be resumed: {error}. Change it first.") from error
    declared = (record.declared_by, record.declared_paused)
    return await runtime.schedules.update(connection, record, spec, next_at=next_at, declared=declared)


async def _write(request: Request, key: RequestKey | None, change: Change) -> ScheduleRecord:
    """Return the schedule after a change, which is made unless it was before under the key."""

    async def find(schedule_id: str) -> ScheduleRecord:
        return await _find(request, schedule_id)

    record = await change_once(request, key, change, find=find)
    runtime_of(request).scheduler.look()
    return record


async def _find(request: Request, name: str) -> ScheduleRecord:
    record = await runtime_of(request).schedules.find(project_of(request), name)
    if record is None:
        raise NotFoundError("Schedule not found")
    return record


async def _hold(request: Request, connection: Connection) -> ScheduleRecord:
    record = await runtime_of(request).schedules.hold(connection, project_of(request), _name_of(request))
    if record is None:
        raise NotFoundError("Schedule not found")
    return record


def _name_of(request: Request) -> str:
    return check_name(request.path_params["schedule_id"], ("path", "schedule_id"))


def _declared(record: ScheduleRecord, what: str) -> ConflictError:
    return ConflictError(
        f"Schedule {record.name!r} is declared in the code of '{record.declared_by}' and cannot be {what} here: "
        "do so in the code and restart. It can be paused, resumed and fired."
    )


def _acts() -> Iterator[Route]:
    """Yield the routes that act on one schedule, under our names and under those of the published protocol."""
    for names, handler, status, shape in (
        (("pause", "disable"), pause_schedule, 200, SCHEDULE),
        (("resume", "enable"), resume_schedule, 200, SCHEDULE),
        (("fire", "trigger"), fire_schedule, 202, STARTED),
    ):
        for name in names:
            yield Route(
                method="POST",
                path=f"/schedules/{{schedule_id}}/{name}",
                handler=handler,
                status=status,
                summary=(handler.__doc__ or "").partition(";")[0].rstrip("."),
                tags=TAGS,
                parameters=(*SCOPE, KEY),
                responses={**json_result(shape, status=status), **errors(400, 401, 403, 404, 409, 422, 503)},
            )


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/schedules",
        handler=list_schedules,
        summary="List schedules by name",
        tags=TAGS,
        parameters=(*SCOPE, *PAGING, ENABLED),
        responses={**json_result(PAGE_OF_SCHEDULES), **errors(400, 401, 403, 422, 503)},
    ),
    Route(
        method="POST",
        path="/schedules",
        handler=create_schedule,
        status=201,
        summary="Make a schedule",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(NEW),
        responses={**json_result(SCHEDULE, status=201), **errors(400, 401, 403, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/schedules/{schedule_id}",
        handler=get_schedule,
        summary="Read a schedule, by id or name",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(SCHEDULE), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="PATCH",
        path="/schedules/{schedule_id}",
        handler=update_schedule,
        summary="Change a schedule",
        description="What is left out stays as it is. Of one that is declared in code only `enabled` may change.",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        body=json_body(CHANGES),
        responses={**json_result(SCHEDULE), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path="/schedules/{schedule_id}",
        handler=delete_schedule,
        status=204,
        summary="Remove a schedule; its runs stay",
        tags=TAGS,
        parameters=(*SCOPE, KEY),
        responses=errors(400, 401, 403, 404, 409, 422, 503),
    ),
    *_acts(),
    Route(
        method="GET",
        path="/schedules/{schedule_id}/runs",
        handler=list_schedule_runs,
        summary="List the runs that a schedule has started, newest first",
        tags=TAGS,
        parameters=(*SCOPE, *PAGING),
        responses={**json_result(PAGE_OF_RUNS), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
