"""A collection of records that answers the protocol's questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tests.oracle.filters import read_filter
from tests.oracle.groups import Group, make_groups, sort_groups
from tests.oracle.orders import sort_records
from tests.oracle.record import Record
from tests.oracle.refusal import RefusedError

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A page, and whether it comes with a token."""

    items: Sequence[Item]
    has_more: bool
    total_size: int | None


@dataclass
class Collection:
    """Records in the order of insertion. Each question takes the members of its request's body.

    Every question raises ``RefusedError`` where a server answers 422.
    """

    records: list[Record] = field(default_factory=list)

    def search(self, *, filter: Any = None, order_by: str | None = None, **paging: Any) -> Page[Record]:  # noqa: A002
        """Return a page of the records that match."""
        return _cut(sort_records(self._matching(filter), order_by), **paging)

    def aggregate(
        self,
        *,
        filter: Any = None,  # noqa: A002
        group_by: Sequence[str] | None = None,
        order_by: str | None = None,
        **paging: Any,
    ) -> Page[Group]:
        """Return a page of the groups of the records that match."""
        groups = make_groups(self._matching(filter), group_by or ())
        return _cut(sort_groups(groups, group_by or (), order_by), **paging)

    def delete(self, *, filter: Any = None) -> int:  # noqa: A002
        """Remove the records that match; returns their number."""
        leaving = {record.id for record in self._matching(filter)}
        self.records = [record for record in self.records if record.id not in leaving]
        return len(leaving)

    def _matching(self, wanted: Any) -> list[Record]:
        return list(filter(read_filter(wanted), self.records))


def _cut(
    items: Sequence[Item], *, page_size: int | None = None, offset: int | None = None, include_total: bool | None = None
) -> Page[Item]:
    for number in (page_size, offset):
        if number is not None and (type(number) is not int or number < 0):
            raise RefusedError(number)
    start = offset or 0
    size = DEFAULT_PAGE_SIZE if page_size is None else min(page_size, LARGEST_PAGE_SIZE)
    page = items[start : start + size]
    return Page(page, bool(page) and start + size < len(items), len(items) if include_total else None)
