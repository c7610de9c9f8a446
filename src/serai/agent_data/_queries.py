"""What questions ask for, as the caller says it and as it is sent."""

# ruff: noqa: A002 - the published interface has an argument named filter

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

ComparisonOperator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "includes", "excludes"]
"""The operators of a filter."""

Filter = Mapping[str, Mapping[str, Any]]
"""Field path to operator (see `ComparisonOperator`) to operand, for example ``{"age": {"gte": 21}}``."""


def search_body(
    filter: Filter | None,
    order_by: str | None,
    offset: int | None,
    page_size: int | None,
    include_total: bool,
    page_token: str | None,
) -> dict[str, Any]:
    """Return what a search says beside its scope; members that are None are not sent."""
    return {
        "filter": filter,
        "order_by": order_by,
        "offset": offset,
        "page_size": page_size,
        "include_total": include_total or None,
        "page_token": page_token,
    }


def groups_body(group_by: Sequence[str] | None, count: bool | None, first: bool | None) -> dict[str, Any]:
    """Return what an aggregation says beyond a search.

    Raises:
        TypeError: ``group_by`` is one string.
    """
    if isinstance(group_by, str):
        raise TypeError(f"group_by must be a list of paths, such as [{group_by!r}]")
    return {"group_by": group_by, "count": count, "first": first}
