"""What the routes of Agent Data share: where a request's records live, and the shapes of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serai.records.filters import LISTS, OPERATORS
from serai.records.place import Place
from serai.server.openapi import query_parameter
from serai.server.scope import PROJECT_PARAMETERS, check_name, project_of

PREFIX = "/api/v1/beta/agent-data"
DEFAULT_COLLECTION = "default"


def place_of(request: Request, deployment_name: str, collection: str | None) -> Place:
    """Return the collection that a request speaks of; null is the default collection."""
    return Place(
        project_id=project_of(request),
        deployment_name=check_name(deployment_name, ("body", "deployment_name")),
        collection=check_name(DEFAULT_COLLECTION if collection is None else collection, ("body", "collection")),
    )


class _Json(Response):
    """Finished JSON, sent as it is: what Starlette builds around a body costs as much as rendering the record."""

    def __init__(self, body: bytes, etag: bytes | None) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if etag is not None:
            self.raw_headers.append((b"etag", etag))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(body: bytes, *, etag: bytes | None = None) -> Response:
    """Return finished JSON as a response."""
    return _Json(body, etag)


def object_schema(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also takes null."""
    return {"anyOf": [schema, {"type": "null"}]}


TAGS = ("agent data",)
TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
OBJECT = {"type": "object", "additionalProperties": True}
COUNT = {"type": "integer", "minimum": 0}
NAME = {"type": "string", "minLength": 1}
RECORD = object_schema(
    {
        "id": TEXT,
        "deployment_name": TEXT,
        "project_id": TEXT,
        "collection": TEXT,
        "data": OBJECT,
        "created_at": TIME,
        "updated_at": TIME,
    },
    "id",
    "deployment_name",
    "project_id",
    "collection",
    "data",
    "created_at",
    "updated_at",
)
PAGE = object_schema(
    {
        "items": {"type": "array", "items": RECORD},
        "next_page_token": or_null(TEXT),
        "total_size": or_null({"type": "integer"}),
    },
    "items",
    "next_page_token",
    "total_size",
)
GROUP_PAGE = object_schema(
    {
        "items": {
            "type": "array",
            "items": object_schema(
                {"group_key": OBJECT, "count": or_null(COUNT), "first_item": or_null(OBJECT)},
                "group_key",
                "count",
                "first_item",
            ),
        },
        "next_page_token": or_null(TEXT),
        "total_size": or_null({"type": "integer"}),
    },
    "items",
    "next_page_token",
    "total_size",
)
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
FILTER = {
    "type": "object",
    "description": 'Field paths to objects of operators, for example `{"age": {"gte": 21, "lt": 65}}`; all must hold.',
    "additionalProperties": {
        "type": "object",
        "properties": {
            operator: {"type": "array", "items": _SCALAR} if operator in LISTS else _SCALAR for operator in OPERATORS
        },
        "additionalProperties": False,
    },
}
SCOPE = (
    PROJECT_PARAMETERS[0],
    query_parameter("organization_id", TEXT, "Accepted and not used."),
    PROJECT_PARAMETERS[1],
)
