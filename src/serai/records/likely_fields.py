"""Which fields of a collection may be asked for next, so that one filling of slots serves the indexes that follow."""

from __future__ import annotations

from collections.abc import Collection

from serai.records.paths import Path
from serai.records.place import Place
from serai.records.slots import SLOTS, can_have_slot
from serai.storage.connection import Connection

SAMPLE = 200  # records
LONGEST = 64  # bytes as JSON

# Names of members that most of the newest records have as a short scalar; first those with the fewest values, which
# are filtered and grouped by most.
LIKELY = """
with newest as (
    select data from records where project_id = $1 and deployment_name = $2 and collection = $3
    order by created_at desc, id desc limit $4
)
select member.key as name from newest cross join lateral jsonb_each(data) as member
where member.key <> ''
group by member.key
having bool_and(jsonb_typeof(value) not in ('array', 'object')) and max(octet_length(value::text)) <= $5
   and 2 * count(*) filter (where value <> 'null') > (select count(*) from newest)
order by count(distinct value), member.key
"""


async def find_likely_fields(connection: Connection, place: Place, asked: Collection[Path]) -> list[Path]:
    """Return fields that may be asked for next, the likeliest first, written as those that are asked for now."""
    rows = await connection.fetch(LIKELY, place.project_id, place.deployment_name, place.collection, SAMPLE, LONGEST)
    is_below = bool(asked) and all(path.or_below_data for path in asked)
    paths = [Path((row["name"],), or_below_data=is_below and row["name"] != "data") for row in rows]
    known = {path.segments for path in asked}
    return [path for path in paths if path.segments not in known and can_have_slot(path)][:SLOTS]
