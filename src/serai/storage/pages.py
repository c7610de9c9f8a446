"""Pages of lists: the first one, and those far in, walked to from the nearer end of the list or of one of its days.

The texts are made of what the caller gives, never of what a client wrote.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

FAR: Final = 1000
"""Up to so many rows are passed as fast as days are added up: the argument for `far_page_by_days`."""

_LIMITS: Final = (20, 100, 1_000, 10_000)

# The limit is a number in the text: PostgreSQL would plan for a tenth of the table.
_FIRST = """
select total, page.*
from (select {total} as total) as counted left join lateral (
    select {columns} from {table} where {where} order by {order} limit {most}) as page on true
order by {order}"""

# The list as a whole.
_WHOLE = """
select 0 as before, total as upto, {near} as near, {far} as far from counted"""

# Its days, in its order: how many rows come before each and up to its end, and the times that bound it. Only for what
# is far from both ends.
_DAYS = """
union all
select (sum(number) over passed - number)::bigint, (sum(number) over passed)::bigint, {near}, {far}
from (
    select day, sum(number) as number from ({days}) as told
    where (select least({offset}, total - {offset} - {limit}) > {least} from counted)
    group by day
) as days
window passed as (order by day {direction})"""

# The ids of the page, from the place before it or from the one behind it, whichever is nearer; then its rows.
_FAR = """
with counted as materialized (
    select ({total}) as total
), place as materialized ({places}
), bounds as (
    select total, least({offset} + {limit}, total) as stop from counted
), walk as materialized (
    select total, near, far, greatest(stop - {offset}, 0) as rows, coalesce({offset} - before, 0) as passed,
           coalesce(upto - stop, 0) as left_over, {offset} - before <= upto - stop as is_forward
    from bounds
    left join lateral (
        select near, before from place where before <= {offset} order by before desc, upto desc limit 1
    ) as first on true
    left join lateral (
        select far, upto from place where upto >= stop order by upto, before desc limit 1
    ) as last on true
), page as (
    (select {sorted_by} from {table} where {where}{from_near} order by {order}
     limit (select case when is_forward then rows else 0 end from walk) offset (select passed from walk))
    union all
    (select {sorted_by} from {table} where {where}{to_far} order by {reverse}
     limit (select case when is_forward then 0 else rows end from walk) offset (select left_over from walk))
)
select total, page.*
from walk left join lateral (
    select stored.* from page cross join lateral (
        select {columns} from {table} where project_id = $1 and {table}.{key} = page.{key} offset 0) as stored
) as page on true
order by {order}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of rows that have a `project_id`, the first argument, and an id.

    Attributes:
        table: where they are.
        where: which of them.
        columns: what is wanted of each.
        sorted_by: the columns in which `order` is told, and the id.
        order: what it is sorted by.
        reverse: the same from the end.
        key: the column of the id.
    """

    table: str
    where: str
    columns: str
    sorted_by: str
    order: str
    reverse: str
    key: str = "id"


def first_rows(limit: int) -> int:
    """Return how many rows the statement of a first page returns that has so many."""
    return next(most for most in _LIMITS if limit <= most)


def first_page(listing: Listing, *, total: str, most: int) -> str:
    """Return the statement of a first page: `total` and the columns, of null when the page is empty.

    Args:
        listing: what is listed.
        total: SQL of the number of its rows.
        most: of `first_rows`.
    """
    return _FIRST.format(**asdict(listing), total=total, most=most)


def far_page(listing: Listing, *, total: str, limit: str, offset: str) -> str:
    """Return the statement of another page.

    Args:
        listing: what is listed.
        total: SQL of the number of its rows.
        limit: of the page; SQL of type bigint.
        offset: of the page, too.

    Cost: what lies between the page and the nearer end of the list.
    """
    places = _WHOLE.format(near="null", far="null")
    return _FAR.format(
        **asdict(listing), total=total, places=places, limit=limit, offset=offset, from_near="", to_far=""
    )


def far_page_by_days(  # noqa: PLR0913 - each is a part of the text
    listing: Listing,
    *,
    total: str,
    limit: str,
    offset: str,
    at: str,
    is_descending: bool,
    days: str,
    least: str,
    day_after: str = "(day + 1)::timestamptz",
) -> str:
    """Return the same for a list in the order of a time; far from both ends at the cost of one of its days.

    Args:
        listing: what is listed.
        total: SQL of the number of its rows.
        limit: of the page; SQL of type bigint.
        offset: of the page, too.
        at: the column of the time.
        is_descending: the latest come first.
        days: SQL of the numbers of its rows by days in UTC, columns `day` and `number`; those of a day are added up.
        least: SQL of how far that is: `FAR`.
        day_after: SQL of the end of `day`; the days may be other spans of time.
    """
    begin, end, never, ever = "day::timestamptz", day_after, "'-infinity'", "'infinity'"
    if is_descending:
        begin, end, never, ever = end, begin, ever, never
    before, behind, direction = ("<", ">=", "desc") if is_descending else (">=", "<", "asc")
    page = {"limit": limit, "offset": offset}
    places = _WHOLE.format(near=f"timestamptz {never}", far=f"timestamptz {ever}")
    places += _DAYS.format(days=days, near=begin, far=end, direction=direction, least=least, **page)
    return _FAR.format(
        **asdict(listing),
        **page,
        total=total,
        places=places,
        from_near=f" and {at} {before} (select near from walk)",  # noqa: S608 - our own text
        to_far=f" and {at} {behind} (select far from walk)",  # noqa: S608
    )
