"""What requests say about traces: the filters of a list, and the body of a search."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request

from serai.domain.trace_filters import TraceFilter, read_filter, read_time
from serai.errors import RequestError
from serai.server.bodies import parse_open_json
from serai.server.paging import LAST_PAGE, Paging
from serai.server.scope import read_named
from serai.storage.trace_lists import MEMBERS
from serai.wire.choices import TraceSearchGroupBy

MOST_FOUND: Final = 100


class SearchBody(msgspec.Struct, kw_only=True):
    """What a request searches for."""

    filter: Any = None
    group_by: TraceSearchGroupBy = TraceSearchGroupBy.RUN
    page: Annotated[int, Meta(ge=1, le=LAST_PAGE)] = 1
    limit: Annotated[int, Meta(ge=1, le=MOST_FOUND)] = 20

    @property
    def paging(self) -> Paging:
        """Which page is wanted."""
        return Paging(self.limit, self.page)


_decode_search: Final = msgspec.json.Decoder(SearchBody)


def read_search(raw: bytes) -> tuple[SearchBody, TraceFilter | None, list[str]]:
    """Return the body of a search, what it searches for, and the names of the members that mean nothing.

    Raises:
        InvalidFieldError: it is no JSON, or a member is of the wrong type or size.
        RequestError: the filter is malformed.
    """
    body, ignored = parse_open_json(_decode_search, raw)
    return body, None if body.filter is None else read_filter(body.filter), ignored


def read_members(request: Request, *, names: tuple[str, ...] = MEMBERS) -> dict[str, str]:
    """Return what the traces are to have in common, as a query says it; an empty text is one that none has."""
    found = {name: read_named(request, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def read_moment(request: Request, name: str) -> datetime | None:
    """Return a time of the query, None when it is absent or empty.

    Raises:
        RequestError: it is none.
    """
    if not (text := request.query_params.get(name)):
        return None
    try:
        return read_time(text)
    except ValueError as error:
        raise RequestError(f"{name}: {error}") from None
