"""Walks over a list that comes in pages by number. Sends nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Generic

from serai.client._calls import Call, Result
from serai.wire.arguments import ArgumentError

if TYPE_CHECKING:
    from serai.wire.pages import Page

_REMEMBERED = 10_000
_MOST_STEPS_BACK = 10


class PageWalk(Generic[Result]):
    """Asks for one page after the other and gives out each item once.

    While it goes on the list may change, and pages by number move with it. Items that come again are passed over.
    When the list has become shorter, as many pages are read again as the missing items may have filled, so that
    none is left out; deleting the items as they come is safe. Items that are put before those already seen do not
    come, and where a server does not tell the exact total, removed items can cost as many others.
    """

    def __init__(self, call: Call[Result]) -> None:
        """Take a call whose query, or else whose JSON body, has ``limit``.

        Raises:
            ArgumentError: that is less than 1.
        """
        self._call = call
        self._member = str(call.answer.paged_by)
        body = call.arguments.json
        self._body = body if isinstance(body, Mapping) and "limit" in body else None
        self._limit = int(str((call.arguments.query if self._body is None else self._body)["limit"]))
        if self._limit < 1:
            raise ArgumentError("page_size must be at least 1")
        self._number = 1
        self._total: int | None = None
        self._is_done = False
        self._steps_back = 0  # since the last new item; bounded, or constant deletes could keep a walk from its end
        self._seen: OrderedDict[object, None] = OrderedDict()

    def next_call(self) -> Call[Page[Result]] | None:
        """Return what to ask next; None at the end."""
        if self._is_done:
            return None
        arguments = self._call.arguments
        if self._body is None:
            arguments = replace(arguments, query={**arguments.query, "page": self._number})
        else:
            arguments = replace(arguments, json={**self._body, "page": self._number})
        return Call(self._call.operation, arguments)  # type: ignore[arg-type]

    def take(self, page: Page[Result]) -> list[Result]:
        """Return the items of an answer that are new."""
        limit = page.meta.limit or self._limit
        if missing := self._missing(page):
            self._number -= min(-(-missing // limit), self._number - 1)
            self._steps_back += 1
            return []
        self._is_done = self._is_last(page, limit)
        self._number += 1
        return [item for item in page.data if self._is_new(item)]

    def _missing(self, page: Page[Result]) -> int:
        """Return how many items have gone since the last page, when that calls for reading pages again."""
        before, self._total = self._total, None if page.meta.total_is_lower_bound else page.meta.total_count
        if before is None or self._total is None or self._number == 1 or self._steps_back >= _MOST_STEPS_BACK:
            return 0
        return max(0, before - self._total)

    def _is_last(self, page: Page[Result], limit: int) -> bool:
        if page.meta.total_pages and not page.meta.total_is_lower_bound:
            return self._number >= page.meta.total_pages
        return len(page.data) < limit

    def _is_new(self, item: Result) -> bool:
        key = getattr(item, self._member)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self._steps_back = 0
        return True
