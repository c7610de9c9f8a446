"""Questions to collections of records, and what removes by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from serai.engine.faults import reach
from serai.errors import InvalidFieldError
from serai.records.export import Export
from serai.records.groups import Aggregation
from serai.records.paging import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE, Page
from serai.records.search import Search
from serai.server.bodies import parse_json
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, header_parameter, json_body, json_result
from serai.server.routes.record_shapes import (
    COUNT,
    FILTER,
    GROUP_PAGE,
    NAME,
    PAGE,
    PREFIX,
    SCOPE,
    TAGS,
    TEXT,
    json_response,
    object_schema,
    or_null,
    place_of,
)
from serai.server.scope import idempotency_key_of


class QueryBody(msgspec.Struct):
    """What searches and aggregations have in common; null means absent everywhere."""

    deployment_name: str
    collection: str | None = None
    filter: msgspec.Raw = msgspec.Raw(b"null")
    order_by: str | None = None
    page_size: int | None = None
    offset: int | None = None
    page_token: str | None = None
    include_total: bool | None = None


class AggregateBody(QueryBody):
    """The body of an aggregation."""

    group_by: list[str] | None = None
    count: bool | None = None
    first: bool | None = None


class DeleteBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a delete by query: a misspelt filter must not empty the collection."""

    deployment_name: str
    collection: str | None = None
    filter: msgspec.Raw = msgspec.Raw(b"null")


class ExportBody(DeleteBody, forbid_unknown_fields=True):
    """The body of an export."""

    order_by: str | None = None
    format: Literal["ndjson", "csv"] = "ndjson"
    fields: list[str] | None = None


_search_body = msgspec.json.Decoder(QueryBody)
_aggregate_body = msgspec.json.Decoder(AggregateBody)
_delete_body = msgspec.json.Decoder(DeleteBody)
_export_body = msgspec.json.Decoder(ExportBody)


async def search_records(request: Request) -> Response:
    """Return a page of the records that match."""
    body = parse_json(_search_body, await request.body())
    question = Search(
        place=place_of(request, body.deployment_name, body.collection),
        filter=bytes(body.filter),
        order_by=body.order_by,
        page=_page_of(body),
        include_total=bool(body.include_total),
    )
    return json_response(await runtime_of(request).record_queries.search(question))


async def aggregate_records(request: Request) -> Response:
    """Return a page of groups of the records that match."""
    body = parse_json(_aggregate_body, await request.body())
    question = Aggregation(
        place=place_of(request, body.deployment_name, body.collection),
        filter=bytes(body.filter),
        group_by=body.group_by or (),
        order_by=body.order_by,
        count=bool(body.count),
        first=bool(body.first),
        page=_page_of(body),
        include_total=bool(body.include_total),
    )
    return json_response(await runtime_of(request).record_queries.aggregate(question))


async def delete_records(request: Request) -> Response:
    """Remove the records that match."""
    body = parse_json(_delete_body, await request.body())
    place = place_of(request, body.deployment_name, body.collection)
    queries = runtime_of(request).record_queries
    deleted = await queries.delete(place, bytes(body.filter), idempotency_key=idempotency_key_of(request))
    reach("after_record_commit", "delete by query")
    return json_response(msgspec.json.encode({"deleted_count": deleted}))


async def export_records(request: Request) -> Response:
    """Return all records that match, as they are read."""
    body = parse_json(_export_body, await request.body())
    question = Export(
        place=place_of(request, body.deployment_name, body.collection),
        filter=bytes(body.filter),
        order_by=body.order_by,
        format=body.format,
        fields=body.fields,
    )
    return _Download(
        await runtime_of(request).record_queries.export(question),
        media_type="text/csv; charset=utf-8" if body.format == "csv" else "application/x-ndjson",
        headers={"content-disposition": f'attachment; filename="records.{body.format}"'},
    )


class _Download(StreamingResponse):
    """A stream whose source is closed when the client leaves."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], **members: Any) -> None:
        super().__init__(pieces, **members)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()


def _page_of(body: QueryBody) -> Page:
    return Page(
        size=_not_negative(body.page_size, "page_size", default=DEFAULT_PAGE_SIZE),
        skip=_not_negative(body.offset, "offset", default=0),
        token=body.page_token,
    )


def _not_negative(number: int | None, name: str, *, default: int) -> int:
    if number is None:
        return default
    if number < 0:
        msg = "Input should be greater than or equal to 0"
        raise InvalidFieldError.of(("body", name), msg, kind="greater_than_equal", given=number)
    return number


_SCOPE_MEMBERS = {"deployment_name": NAME, "collection": or_null(NAME), "filter": or_null(FILTER)}
_ORDER = or_null({**TEXT, "description": "Paths with `asc` or `desc`, for example `data.name desc, created_at`."})
_QUERY_MEMBERS = {
    **_SCOPE_MEMBERS,
    "order_by": _ORDER,
    "page_size": or_null({**COUNT, "description": f"At most {LARGEST_PAGE_SIZE} count."}),
    "offset": or_null(COUNT),
    "page_token": or_null({**TEXT, "description": "Of the page before; the offset does not matter then."}),
    "include_total": or_null({"type": "boolean"}),
}
_GROUP_MEMBERS = {
    "group_by": or_null({"type": "array", "items": TEXT}),
    "count": or_null({"type": "boolean"}),
    "first": or_null({"type": "boolean"}),
}
_EXPORT_MEMBERS = {
    "order_by": _ORDER,
    "format": {"enum": ["ndjson", "csv"]},
    "fields": or_null({"type": "array", "items": TEXT, "description": "The columns of the table, as paths."}),
}
_FAILURES = errors(400, 401, 403, 413, 422, 503)

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=f"{PREFIX}/:search",
        handler=search_records,
        summary="Find records of a collection",
        tags=TAGS,
        parameters=SCOPE,
        body=json_body(object_schema(_QUERY_MEMBERS, "deployment_name")),
        responses={**json_result(PAGE), **_FAILURES},
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/:aggregate",
        handler=aggregate_records,
        summary="Group records of a collection",
        tags=TAGS,
        parameters=SCOPE,
        body=json_body(object_schema({**_QUERY_MEMBERS, **_GROUP_MEMBERS}, "deployment_name")),
        responses={**json_result(GROUP_PAGE), **_FAILURES},
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/:delete",
        handler=delete_records,
        summary="Remove the records of a collection that match",
        description="Without a filter the collection is emptied. Unknown members are refused.",
        tags=TAGS,
        parameters=(*SCOPE, header_parameter("Idempotency-Key", "The same key and body again get the same answer.")),
        body=json_body(object_schema(_SCOPE_MEMBERS, "deployment_name")),
        responses={**json_result(object_schema({"deleted_count": COUNT}, "deleted_count")), **_FAILURES, **errors(409)},
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/:export",
        handler=export_records,
        summary="Export the records of a collection that match",
        description="All records as of one moment: a JSON object a line, or a table (CSV) with a line of names.",
        tags=TAGS,
        parameters=SCOPE,
        body=json_body(object_schema({**_SCOPE_MEMBERS, **_EXPORT_MEMBERS}, "deployment_name")),
        responses={
            200: {"description": "Success.", "content": {"application/x-ndjson": {}, "text/csv": {}}},
            **_FAILURES,
        },
    ),
)
