"""Agent Data: JSON records by project, deployment and collection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.engine.faults import reach
from serai.errors import InvalidFieldError
from serai.records.bulk import LARGEST_BATCH, BatchItem
from serai.records.payload import payload_text
from serai.records.store import Stored
from serai.server.bodies import parse_json, read_body
from serai.server.conditions import allowed_versions, entity_tag, is_known
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
from serai.server.scope import KEY_PARAMETER, idempotency_key_of, project_of


class CreateBody(msgspec.Struct):
    """The body of a create."""

    deployment_name: str
    data: msgspec.Raw
    collection: str | None = None
    id: str | None = None


class UpdateBody(msgspec.Struct):
    """The body of an update."""

    data: msgspec.Raw


class BatchMember(msgspec.Struct):
    """One record of a batch."""

    data: msgspec.Raw
    id: str | None = None


class BatchBody(msgspec.Struct):
    """The body of a batch."""

    deployment_name: str
    items: Annotated[list[BatchMember], msgspec.Meta(min_length=1, max_length=LARGEST_BATCH)]
    collection: str | None = None


_create_body = msgspec.json.Decoder(CreateBody)
_update_body = msgspec.json.Decoder(UpdateBody)
_batch_body = msgspec.json.Decoder(BatchBody)
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


async def create_record(request: Request) -> Response:
    """Store a new record."""
    store = runtime_of(request).records
    body = parse_json(_create_body, await read_body(request))
    stored = await store.create(
        place_of(request, body.deployment_name, body.collection),
        payload_text(bytes(body.data), loc=("body", "data")),
        record_id=_checked_id(body.id, ("body", "id")),
        idempotency_key=idempotency_key_of(request),
    )
    reach("after_record_commit", "create")
    return _record_response(stored)


async def create_records(request: Request) -> Response:
    """Store many new records, all or none."""
    store = runtime_of(request).records
    body = parse_json(_batch_body, await read_body(request))
    records = await store.create_many(
        place_of(request, body.deployment_name, body.collection),
        _batch_items(body.items),
        idempotency_key=idempotency_key_of(request),
    )
    reach("after_record_commit", "batch")
    return json_response(b'{"items":[%b]}' % b",".join(records))


async def get_record(request: Request) -> Response:
    """Read one record."""
    stored = await runtime_of(request).records.get(project_of(request), request.path_params["item_id"])
    if is_known(request, stored.version):
        return Response(status_code=304, headers={"etag": entity_tag(stored.version).decode()})
    return _record_response(stored)


async def update_record(request: Request) -> Response:
    """Replace a record's payload as a whole."""
    store = runtime_of(request).records
    body = parse_json(_update_body, await read_body(request))
    stored = await store.update(
        project_of(request),
        request.path_params["item_id"],
        payload_text(bytes(body.data), loc=("body", "data")),
        versions=allowed_versions(request),
        idempotency_key=idempotency_key_of(request),
    )
    reach("after_record_commit", "update")
    return _record_response(stored)


async def delete_record(request: Request) -> Response:
    """Remove one record."""
    record_id = request.path_params["item_id"]
    await runtime_of(request).records.delete(
        project_of(request),
        record_id,
        versions=allowed_versions(request),
        idempotency_key=idempotency_key_of(request),
    )
    reach("after_record_commit", "delete")
    return json_response(msgspec.json.encode({"id": record_id, "status": "deleted"}))


def _record_response(stored: Stored) -> Response:
    return json_response(stored.body, etag=entity_tag(stored.version))


def _batch_items(members: Sequence[BatchMember]) -> list[BatchItem]:
    items = []
    seen = set()
    for index, member in enumerate(members):
        loc = ("body", "items", index)
        chosen = _checked_id(member.id, (*loc, "id"))
        if chosen in seen:
            raise InvalidFieldError.of((*loc, "id"), "The id occurs twice", kind="duplicate_id", given=chosen)
        if chosen is not None:
            seen.add(chosen)
        items.append(BatchItem(payload_text(bytes(member.data), loc=(*loc, "data")), chosen))
    return items


def _checked_id(record_id: str | None, loc: tuple[str | int, ...]) -> str | None:
    if record_id is not None and not _ID.fullmatch(record_id):
        msg = "String should have 1 to 200 characters out of A-Z, a-z, 0-9, _ and -"
        raise InvalidFieldError.of(loc, msg, kind="string_pattern_mismatch", given=record_id)
    return record_id


_CHOSEN_ID = or_null({**TEXT, "pattern": "^[A-Za-z0-9_-]{1,200}$", "description": "By default the server chooses it."})
_KEY = KEY_PARAMETER
_IF_MATCH = header_parameter("If-Match", "`ETag`s of a record; 412 when it has none of them now.")

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=PREFIX,
        handler=create_record,
        summary="Store a new record",
        tags=TAGS,
        parameters=(*SCOPE, _KEY),
        body=json_body(
            object_schema(
                {"deployment_name": NAME, "collection": or_null(NAME), "data": OBJECT, "id": _CHOSEN_ID},
                "deployment_name",
                "data",
            )
        ),
        responses={**json_result(RECORD), **errors(400, 401, 403, 409, 413, 422, 503)},
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/:batch",
        handler=create_records,
        summary="Store many new records, all or none",
        tags=TAGS,
        parameters=(*SCOPE, _KEY),
        body=json_body(
            object_schema(
                {
                    "deployment_name": NAME,
                    "collection": or_null(NAME),
                    "items": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": LARGEST_BATCH,
                        "items": object_schema({"data": OBJECT, "id": _CHOSEN_ID}, "data"),
                    },
                },
                "deployment_name",
                "items",
            )
        ),
        responses={
            **json_result(object_schema({"items": {"type": "array", "items": RECORD}}, "items")),
            **errors(400, 401, 403, 409, 413, 422, 503),
        },
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/{{item_id}}",
        handler=get_record,
        summary="Read one record",
        tags=TAGS,
        parameters=(
            *SCOPE,
            header_parameter("If-None-Match", "`ETag`s that the caller knows; 304 when it is one of them."),
        ),
        responses={**json_result(RECORD), 304: {"description": "Not modified."}, **errors(400, 401, 403, 404, 503)},
    ),
    Route(
        method="PUT",
        path=f"{PREFIX}/{{item_id}}",
        handler=update_record,
        summary="Replace a record's payload",
        tags=TAGS,
        parameters=(*SCOPE, _KEY, _IF_MATCH),
        body=json_body(object_schema({"data": OBJECT}, "data")),
        responses={**json_result(RECORD), **errors(400, 401, 403, 404, 409, 412, 413, 422, 503)},
    ),
    Route(
        method="DELETE",
        path=f"{PREFIX}/{{item_id}}",
        handler=delete_record,
        summary="Remove one record",
        tags=TAGS,
        parameters=(*SCOPE, _KEY, _IF_MATCH),
        responses={
            **json_result({"type": "object", "additionalProperties": TEXT}),
            **errors(400, 401, 403, 404, 409, 412, 503),
        },
    ),
)
