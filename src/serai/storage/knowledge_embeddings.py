"""Which model the vectors of a base are of, and the vectors of texts that a model was asked for before."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from serai.storage.connection import Connection, Database

KEPT_DAYS: Final = 30

# Those that are used are kept on; a day is near enough, and no writer waits for another.
_FIND = """
with unused as materialized (
    select sha256 from knowledge_embeddings
    where project_id = $1 and model = $2 and dimensions = $3 and sha256 = any($4::bytea[])
      and used_at < now() - interval '1 day'
    for no key update skip locked
), touched as (
    update knowledge_embeddings set used_at = now()
    where project_id = $1 and model = $2 and dimensions = $3 and sha256 in (select sha256 from unused)
)
select sha256, vector from knowledge_embeddings
where project_id = $1 and model = $2 and dimensions = $3 and sha256 = any($4::bytea[])"""

# The content is held: whoever removes it, and then what is kept of its user, waits for this, or this for them.
_KEEP = """
with held as materialized (
    select from knowledge_contents where project_id = $1 and base_id = $7 and id = $8 for key share
)
insert into knowledge_embeddings (project_id, model, dimensions, user_id, sha256, vector)
select $1, $2, $3, $4, sha256, vector from unnest($5::bytea[], $6::bytea[]) as item(sha256, vector)
where $8::uuid is null or exists (select from held)
order by sha256
on conflict do nothing"""

_FORGET = """
delete from knowledge_embeddings where (project_id, model, dimensions, sha256) in (
    select project_id, model, dimensions, sha256 from knowledge_embeddings
    where used_at < now() - make_interval(days => $1) order by used_at limit $2 for update skip locked
)"""

# The first one settles it, for as long as the base has contents.
_SETTLE = """
insert into knowledge_models (project_id, base_id, model, dimensions) values ($1, $2, $3, $4)
on conflict (project_id, base_id) do update set model = knowledge_models.model
returning model, dimensions"""

_RELEASE = """
delete from knowledge_models as settled
where base_id = $1 and not exists (
    select from knowledge_contents as content
    where content.project_id = settled.project_id and content.base_id = settled.base_id
)"""

_SETTLED = "select distinct model, dimensions from knowledge_models where base_id = $1 order by model, dimensions"


@dataclass(frozen=True, slots=True)
class VectorKind:
    """What vectors must share to be comparable."""

    model: str
    dimensions: int


async def settled_kinds(database: Database, base_id: str) -> list[VectorKind]:
    """Return of what kind a base's vectors are, in all projects: a base is declared for all of them.

    Where it holds nothing any more, that is forgotten.
    """
    await database.execute(_RELEASE, base_id)
    return [VectorKind(row["model"], row["dimensions"]) for row in await database.fetch(_SETTLED, base_id)]


async def settle(connection: Connection, project_id: str, base_id: str, kind: VectorKind) -> VectorKind:
    """Return of what kind a base's vectors are: as given, unless that was settled before."""
    row = await connection.fetchrow(_SETTLE, project_id, base_id, kind.model, kind.dimensions)
    assert row is not None
    return VectorKind(row["model"], row["dimensions"])


async def find_embeddings(
    database: Database, project_id: str, kind: VectorKind, hashes: Sequence[bytes]
) -> dict[bytes, array[float]]:
    """Return the vectors that are kept, by the hashes of their texts."""
    rows = await database.fetch(_FIND, project_id, kind.model, kind.dimensions, hashes)
    return {row["sha256"]: _load(row["vector"]) for row in rows}


async def keep_embeddings(
    database: Database,
    project_id: str,
    kind: VectorKind,
    vectors: Mapping[bytes, array[float]],
    *,
    user_id: str | None,
    content: tuple[str, UUID] | None = None,
) -> None:
    """Keep vectors by the hashes of their texts; those that are there already stay as they are.

    Args:
        database: where they are kept.
        project_id: whose they are.
        kind: what they are of.
        vectors: by the hashes.
        user_id: whose they are, within the project.
        content: base and id of the content they are for; nothing is kept of one that is gone.
    """
    dumped = [_dump(vector) for vector in vectors.values()]
    place = content or (None, None)
    await database.execute(_KEEP, project_id, kind.model, kind.dimensions, user_id, [*vectors], dumped, *place)


async def forget_embeddings(database: Database, *, unused_days: int = KEPT_DAYS, limit: int = 10_000) -> int:
    """Remove vectors that nobody used for so long, of all projects; return how many went. They cost a call each."""
    return int((await database.execute(_FORGET, unused_days, limit)).split()[-1])


def _dump(vector: array[float]) -> bytes:
    return _swapped(vector).tobytes()


def _load(data: bytes) -> array[float]:
    return _swapped(array("f", data))


def _swapped(vector: array[float]) -> array[float]:
    if sys.byteorder == "little":
        return vector
    swapped = vector[:]
    swapped.byteswap()
    return swapped
