"""Evals: measure an agent or a team, read and list what was measured, rename, cancel and remove it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.evals import JUDGED_TYPES, EvalRecord, NewEval
from serai.domain.ids import read_key, read_keys
from serai.domain.json_text import dump_json
from serai.errors import NotFoundError
from serai.server.answers import json_answer
from serai.server.bodies import read_body
from serai.server.context import runtime_of
from serai.server.databases import check_database
from serai.server.dispatch import Route
from serai.server.eval_bodies import Asked, read_filter, read_ids, read_name, read_new, user_of
from serai.server.eval_views import show_eval
from serai.server.flags import read_flag
from serai.server.large_work import make
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import page_body, read_paging, read_sorting
from serai.server.routes.eval_shapes import (
    BACKGROUND,
    CHANGES,
    COMMON,
    EVAL,
    FILTERS,
    IDS,
    NEW,
    PAGE,
    TAGS,
    WRITE,
)
from serai.server.scope import check_name, project_of
from serai.server.writes import change_once, write_key
from serai.storage.connection import Connection
from serai.storage.evals import MOST_COUNTED, SORTED_BY
from serai.storage.idempotency import RequestKey, answer_once

_MOST_SHOWN_HERE: Final = 99
_PART: Final = "evals"


async def run_eval(request: Request) -> Response:
    """Measure a component, and answer when that is done; in the background at once.

    The eval belongs to the server: closing the connection leaves it running.
    """
    runtime = runtime_of(request)
    check_database(request, _PART)
    raw = await read_body(request)
    project_id = project_of(request)
    asked = read_new(raw)
    is_background = asked.body.background or read_flag(request, "background")
    new = await _new_eval(request, asked, project_id)

    async def begin(connection: Connection) -> EvalRecord:
        return await runtime.evals.begin(connection, new)

    record = await _write(request, write_key(request, "eval.run", new.user_id, raw), begin)
    runtime.evals.announce(record)
    if is_background:
        return await _answer(record, status=202, ignored=asked.ignored)
    record = await runtime.evals.wait(project_id, record.id)
    return await _answer(record, ignored=asked.ignored)


async def list_evals(request: Request) -> Response:
    """List evals."""
    check_database(request, _PART)
    paging = read_paging(request)
    sorting = read_sorting(request, SORTED_BY, default="created_at")
    try:
        wanted = read_filter(request)
    except ValueError as error:  # the published form of this one is a text
        return json_answer({"detail": str(error)}, status=422)
    records, total = await runtime_of(request).evals.store.list(
        project_of(request),
        wanted,
        sort_by=sorting.column,
        is_descending=sorting.is_descending,
        limit=paging.limit,
        offset=paging.offset,
    )

    def show() -> bytes:
        items = (dump_json(show_eval(record)) for record in records)
        return page_body(items, total=min(total, MOST_COUNTED), paging=paging, is_exact=total <= MOST_COUNTED)

    return json_answer(await _shown(records, show), ignored=sorting.ignored)


async def get_eval(request: Request) -> Response:
    """Read an eval; while it runs with what it has measured so far."""
    check_database(request, _PART)
    return await _answer(await _find(request, _id_of(request), user_id=user_of(request)))


async def rename_eval(request: Request) -> Response:
    """Give an eval another name."""
    check_database(request, _PART)
    eval_id, user_id = _id_of(request), user_of(request)
    name = read_name(await read_body(request))

    async def rename(connection: Connection) -> EvalRecord:
        store = runtime_of(request).evals.store
        record = await store.rename(connection, project_of(request), eval_id, name, user_id=user_id)
        if record is None:
            raise _not_found(str(eval_id))
        return record

    return await _answer(await _write(request, write_key(request, "eval.rename", str(eval_id), user_id, name), rename))


async def cancel_eval(request: Request) -> Response:
    """End an eval, keeping what it has measured; one that has ended stays as it is."""
    check_database(request, _PART)
    eval_id, user_id = _id_of(request), user_of(request)
    evals = runtime_of(request).evals

    async def cancel(connection: Connection) -> EvalRecord:
        found = await evals.store.hold(connection, project_of(request), [eval_id], user_id=user_id)
        if not found:
            raise _not_found(str(eval_id))
        return await evals.cancel(connection, found[0])

    record = await _write(request, write_key(request, "eval.cancel", str(eval_id), user_id), cancel)
    await evals.cancel_run(record)
    return await _answer(record)


async def delete_evals(request: Request) -> Response:
    """Remove evals, ending those that run; the runs they made stay. What is not there is no error."""
    check_database(request, _PART)
    evals, project_id, user_id = runtime_of(request).evals, project_of(request), user_of(request)
    named = read_ids(await read_body(request))
    removed: Sequence[EvalRecord] = ()

    async def delete(connection: Connection) -> dict[str, Any]:
        nonlocal removed
        removed = await evals.store.hold(connection, project_id, read_keys(named), user_id=user_id)
        await evals.delete(connection, project_id, removed)
        return {}

    key = write_key(request, "eval.delete", user_id, dump_json(named))
    await answer_once(runtime_of(request).database, key, delete)
    for record in removed:
        await evals.cancel_run(record)
    return Response(status_code=204)


async def _new_eval(request: Request, asked: Asked, project_id: str) -> NewEval:
    runtime = runtime_of(request)
    body = asked.body
    kind, component_id = body.component
    if (subject := runtime.evals.judges.subjects.get((kind, component_id))) is None:
        raise NotFoundError(f"{kind.capitalize()} with id '{component_id[:200]}' not found")
    model = (subject.model_name, subject.model_provider)
    if body.eval_type in JUDGED_TYPES:
        await runtime.evals.judges.find(kind, component_id, asked.spec.judge)
        model = asked.spec.judge or model
    return NewEval(
        project_id=project_id,
        user_id=check_name(body.user_id, ("body", "user_id")) if body.user_id else user_of(request),
        name=body.name,
        eval_type=body.eval_type,
        kind=kind,
        component_id=component_id,
        component_name=subject.name,
        model_id=model[0],
        model_provider=model[1],
        input=dump_json(asked.spec),
        iterations=body.num_iterations or 1,
    )


async def _write(
    request: Request, key: RequestKey | None, change: Callable[[Connection], Awaitable[EvalRecord]]
) -> EvalRecord:
    """Return the eval after a change, which is made unless it was before under the key."""

    async def find(eval_id: str) -> EvalRecord:
        return await _find(request, UUID(eval_id), user_id=None)

    return await change_once(request, key, change, find=find)


async def _find(request: Request, eval_id: UUID, *, user_id: str | None) -> EvalRecord:
    record = await runtime_of(request).evals.store.find(project_of(request), eval_id, user_id=user_id)
    if record is None:
        raise _not_found(str(eval_id))
    return record


async def _answer(record: EvalRecord, *, status: int = 200, ignored: Collection[str] = ()) -> Response:
    body = await _shown([record], lambda: dump_json(show_eval(record)))
    return json_answer(body, status=status, ignored=ignored)


async def _shown(records: Sequence[EvalRecord], show: Callable[[], bytes]) -> bytes:
    """Return evals as JSON; many or large ones are shown by a thread."""
    size = sum(len(record.input) + len(record.results) + len(record.data or b"") for record in records)
    return await make(show, size_bytes=size, items=len(records), most_items=_MOST_SHOWN_HERE)


def _id_of(request: Request) -> UUID:
    text = request.path_params["eval_run_id"]
    if found := read_key(text):
        return found
    raise _not_found(text[:200])


def _not_found(eval_id: str) -> NotFoundError:
    return NotFoundError(f"Eval run with id '{eval_id}' not found")


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/eval-runs",
        handler=list_evals,
        summary="List evals, newest first",
        tags=TAGS,
        parameters=(*COMMON, *FILTERS),
        responses={**json_result(PAGE), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="POST",
        path="/eval-runs",
        handler=run_eval,
        summary="Measure an agent or a team",
        description="Answers when it is done. An eval that could measure nothing is answered 200, too, with the "
        "status `ERROR` and the reason in `error`; iterations that failed are in `eval_data.errors`.",
        tags=TAGS,
        parameters=(*WRITE, BACKGROUND),
        body=json_body(NEW),
        responses={
            **json_result(EVAL),
            **json_result(EVAL, "It goes on in the background.", status=202),
            **errors(400, 401, 403, 404, 409, 413, 422, 503),
        },
    ),
    Route(
        method="DELETE",
        path="/eval-runs",
        handler=delete_evals,
        status=204,
        summary="Remove evals; their runs stay",
        tags=TAGS,
        parameters=WRITE,
        body=json_body(IDS),
        responses=errors(400, 401, 403, 404, 409, 413, 422, 503),
    ),
    Route(
        method="GET",
        path="/eval-runs/{eval_run_id}",
        handler=get_eval,
        summary="Read an eval",
        tags=TAGS,
        parameters=COMMON,
        responses={**json_result(EVAL), **errors(400, 401, 403, 404, 422, 503)},
    ),
    Route(
        method="PATCH",
        path="/eval-runs/{eval_run_id}",
        handler=rename_eval,
        summary="Give an eval another name",
        tags=TAGS,
        parameters=WRITE,
        body=json_body(CHANGES),
        responses={**json_result(EVAL), **errors(400, 401, 403, 404, 409, 413, 422, 503)},
    ),
    Route(
        method="POST",
        path="/eval-runs/{eval_run_id}/cancel",
        handler=cancel_eval,
        summary="End an eval, keeping what it has measured",
        tags=TAGS,
        parameters=WRITE,
        responses={**json_result(EVAL), **errors(400, 401, 403, 404, 409, 422, 503)},
    ),
)
