"""The collections that a project's records are in."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from serai.errors import InvalidFieldError
from serai.records.collections import MOST_FIELDS, SAMPLED_AT_EACH_END, Listing, list_collections
from serai.records.paging import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE, Page
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, json_result, query_parameter
from serai.server.routes.record_shapes import (
    COUNT,
    NAME,
    OBJECT,
    PREFIX,
    SCOPE,
    TAGS,
    TEXT,
    TIME,
    json_response,
    object_schema,
    or_null,
)
from serai.server.scope import check_name, project_of

_NUMBER = re.compile(r"[0-9]{1,100}", re.ASCII)


async def get_collections(request: Request) -> Response:
    """Return a page of the project's collections."""
    query = request.query_params
    deployment = query.get("deployment_name") or None
    listing = Listing(
        project_id=project_of(request),
        deployment_name=None if deployment is None else check_name(deployment, ("query", "deployment_name")),
        page=Page(size=_page_size(query.get("page_size")), token=query.get("page_token") or None),
    )
    return json_response(await list_collections(runtime_of(request).database, listing))


def _page_size(text: str | None) -> int:
    if not text:
        return DEFAULT_PAGE_SIZE
    if not _NUMBER.fullmatch(text):
        msg = "Input should be an integer, not below 0"
        raise InvalidFieldError.of(("query", "page_size"), msg, kind="int_parsing", given=text)
    return int(text)


_FIELD = object_schema(
    {
        "path": {**TEXT, "description": "As filters, orders and groups take it."},
        "types": {
            "type": "array",
            "items": TEXT,
            "description": "Of the values: `string`, `number`, `boolean`, `null`, `object`; `string[]` and so on for "
            "arrays, by what they hold; `array` for an empty one.",
        },
    },
    "path",
    "types",
)
_INDEX_MEMBERS = {
    "name": {**TEXT, "description": "Of the index in PostgreSQL."},
    "kind": {"enum": ["gin", "shape"], "description": "For `eq` and `includes` of any field, or for one shape."},
    "fields": {"type": "array", "items": TEXT, "description": "Paths of the shape."},
    "shape": {**OBJECT, "description": "The questions it is for: `equal`, `ranged`, `contains`, `order`, `group`."},
    "declared": {"type": "boolean", "description": "Asked for by a person, and never dropped as unused."},
    "state": {"enum": ["building", "ready", "dropping", "failed"]},
    "error": or_null(TEXT),
    "bytes": or_null(COUNT),
    "uses": {**COUNT, "description": "Scans, as PostgreSQL counts them; a question may make several."},
    "created_at": TIME,
    "built_at": or_null(TIME),
    "last_used_at": or_null(TIME),
}
_COLLECTION_MEMBERS = {
    "deployment_name": TEXT,
    "collection": TEXT,
    "count": {**COUNT, "description": "The number of records, exactly."},
    "bytes": {**COUNT, "description": "Of all payloads as stored, by the average of the sample; without indexes."},
    "fields": {"type": "array", "items": _FIELD, "description": f"Of the sample; the {MOST_FIELDS} most frequent."},
    "indexes": {"type": "array", "items": object_schema(_INDEX_MEMBERS, *_INDEX_MEMBERS)},
}
_COLLECTION_PAGE = object_schema(
    {
        "items": {"type": "array", "items": object_schema(_COLLECTION_MEMBERS, *_COLLECTION_MEMBERS)},
        "next_page_token": or_null(TEXT),
        "total_size": {"type": "null"},
    },
    "items",
    "next_page_token",
    "total_size",
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path=f"{PREFIX}/:collections",
        handler=get_collections,
        summary="List the collections of a project",
        description="By name, with the number of their records, the fields of their payloads, and their indexes. "
        f"Sizes and fields are those of a sample: the {SAMPLED_AT_EACH_END} newest and the {SAMPLED_AT_EACH_END} "
        "oldest records of each.",
        tags=TAGS,
        parameters=(
            *SCOPE,
            query_parameter("deployment_name", NAME, "One deployment; else all of the project."),
            query_parameter("page_size", COUNT, f"{DEFAULT_PAGE_SIZE} by default, at most {LARGEST_PAGE_SIZE} count."),
            query_parameter("page_token", TEXT, "Of the page before."),
        ),
        responses={**json_result(_COLLECTION_PAGE), **errors(400, 401, 403, 422, 503)},
    ),
)
