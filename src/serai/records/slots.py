"""Slots: typed copies of a hot collection's hot fields in a narrow table, kept by the statements that write records.

Each statement joins `record_places`, so that a write on any node knows the slots as of its own snapshot. What is too
long for an index, and arrays and objects, have no lanes; `odd` tells which slots of a row that concerns.
"""

from __future__ import annotations

from collections.abc import Sequence

from serai.records.fields import lanes_of
from serai.records.paths import Path

SLOTS = 8
LONGEST_TEXT = 400  # bytes; five of them and an id fit into one index entry
LONGEST_NUMBER = 40  # digits

_NUMBERS = range(1, SLOTS + 1)
_LANES = tuple(f"{lane}{number}" for number in _NUMBERS for lane in "knt")


def paths_of_slot(path: Path) -> tuple[list[str], list[str] | None]:
    """Return where a field is in a payload, and where else to look, as `record_places` keeps it."""
    return list(path.segments), ["data", *path.segments] if path.or_below_data else None


def can_have_slot(path: Path) -> bool:
    """Tell whether a field may have one: with a path that holds a number PostgreSQL would index arrays."""
    return not any(segment.lstrip("+-").strip().isdigit() for segment in path.segments)


def long_bit(slot: int) -> int:
    """Return the bit of `odd` for a value too long for a slot."""
    return 1 << (slot - 1)


def nested_bit(slot: int) -> int:
    """Return the bit of `odd` for an array or an object in a slot."""
    return 1 << (slot - 1 + SLOTS)


def _is_long(value: str) -> str:
    return (
        f"case jsonb_typeof({value}) when 'string' then octet_length({value} #>> '{{}}') > {LONGEST_TEXT} "
        f"when 'number' then length({value}::text) > {LONGEST_NUMBER} else false end"
    )


def _odd(slot: int) -> str:
    value = f"v{slot}"
    return (
        f"case when {_is_long(value)} then {long_bit(slot)} "
        f"when jsonb_typeof({value}) in ('array', 'object') then {nested_bit(slot)} else 0 end"
    )


def _lanes(slot: int) -> Sequence[str]:
    kind, number, text = lanes_of(f"v{slot}")
    return kind, *(f"case when {_is_long(f'v{slot}')} then null else {lane} end" for lane in (number, text))


_VALUES = ", ".join(
    f"coalesce(row.data #> place.path_{number}, row.data #> place.else_{number}) as v{number}" for number in _NUMBERS
)
_CHANGED = f"(kept.created_at, kept.odd, {', '.join(f'kept.{lane}' for lane in _LANES)})"
_NEW = f"(excluded.created_at, excluded.odd, {', '.join(f'excluded.{lane}' for lane in _LANES)})"


_KEEP = """
    insert into record_slots as kept (place, id, created_at, odd, {columns})
    select place.number, row.id, row.created_at, {odd}, {lanes}
    from {rows} as row join record_places as place using (project_id, deployment_name, collection)
         cross join lateral (select {values} offset 0) as slot
    order by place.number, row.id
    on conflict (place, id) do update set created_at = excluded.created_at, odd = excluded.odd, {renewed}
    where {old} is distinct from {new}
"""
_DROP = """
    delete from record_slots
    using {rows} as row join record_places as place using (project_id, deployment_name, collection)
    where record_slots.place = place.number and record_slots.id = row.id
"""


def keep_slots(rows: str) -> str:
    """Return the statement that stores or renews the slots of records.

    Args:
        rows: a relation with the records' project_id, deployment_name, collection, id, created_at and data (jsonb).
    """
    return _KEEP.format(
        rows=rows,
        columns=", ".join(_LANES),
        odd=" + ".join(_odd(number) for number in _NUMBERS),
        lanes=", ".join(lane for number in _NUMBERS for lane in _lanes(number)),
        values=_VALUES,
        renewed=", ".join(f"{lane} = excluded.{lane}" for lane in _LANES),
        old=_CHANGED,
        new=_NEW,
    )


def drop_slots(rows: str) -> str:
    """Return the statement that removes the slots of records.

    Args:
        rows: a relation with the records' project_id, deployment_name, collection and id.
    """
    return _DROP.format(rows=rows)


# Fill the slots of some records after one, in order of insertion; returns where this ended, or no row at the end.
# Locks the records in the order of their ids, as every other statement does. $1 to $3 name the collection, $4 and $5
# the time and id of the record before, $6 says how many.
_FILL = """
with next as materialized (
    select project_id, id, created_at from records
    where project_id = $1 and deployment_name = $2 and collection = $3
      and (created_at, id) > ($4::timestamptz, $5::text)
    order by created_at, id limit $6
), locked as materialized (
    select records.* from records join next using (project_id, id)
    order by records.project_id, records.id for share of records
), kept as ({slots})
select created_at, id, (select count(*) from next) as count from next order by created_at desc, id desc limit 1
"""
FILL = _FILL.format(slots=keep_slots("locked"))

# Remove slots whose record is gone: a delete that overlapped a fill did not see them. $1 is the number of the
# collection, $2 to $4 name it.
SWEEP = """
delete from record_slots
where place = $1 and not exists (
    select from records
    where project_id = $2 and deployment_name = $3 and collection = $4 and records.id = record_slots.id
)
"""

# Fill the slots of records that have none, perhaps since a sweep took those of a record that was deleted and made again
# at that moment. Parameters as above.
REFILL = f"""
with missing as materialized (
    select records.* from records
    where project_id = $2 and deployment_name = $3 and collection = $4 and not exists (
        select from record_slots as kept
        where kept.place = $1 and kept.id = records.id and kept.created_at = records.created_at
    )
    order by project_id, id for share of records
), kept as ({keep_slots("missing")})
select count(*) from missing
"""  # noqa: S608 - our own text
