"""The collections of a project: how much is in each, what its payloads look like, and which indexes serve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.orders import SortKey
from serai.records.paging import FIRST_PAGE, Page, bind, make_page_token, read_page_token
from serai.records.paths import Path, format_path
from serai.records.payload import REFUSED
from serai.records.render import format_time, microseconds, render_items
from serai.records.shapes import shape_from_json
from serai.storage.connection import Database

SAMPLED_AT_EACH_END = 200  # records
SAMPLED_BYTES = 1024 * 1024  # as stored
MOST_FIELDS = 200
DEEPEST_FIELD = 10  # names

# The names of collections after one: each is found in the index by the one before, whatever they hold. Beside those
# that hold records stand those for which somebody has asked for an index.
NAMES = """
with recursive found as (
    ({first})
    union all
    select next.* from found cross join lateral ({next}) as next
)
(select deployment_name, collection from found limit {limit})
union
(select distinct deployment_name, collection from record_indexes
 where {indexed} order by deployment_name, collection limit {limit})
order by deployment_name, collection limit {limit}
"""
NAME = "select deployment_name, collection from records where {condition} order by deployment_name, collection limit 1"

# What one collection, $1 to $3, holds. The limits are literals: they belong to the plan.
_FACTS = """
with recursive ends as (
    (select id, row_number() over (order by created_at desc, id desc) as turn from records
     where project_id = $1 and deployment_name = $2 and collection = $3
     order by created_at desc, id desc limit {ends})
    union all
    (select id, row_number() over (order by created_at, id) as turn from records
     where project_id = $1 and deployment_name = $2 and collection = $3
     order by created_at, id limit {ends})
),
picked as (select id, min(turn) as turn from ends group by id),
sized as materialized (
    select records.data, pg_column_size(records.data) as size,
           sum(pg_column_size(records.data)) over (order by picked.turn, picked.id) as size_so_far
    from picked join records on records.project_id = $1 and records.id = picked.id
),
members(path, value) as (
    select array[member.key], member.value from sized cross join lateral jsonb_each(sized.data) as member
    where sized.size_so_far - sized.size < {bytes}
    union all
    select path || member.key, member.value from members
    cross join lateral jsonb_each(case jsonb_typeof(members.value) when 'object' then members.value end) as member
    where cardinality(path) < {depth}
),
seen as (
    select path, case when value = '[]' or jsonb_typeof(value) <> 'array' then array[jsonb_typeof(value)]
                 else array(select distinct jsonb_typeof(element) || '[]' from jsonb_array_elements(value) as element)
                 end as types
    from members
),
fields as (
    select path, array_agg(distinct type) as types
    from (select path, unnest(types) as type, count(*) over (partition by path) as frequency from seen) as each_type
    where '' <> all(path)
    group by path order by max(frequency) desc, path limit {fields}
)
select
    (select count(*) from records where project_id = $1 and deployment_name = $2 and collection = $3) as count,
    (select coalesce(avg(size), 0)::float8 from sized) as size,
    (select coalesce(jsonb_agg(jsonb_build_array(path, types)), '[]')::text from fields) as fields
"""
FACTS = _FACTS.format(ends=SAMPLED_AT_EACH_END, bytes=SAMPLED_BYTES, fields=MOST_FIELDS, depth=DEEPEST_FIELD)

# The indexes of a project's collections, how large they are, and how often PostgreSQL has read them.
_INDEXES = """
select deployment_name, collection, name, kind, shape::text as shape, declared, state, error,
       greatest(uses, used.idx_scan) as uses, pg_relation_size(indexrelid) as bytes,
       {created} as created_at, {built} as built_at, {last_used} as last_used_at
from record_indexes left join pg_stat_user_indexes as used on indexrelid = to_regclass(quote_ident(name))
where project_id = $1 and (deployment_name, collection) in (select * from unnest($2::text[], $3::text[]))
order by record_indexes.created_at, name
"""
INDEXES = _INDEXES.format(
    created=microseconds("created_at"),
    built=microseconds("built_at"),
    last_used=microseconds("greatest(last_used_at, used.last_idx_scan)"),
)

_KEYS = (SortKey("deployment_name", "text", descending=False), SortKey("collection", "text", descending=False))
_fields = msgspec.json.Decoder(list[tuple[list[str], list[str]]])
_shape = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A question for the collections of a project.

    Attributes:
        project_id: the project.
        deployment_name: None is all deployments.
        page: which page; its `skip` does not matter.
    """

    project_id: str
    deployment_name: str | None = None
    page: Page = FIRST_PAGE


async def list_collections(database: Database, listing: Listing) -> bytes:
    """Return one page of collections as JSON, by the names of deployments and collections.

    Counting costs most: it reads one index entry a record.

    Raises:
        InvalidFieldError: the page token is not valid.
    """
    binding = bind("collections", listing.project_id, listing.deployment_name)
    limit = listing.page.limit
    names = await _find_names(database, listing, binding) if limit else []
    indexes = await _find_indexes(database, listing.project_id, names[:limit])
    items = [
        _render(name, await database.fetchrow(FACTS, listing.project_id, *name), indexes.get(name, ()))
        for name in names[:limit]
    ]
    token = make_page_token(names[limit - 1], binding) if len(names) > limit else None
    return render_items(items, next_page_token=token, total=None)


async def _find_names(database: Database, listing: Listing, binding: bytes) -> list[tuple[str, str]]:
    """Return the names of the page's deployments and collections, and those of the one that follows."""
    arguments = Arguments()
    statement = names_statement(listing, _read_token(listing.page.token, binding), arguments)
    try:
        rows = await database.fetch(statement, *arguments.values)
    except REFUSED as error:
        raise _bad_token(listing.page.token) from error
    return [(row[0], row[1]) for row in rows]


def names_statement(listing: Listing, after: Sequence[str], arguments: Arguments) -> str:
    """Return the statement that finds the names of a page and the next one; `after` are the last ones before."""
    project = f"project_id = {arguments.add(listing.project_id, 'text')}"
    if listing.deployment_name is None:
        columns = "(deployment_name, collection)"
        ending = f"({', '.join(arguments.add(name, 'text') for name in after)})"
        previous = "(found.deployment_name, found.collection)"
    else:
        project = f"{project} and deployment_name = {arguments.add(listing.deployment_name, 'text')}"
        columns, ending, previous = "collection", arguments.add(after[1], "text"), "found.collection"
    condition = f"{project} and {columns} > {ending}"
    return NAMES.format(
        first=NAME.format(condition=condition),
        next=NAME.format(condition=f"{project} and {columns} > {previous}"),
        indexed=condition,
        limit=arguments.add(listing.page.limit + 1, "bigint"),
    )


async def _find_indexes(
    database: Database, project_id: str, names: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], list[asyncpg.Record]]:
    deployments, collections = [name[0] for name in names], [name[1] for name in names]
    found: dict[tuple[str, str], list[asyncpg.Record]] = {}
    for row in await database.fetch(INDEXES, project_id, deployments, collections) if names else ():
        found.setdefault((row["deployment_name"], row["collection"]), []).append(row)
    return found


def _read_token(token: str | None, binding: bytes) -> Sequence[str]:
    if token is None:
        return ("", "")  # before all names: none is empty
    try:
        return read_page_token(token, _KEYS, binding)
    except InvalidFieldError as error:
        raise _bad_token(token) from error


def _bad_token(token: str | None) -> InvalidFieldError:
    msg = "not a token of this question"
    return InvalidFieldError.of(("query", "page_token"), msg, kind="page_token", given=token)


def _render(name: tuple[str, str], facts: asyncpg.Record | None, indexes: Sequence[asyncpg.Record]) -> bytes:
    assert facts is not None
    members = {
        "deployment_name": name[0],
        "collection": name[1],
        "count": facts["count"],
        "bytes": round(facts["count"] * facts["size"]),
        "fields": [
            {"path": format_path(Path(tuple(path))), "types": sorted(types)}
            for path, types in sorted(_fields.decode(facts["fields"]))
        ],
        "indexes": [_describe_index(row) for row in indexes],
    }
    return _encode(members)


def _describe_index(row: asyncpg.Record) -> dict[str, Any]:
    shape = _shape.decode(row["shape"])
    return {
        "name": row["name"],
        "kind": row["kind"],
        "fields": [format_path(path) for path in shape_from_json(shape).fields],
        "shape": shape,
        "declared": row["declared"],
        "state": row["state"],
        "error": row["error"],
        "bytes": row["bytes"],
        "uses": row["uses"],
        "created_at": _time(row["created_at"]),
        "built_at": _time(row["built_at"]),
        "last_used_at": _time(row["last_used_at"]),
    }


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_time(moment).decode()
