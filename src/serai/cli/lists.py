"""What commands about things that come in lists have in common: their flags, and how a list is printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from serai.cli.tables import printable, table_text

if TYPE_CHECKING:
    from pydantic import BaseModel

    from serai.wire.pages import Page, PageMeta

    Item = TypeVar("Item", bound=BaseModel)

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The most to list.")]
PageNumber = Annotated[int, typer.Option("--page", min=1, help="Which page of that many.")]
Whole = Annotated[bool, typer.Option("--all", help="List all of them.")]
User = Annotated[str | None, typer.Option("--user", help="Only of this user.", show_default=False)]
Owner = Annotated[str | None, typer.Option("--user", help="Only if it is this user's.", show_default=False)]
OwnerOfEach = Annotated[str | None, typer.Option("--user", help="Only those of this user.", show_default=False)]

DEFAULT_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is wanted."""

    limit: int
    page: int
    is_whole: bool = False

    def fetch(
        self,
        pages: Callable[..., Page[Item]],
        every: Callable[..., Iterable[Item]],
        **filters: Any,
    ) -> tuple[Iterable[Item], PageMeta | None]:
        """Ask for it: one page, or an iterator over all of them.

        Args:
            pages: the client's method for a page.
            every: its method for all pages.
            filters: what both take.
        """
        if self.is_whole:
            return every(**filters), None
        page = pages(**filters, limit=self.limit, page=self.page)
        return page.data, page.meta


@dataclass(frozen=True, slots=True)
class Columns:
    """How items become a table.

    Attributes:
        heading: the columns' names.
        row_of: the cells of an item.
        right: numbers of the columns that hold numbers.
        nothing: what is said when there is no item.
    """

    heading: Sequence[str]
    row_of: Callable[[Any], Sequence[str]]
    nothing: str
    right: frozenset[int] = frozenset()


def print_list(items: Iterable[BaseModel], columns: Columns, *, as_json: bool, meta: PageMeta | None = None) -> None:
    """Print items as a table, or as JSON as they come; below a page that is not the last one, how to see more."""
    from serai.cli.output import json_line  # noqa: PLC0415 - loaded with the models

    if as_json:
        for item in items:
            print(json_line(item, exclude_none=True))
        return
    rows = [columns.row_of(item) for item in items]
    if not rows:
        nothing = columns.nothing
        if meta is not None and meta.page > meta.total_pages > 0 and not meta.total_is_lower_bound:
            nothing = f"Page {meta.page:,} is past the last one, {meta.total_pages:,}."
        print(nothing, file=sys.stderr)
        return
    print(table_text(columns.heading, rows, right=columns.right))
    if meta is not None and (meta.page < meta.total_pages or (meta.total_is_lower_bound and len(rows) == meta.limit)):
        count = f"{'more than ' if meta.total_is_lower_bound else ''}{meta.total_count:,}"
        print(f"{len(rows):,} of {count}; the next: --page {meta.page + 1}", file=sys.stderr)


def print_removed(ids: Iterable[str]) -> None:
    """Say what was removed; a server does not tell which of it was there."""
    print(printable(f"Removed, if they were there: {', '.join(ids)}"))
