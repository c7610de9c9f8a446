"""Lists as the published protocol pages them: what a request asks for, and the envelope around its answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from serai.domain.json_text import dump_json
from serai.errors import InvalidFieldError
from serai.server.openapi import JsonObject, query_parameter

DEFAULT_LISTED: Final = 20
MOST_LISTED: Final = 10_000
LAST_PAGE: Final = 999_999_999
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_META_MEMBERS: Final = ("page", "limit", "total_pages", "total_count")
_COUNTED: Final = {"type": "integer", "minimum": 1}


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is wanted.

    Attributes:
        limit: the most items on it.
        page: from 1.
    """

    limit: int
    page: int

    @property
    def offset(self) -> int:
        """How many items come before it."""
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class Sorting:
    """In which order a list is wanted.

    Attributes:
        column: by which of the list's columns.
        is_descending: the greatest first.
        ignored: ``("sort_by",)`` when the request named a column that the list does not have.
    """

    column: str
    is_descending: bool
    ignored: tuple[str, ...] = ()


def read_paging(request: Request, *, default: int = DEFAULT_LISTED, most: int = MOST_LISTED) -> Paging:
    """Return which page a request asks for.

    Args:
        request: its query has ``limit`` and ``page``.
        default: the limit when none is given.
        most: the greatest limit.

    Raises:
        InvalidFieldError: one of them is no number from 1 on.
    """
    limit = _read_count(request, "limit", default=default, most=most)
    return Paging(limit, _read_count(request, "page", default=1, most=LAST_PAGE))


def read_sorting(request: Request, columns: Collection[str], *, default: str) -> Sorting:
    """Return the order that a request asks for; an unknown ``sort_by`` is the default, as the protocol has it.

    Raises:
        InvalidFieldError: ``sort_order`` is neither ``asc`` nor ``desc``.
    """
    named = request.query_params.get("sort_by") or default
    order = request.query_params.get("sort_order") or "desc"
    if order not in ("asc", "desc"):
        msg = "Input should be 'asc' or 'desc'"
        raise InvalidFieldError.of(("query", "sort_order"), msg, kind="enum", given=order[:100])
    if named in columns:
        return Sorting(named, order == "desc")
    return Sorting(default, order == "desc", ("sort_by",))


def page_body(
    items: Iterable[bytes], *, total: int, paging: Paging, is_exact: bool = True, search_time_ms: float = 0.0
) -> bytes:
    """Return a page as JSON.

    Args:
        items: each an object in JSON.
        total: how many the whole list has.
        paging: which page this is.
        is_exact: the list has `total` items; else at least so many.
        search_time_ms: how long they were looked for, where that is measured.
    """
    meta = {
        "page": paging.page,
        "limit": paging.limit,
        "total_pages": -(-total // paging.limit),
        "total_count": total,
        "search_time_ms": search_time_ms,
    }
    if not is_exact:
        meta["total_is_lower_bound"] = True
    return b'{"data":[' + b",".join(items) + b'],"meta":' + dump_json(meta) + b"}"


def paging_parameters(*, default: int = DEFAULT_LISTED, most: int = MOST_LISTED) -> tuple[JsonObject, ...]:
    """Return the query parameters of a list that comes in pages."""
    return (
        query_parameter("limit", {**_COUNTED, "maximum": most, "default": default}, "The most on one page."),
        query_parameter("page", {**_COUNTED, "default": 1}, "Which page."),
    )


def sorting_parameters(columns: Collection[str], *, default: str) -> tuple[JsonObject, ...]:
    """Return the query parameters of a list that can be sorted."""
    text = "By what; an unknown name is the default, and named in the header `X-Serai-Ignored-Fields`."
    return (
        query_parameter("sort_by", {"type": "string", "default": default, "examples": sorted(columns)}, text),
        query_parameter("sort_order", {"enum": ["asc", "desc"], "default": "desc"}, "In which direction."),
    )


def page_of(item: JsonObject) -> JsonObject:
    """Return the schema of a page of items."""
    meta: dict[str, Any] = {
        **{name: {"type": "integer"} for name in _META_MEMBERS},
        "search_time_ms": {"type": "number"},
        "total_is_lower_bound": {"type": "boolean", "description": "There are more than `total_count`."},
    }
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": item},
            "meta": {"type": "object", "properties": meta, "required": [*_META_MEMBERS]},
        },
        "required": ["data", "meta"],
    }


def _read_count(request: Request, name: str, *, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        msg = f"Input should be a whole number from 1 to {most}"
        raise InvalidFieldError.of(("query", name), msg, kind="int_range", given=text[:100])
    return int(text)
