"""Agent Data: JSON records by project, deployment and collection."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.errors import InvalidFieldError
from serai.records.payload import payload_text
from serai.records.store import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE, Place, Search
from serai.server.bodies import parse_json
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, header_parameter, json_body, json_result, query_parameter
from serai.server.scope import check_name, idempotency_key_of, project_of

PREFIX = "/api/v1/beta/agent-data"
DEFAULT_COLLECTION = "default"


class CreateBody(msgspec.Struct):
    """The body of a create."""

    deployment_name: str
    data: msgspec.Raw
    collection: str | None = None


class UpdateBody(msgspec.Struct):
    """The body of an update."""

    data: msgspec.Raw


class SearchBody(msgspec.Struct):
    """The body of a search; null means absent everywhere."""

    deployment_name: str
    collection: str | None = None
    filter: msgspec.Raw = msgspec.Raw(b"null")
    order_by: str | None = None
    page_size: int | None = None
    offset: int | None = None
    page_token: str | None = None
    include_total: bool | None = None


_create_body = msgspec.json.Decoder(CreateBody)
_update_body = msgspec.json.Decoder(UpdateBody)
_search_body = msgspec.json.Decoder(SearchBody)


async def create_record(request: Request) -> Response:
    """Store a new record."""
    store = runtime_of(request).records
    body = parse_json(_create_body, await request.body())
    place = _place(request, body.deployment_name, body.collection)
    data = payload_text(bytes(body.data), loc=("body", "data"))
    return _json(await store.create(place, data, idempotency_key=idempotency_key_of(request)))


async def get_record(request: Request) -> Response:
    """Read one record."""
    store = runtime_of(request).records
    return _json(await store.get(project_of(request), request.path_params["item_id"]))


async def update_record(request: Request) -> Response:
    """Replace a record's payload as a whole."""
    store = runtime_of(request).records
    body = parse_json(_update_body, await request.body())
    data = payload_text(bytes(body.data), loc=("body", "data"))
    return _json(await store.update(project_of(request), request.path_params["item_id"], data))


async def delete_record(request: Request) -> Response:
    """Remove one record."""
    store = runtime_of(request).records
    record_id = request.path_params["item_id"]
    await store.delete(project_of(request), record_id)
    return _json(msgspec.json.encode({"id": record_id, "status": "deleted"}))


async def search_records(request: Request) -> Response:
    """Find records of a collection, newest first."""
    store = runtime_of(request).records
    body = parse_json(_search_body, await request.body())
    if body.order_by is not None and body.order_by.lower().split() not in ([], ["created_at", "desc"]):
        msg = "only the default order, 'created_at desc', is supported yet"
        raise InvalidFieldError.of(("body", "order_by"), msg, kind="unsupported", given=body.order_by)
    return _json(
        await store.search(
            Search(
                place=_place(request, body.deployment_name, body.collection),
                filter=bytes(body.filter),
                page_size=_not_negative(body.page_size, "page_size", default=DEFAULT_PAGE_SIZE),
                offset=_not_negative(body.offset, "offset", default=0),
                page_token=body.page_token,
                include_total=bool(body.include_total),
            )
        )
    )


def _place(request: Request, deployment_name: str, collection: str | None) -> Place:
    return Place(
        project_id=project_of(request),
        deployment_name=check_name(deployment_name, ("body", "deployment_name")),
        collection=check_name(DEFAULT_COLLECTION if collection is None else collection, ("body", "collection")),
    )


def _not_negative(number: int | None, name: str, *, default: int) -> int:
    if number is None:
        return default
    if number < 0:
        msg = "Input should be greater than or equal to 0"
        raise InvalidFieldError.of(("body", name), msg, kind="greater_than_equal", given=number)
    return number


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_TAGS = ("agent data",)
_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_OBJECT = {"type": "object", "additionalProperties": True}
_COUNT = {"type": "integer", "minimum": 0}
_NAME = {"type": "string", "minLength": 1}
_RECORD = _object(
    {
        "id": _TEXT,
        "deployment_name": _TEXT,
        "project_id": _TEXT,
        "collection": _TEXT,
        "data": _OBJECT,
        "created_at": _TIME,
        "updated_at": _TIME,
    },
    "id",
    "deployment_name",
    "project_id",
    "collection",
    "data",
    "created_at",
    "updated_at",
)
_PAGE = _object(
    {
        "items": {"type": "array", "items": _RECORD},
        "next_page_token": _or_null(_TEXT),
        "total_size": _or_null({"type": "integer"}),
    },
    "items",
    "next_page_token",
    "total_size",
)
_FILTER = {
    "type": "object",
    "description": 'Field paths to objects of operators, for example `{"age": {"eq": 36}}`; all must hold.',
    "additionalProperties": {"type": "object", "properties": {"eq": {"type": ["string", "number", "boolean", "null"]}}},
}
_SCOPE = (
    query_parameter("project_id", _TEXT, "The project; else the header `Project-Id`, else the default project."),
    query_parameter("organization_id", _TEXT, "Accepted and not used."),
    header_parameter("Project-Id", "The project."),
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=PREFIX,
        handler=create_record,
        summary="Store a new record",
        tags=_TAGS,
        parameters=(*_SCOPE, header_parameter("Idempotency-Key", "The same key and body again are the same record.")),
        body=json_body(
            _object(
                {"deployment_name": _NAME, "collection": _or_null(_NAME), "data": _OBJECT}, "deployment_name", "data"
            )
        ),
        responses={**json_result(_RECORD), **errors(400, 401, 403, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/{{item_id}}",
        handler=get_record,
        summary="Read one record",
        tags=_TAGS,
        parameters=_SCOPE,
        responses={**json_result(_RECORD), **errors(400, 401, 403, 404, 503)},
    ),
    Route(
        method="PUT",
        path=f"{PREFIX}/{{item_id}}",
        handler=update_record,
        summary="Replace a record's payload",
        tags=_TAGS,
        parameters=_SCOPE,
        body=json_body(_object({"data": _OBJECT}, "data")),
        responses={**json_result(_RECORD), **errors(400, 401, 403, 404, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path=f"{PREFIX}/{{item_id}}",
        handler=delete_record,
        summary="Remove one record",
        tags=_TAGS,
        parameters=_SCOPE,
        responses={
            **json_result({"type": "object", "additionalProperties": _TEXT}),
            **errors(400, 401, 403, 404, 503),
        },
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/:search",
        handler=search_records,
        summary="Find records of a collection, newest first",
        tags=_TAGS,
        parameters=_SCOPE,
        body=json_body(
            _object(
                {
                    "deployment_name": _NAME,
                    "collection": _or_null(_NAME),
                    "filter": _or_null(_FILTER),
                    "order_by": _or_null(_TEXT),
                    "page_size": _or_null({**_COUNT, "description": f"At most {LARGEST_PAGE_SIZE} count."}),
                    "offset": _or_null(_COUNT),
                    "page_token": _or_null(_TEXT),
                    "include_total": _or_null({"type": "boolean"}),
                },
                "deployment_name",
            )
        ),
        responses={**json_result(_PAGE), **errors(400, 401, 403, 413, 422, 503)},
    ),
)
