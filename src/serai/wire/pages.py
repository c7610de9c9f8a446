"""Lists that come in pages, by number."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from serai.wire.model import ListOrNull, WireModel

Item = TypeVar("Item")


class PageMeta(WireModel):
    """Where a page stands among all; the first one is number 1.

    Attributes:
        page: its number.
        limit: the most items on it.
        total_pages: how many pages there are.
        total_count: how many items there are.
        search_time_ms: how long the server looked for them, where it says so.
        total_is_lower_bound: the totals are not exact: there is more. Serai servers stop counting at some point.
    """

    page: int = 1
    limit: int = 0
    total_pages: int = 0
    total_count: int = 0
    search_time_ms: float = 0.0
    total_is_lower_bound: bool = False


class Page(WireModel, Generic[Item]):
    """A page of a list."""

    data: ListOrNull[Item] = Field(default_factory=list)
    meta: PageMeta = Field(default_factory=PageMeta)
