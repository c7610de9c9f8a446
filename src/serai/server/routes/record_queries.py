"""Questions to collections of records."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.errors import InvalidFieldError
from serai.records.queries import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE, Search
from serai.server.bodies import parse_json
from serai.server.context import runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, json_body, json_result
from serai.server.routes.record_shapes import (
    COUNT,
    FILTER,
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


_search_body = msgspec.json.Decoder(SearchBody)


async def search_records(request: Request) -> Response:
    """Find records of a collection, newest first."""
    store = runtime_of(request).record_queries
    body = parse_json(_search_body, await request.body())
    if body.order_by is not None and body.order_by.lower().split() not in ([], ["created_at", "desc"]):
        msg = "only the default order, 'created_at desc', is supported yet"
        raise InvalidFieldError.of(("body", "order_by"), msg, kind="unsupported", given=body.order_by)
    return json_response(
        await store.search(
            Search(
                place=place_of(request, body.deployment_name, body.collection),
                filter=bytes(body.filter),
                page_size=_not_negative(body.page_size, "page_size", default=DEFAULT_PAGE_SIZE),
                offset=_not_negative(body.offset, "offset", default=0),
                page_token=body.page_token,
                include_total=bool(body.include_total),
            )
        )
    )


def _not_negative(number: int | None, name: str, *, default: int) -> int:
    if number is None:
        return default
    if number < 0:
        msg = "Input should be greater than or equal to 0"
        raise InvalidFieldError.of(("body", name), msg, kind="greater_than_equal", given=number)
    return number


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=f"{PREFIX}/:search",
        handler=search_records,
        summary="Find records of a collection, newest first",
        tags=TAGS,
        parameters=SCOPE,
        body=json_body(
            object_schema(
                {
                    "deployment_name": NAME,
                    "collection": or_null(NAME),
                    "filter": or_null(FILTER),
                    "order_by": or_null(TEXT),
                    "page_size": or_null({**COUNT, "description": f"At most {LARGEST_PAGE_SIZE} count."}),
                    "offset": or_null(COUNT),
                    "page_token": or_null(TEXT),
                    "include_total": or_null({"type": "boolean"}),
                },
                "deployment_name",
            )
        ),
        responses={**json_result(PAGE), **errors(400, 401, 403, 413, 422, 503)},
    ),
)
