"""Vectors of chunks: where PostgreSQL has pgvector they are stored, indexed by their lengths, and searched.

The statements are made of the length of vectors, a number; all that a caller says is an argument.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import hypot, isfinite
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from serai.domain.json_text import dump_json
from serai.domain.knowledge import MOST_RESULTS, ContentRecord, FoundChunk, SearchQuestion
from serai.storage.connection import Connection, Database, connect
from serai.storage.knowledge_chunks import Hit, as_found, filter_arguments, filter_sql, found_of

MOST_INDEXED_DIMENSIONS: Final = 4_000
"""pgvector indexes no longer ones; they are searched one by one."""

EXACT_CHUNKS: Final = 20_000
"""Up to so many chunks that may be meant are compared one by one."""

EXACT_SHARE: Final = 5_000
"""Up to so many where they are most of what the index has, so that it finds them without looking at others."""

_AT_ONCE: Final = 500
_LIMITS: Final = (10, 50, 100, MOST_RESULTS)
_MOST_SIZES: Final = 1_000
_TIMES_COST: Final = 200
_LOCK_PAUSE_S: Final = 0.05

_LOCK = "select pg_try_advisory_lock(hashtextextended('serai ' || $1, 0))"
_SESSION: Final = {"statement_timeout": "0", "lock_timeout": "0", "max_parallel_maintenance_workers": "0"}
_LONG_S: Final = 24 * 3600.0

_STATE = """
select exists(select from pg_available_extensions where name = 'vector') as is_available,
       to_regtype('halfvec') is not null as is_installed,
       to_regclass('knowledge_vectors') is not null as has_table,
       (select indisvalid from pg_index where indexrelid = to_regclass($1)) as is_valid"""

_HAS_SOME = "select exists(select from knowledge_vectors where dimensions = $1)"

_CREATE = """
create table if not exists knowledge_vectors (
    project_id text    not null,
    base_id    text    not null,
    content_id uuid    not null,
    position   integer not null,
    user_id    text,
    dimensions integer not null,
    embedding  halfvec not null,                            -- of length 1
    primary key (project_id, base_id, content_id, position),
    foreign key (project_id, base_id, content_id) references knowledge_contents on delete cascade
)"""
_INDEX = """
create index concurrently {name} on knowledge_vectors using hnsw ((embedding::halfvec({n})) halfvec_ip_ops)
where dimensions = {n}"""

_HAS_TYPE = "select to_regtype('halfvec') is not null"
_HAS_TABLE = "select to_regclass('knowledge_vectors') is not null"
_CLEAR = "delete from knowledge_vectors where project_id = $1 and base_id = $2 and content_id = $3"
_PUT = """
insert into knowledge_vectors (project_id, base_id, content_id, position, user_id, dimensions, embedding)
select project_id, base_id, id, $4, user_id, $5, $6::real[]::halfvec
from knowledge_contents where project_id = $1 and base_id = $2 and id = $3"""

# How many chunks may be meant, up to one more than are compared one by one, and about how many vectors there are.
_SIZE = """
select count(*) as meant,
       (select reltuples::bigint from pg_class where oid = to_regclass('knowledge_vectors')) as stored
from (select from knowledge_chunks where project_id = $1 and base_id = $2{filters} limit $3) as meant"""

# A limit that PostgreSQL knows when it plans, and then the one that is asked for.
_EXACT = """
select * from (
    select content_id, position, -(embedding <#> (select $3::real[]::halfvec)) as score
    from knowledge_vectors as vector
    where project_id = $1 and base_id = $2 and dimensions = {n}{filters}
    order by score desc, content_id, position limit {limit}
) as exact
limit $4"""

# The condition is one that no other index fits and that PostgreSQL holds for likely: it takes the index that brings the
# order, and reads there only until there are enough.
_NEAR = """
select content_id, position, -distance as score
from (
    select content_id, position, embedding::halfvec({n}) <#> (select $3::real[]::halfvec({n})) as distance
    from knowledge_vectors as vector
    where dimensions = {n} and case when project_id = $1 then base_id = $2 end{filters}
    order by embedding::halfvec({n}) <#> (select $3::real[]::halfvec({n})) limit {limit}
) as near
limit $4"""

# Asked of one vector after the other.
_OF_CHUNK = """
    and (select {condition} from knowledge_chunks as chunk
         where project_id = $1 and base_id = $2 and content_id = vector.content_id and position = vector.position)"""
_OF_CHUNKS = """
    and (content_id, position) in (
        select content_id, position from knowledge_chunks where project_id = $1 and base_id = $2 and {condition})"""


async def has_vectors(database: Database) -> bool:
    """Tell whether the database has pgvector; it is installed where PostgreSQL brings it and lets us."""
    state = await database.fetchrow(_STATE, "")
    assert state is not None
    if state["is_installed"] or not state["is_available"]:
        return bool(state["is_installed"])
    async with database.connection() as connection:
        return await _install(connection)


async def prepare(database: Database, dimensions: int) -> bool:
    """See that vectors of a length can be stored and searched; False when PostgreSQL has no pgvector.

    Safe when many nodes call it at once: one makes what is missing, the others wait. That takes no time: the index of
    vectors that are there already is left to `build_index`, and a search does without it.

    Args:
        database: which one.
        dimensions: of the vectors.

    Raises:
        DatabaseUnavailableError: PostgreSQL cannot be reached.

    Cost when all is there: one statement.
    """
    state = await database.fetchrow(_STATE, _index_name(dimensions))
    assert state is not None
    if state["has_table"]:
        is_indexed = state["is_valid"] or dimensions > MOST_INDEXED_DIMENSIONS
        if is_indexed or await database.fetchval(_HAS_SOME, dimensions):
            return True
    elif not (state["is_installed"] or state["is_available"]):
        return False
    async with _locked(database, "knowledge_vectors") as connection:
        if not await _install(connection):
            return False
        await connection.execute(_CREATE)
    await build_index(database, dimensions)
    return True


async def build_index(database: Database, dimensions: int) -> None:
    """See that vectors of a length have their index; while it is built, others read and write.

    Safe when many nodes call it at once: one builds, the others wait.

    Cost when it is there, or there are no vectors: one statement.
    """
    name = _index_name(dimensions)
    if dimensions > MOST_INDEXED_DIMENSIONS or not await _lacks_index(database, name):
        return
    async with _locked(database, name) as connection:
        state = await connection.fetchrow(_STATE, name)
        assert state is not None
        if state["is_valid"] is False:  # left by a builder that died
            await connection.execute(f"drop index concurrently if exists {name}", timeout=_LONG_S)
        if not state["is_valid"]:
            await connection.execute(_INDEX.format(name=name, n=int(dimensions)), timeout=_LONG_S)


async def _lacks_index(database: Database, name: str) -> bool:
    state = await database.fetchrow(_STATE, name)
    assert state is not None
    return bool(state["has_table"]) and not state["is_valid"]


@asynccontextmanager
async def _locked(database: Database, what: str) -> AsyncIterator[Connection]:
    """Lend a connection that alone makes something."""
    connection = await connect(database.dsn, application_name="serai knowledge vectors", settings=_SESSION)
    try:
        # Polled, never waited for: `create index concurrently` would wait for the statement that waits.
        while not await connection.fetchval(_LOCK, what):  # noqa: ASYNC110
            await asyncio.sleep(_LOCK_PAUSE_S)
        yield connection
    finally:
        await connection.close(timeout=10)


async def _install(connection: Connection) -> bool:
    """Install pgvector; tell whether its type is there, which releases before 0.7 and schemas aside do not give us."""
    try:
        await connection.execute("create extension if not exists vector")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError):
        return False
    except (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError):  # another node was as quick
        pass
    return bool(await connection.fetchval(_HAS_TYPE))


async def put_vectors(connection: Connection, content: ContentRecord, vectors: Sequence[Sequence[float]]) -> None:
    """Store the vectors of a content's chunks, in the order of their positions, in the place of those it has.

    Args:
        connection: in a transaction, after `prepare` for this length.
        content: nothing is stored of one that is gone.
        vectors: of any size other than 0; one of nothing but zeros is near to nothing and not stored.

    Raises:
        ValueError: a number in a vector is not finite.
    """
    place = (content.project_id, content.base_id, content.id)
    await connection.execute(_CLEAR, *place)
    for start in range(0, len(vectors), _AT_ONCE):
        units = await asyncio.to_thread(_units, vectors[start : start + _AT_ONCE])
        rows = [(*place, start + at, len(unit), unit) for at, unit in enumerate(units, 1) if unit]
        await connection.executemany(_PUT, rows)


async def clear_vectors(connection: Connection, content: ContentRecord) -> None:
    """Remove the vectors of chunks that others without vectors take the place of."""
    if await connection.fetchval(_HAS_TABLE):
        await connection.execute(_CLEAR, content.project_id, content.base_id, content.id)


class _Size(NamedTuple):
    meant: int
    stored: int
    valid_until: float


class VectorSearch:
    """Searches bases by vectors: few chunks one by one, many by the index, which filters as it goes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sizes: dict[tuple[str, str, bytes], _Size] = {}

    async def find(self, question: SearchQuestion, vector: Sequence[float]) -> list[FoundChunk]:
        """Return the chunks whose vectors are nearest; their scores are the cosines, those below 0 are 0.

        Raises:
            asyncpg.UndefinedTableError: no vectors can be stored, or none were prepared.
        """
        return [found_of(row) for row in await self._find(question, vector, question.limit, as_found)]

    async def find_hits(self, question: SearchQuestion, vector: Sequence[float], most: int) -> list[Hit]:
        """Return the same, up to another number and without what the chunks say."""
        rows = await self._find(question, vector, most, lambda hits: hits)
        return [Hit(*row) for row in rows]

    async def _find(
        self, question: SearchQuestion, vector: Sequence[float], most: int, statement: Callable[[str], str]
    ) -> list[asyncpg.Record]:
        unit = _unit(vector)
        if not unit:
            return []
        place = (question.project_id, question.base_id)
        filters = filter_arguments(question.filters)
        condition = filter_sql(question.filters, "$5")

        async def run(sql: str, of_chunk: str) -> list[asyncpg.Record]:
            likely = next(limit for limit in _LIMITS if limit >= most)
            text = sql.format(n=len(unit), limit=likely, filters=condition and of_chunk.format(condition=condition))
            return await self._database.fetch(statement(text), *place, unit, most, *filters)

        if len(unit) <= MOST_INDEXED_DIMENSIONS and await self._are_many(question):
            found = await run(_NEAR, _OF_CHUNK)
            if len(found) >= most:
                return sorted(found, key=_order)
        return await run(_EXACT, _OF_CHUNKS)

    async def _are_many(self, question: SearchQuestion) -> bool:
        """Tell whether the index is faster than to compare what may be meant one by one."""
        size = await self._size(question, {})
        if size.meant > EXACT_CHUNKS:
            return not question.filters or (await self._size(question, question.filters)).meant > EXACT_CHUNKS
        return not question.filters and size.meant > EXACT_SHARE and size.meant > size.stored / 2

    async def _size(self, question: SearchQuestion, filters: Mapping[str, Any]) -> _Size:
        """Return how many chunks may be meant; counted anew after a while, as it only tells what is faster."""
        key = (question.project_id, question.base_id, dump_json(filters))
        begun = time.monotonic()
        known = self._sizes.get(key)
        if known is not None and begun < known.valid_until:
            return known
        condition = filter_sql(filters, "$4")
        sql = _SIZE.format(filters=condition and f" and {condition}")
        row = await self._database.fetchrow(sql, *key[:2], EXACT_CHUNKS + 1, *filter_arguments(filters))
        assert row is not None  # it counts
        now = time.monotonic()
        size = _Size(row["meant"], row["stored"] or 0, now + _TIMES_COST * (now - begun))
        if len(self._sizes) >= _MOST_SIZES:
            self._sizes.clear()
        self._sizes[key] = size
        return size


def _order(row: asyncpg.Record) -> tuple[float, UUID, int]:
    return -row["score"], row["content_id"], row["position"]


def _index_name(dimensions: int) -> str:
    return f"knowledge_vectors_{int(dimensions)}"


def _units(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    return [_unit(vector) for vector in vectors]


def _unit(vector: Sequence[float]) -> list[float]:
    """Return a vector of the same direction and length 1; empty of one that has no direction."""
    length = hypot(*vector)
    if not isfinite(length):
        raise ValueError("a vector has a number that is not finite")
    return [number / length for number in vector] if length else []
