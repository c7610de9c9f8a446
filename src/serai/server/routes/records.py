"""Agent Data: JSON records by project, deployment and collection."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.records.payload import payload_text
from serai.server.bodies import parse_json
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, header_parameter, json_body, json_result
from serai.server.routes.record_shapes import (
    NAME,
    OBJECT,
    PREFIX,
    RECORD,
    SCOPE,
    TAGS,
    TEXT,
    json_response,
    object_schema,
    or_null,
    place_of,
)
from serai.server.scope import idempotency_key_of, project_of


class CreateBody(msgspec.Struct):
    """The body of a create."""

    deployment_name: str
    data: msgspec.Raw
    collection: str | None = None


class UpdateBody(msgspec.Struct):
    """The body of an update."""

    data: msgspec.Raw


_create_body = msgspec.json.Decoder(CreateBody)
_update_body = msgspec.json.Decoder(UpdateBody)


async def create_record(request: Request) -> Response:
    """Store a new record."""
    store = runtime_of(request).records
    body = parse_json(_create_body, await request.body())
    place = place_of(request, body.deployment_name, body.collection)
    data = payload_text(bytes(body.data), loc=("body", "data"))
    return json_response(await store.create(place, data, idempotency_key=idempotency_key_of(request)))


async def get_record(request: Request) -> Response:
    """Read one record."""
    store = runtime_of(request).records
    return json_response(await store.get(project_of(request), request.path_params["item_id"]))


async def update_record(request: Request) -> Response:
    """Replace a record's payload as a whole."""
    store = runtime_of(request).records
    body = parse_json(_update_body, await request.body())
    data = payload_text(bytes(body.data), loc=("body", "data"))
    return json_response(await store.update(project_of(request), request.path_params["item_id"], data))


async def delete_record(request: Request) -> Response:
    """Remove one record."""
    store = runtime_of(request).records
    record_id = request.path_params["item_id"]
    await store.delete(project_of(request), record_id)
    return json_response(msgspec.json.encode({"id": record_id, "status": "deleted"}))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=PREFIX,
        handler=create_record,
        summary="Store a new record",
        tags=TAGS,
        parameters=(*SCOPE, header_parameter("Idempotency-Key", "The same key and body again are the same record.")),
        body=json_body(
            object_schema(
                {"deployment_name": NAME, "collection": or_null(NAME), "data": OBJECT}, "deployment_name", "data"
            )
        ),
        responses={**json_result(RECORD), **errors(400, 401, 403, 409, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/{{item_id}}",
        handler=get_record,
        summary="Read one record",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(RECORD), **errors(400, 401, 403, 404, 503)},
    ),
    Route(
        method="PUT",
        path=f"{PREFIX}/{{item_id}}",
        handler=update_record,
        summary="Replace a record's payload",
        tags=TAGS,
        parameters=SCOPE,
        body=json_body(object_schema({"data": OBJECT}, "data")),
        responses={**json_result(RECORD), **errors(400, 401, 403, 404, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path=f"{PREFIX}/{{item_id}}",
        handler=delete_record,
        summary="Remove one record",
        tags=TAGS,
        parameters=SCOPE,
        responses={
            **json_result({"type": "object", "additionalProperties": TEXT}),
            **errors(400, 401, 403, 404, 503),
        },
    ),
)
