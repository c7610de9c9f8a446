"""Contents of knowledge bases: stored with the job that takes them in, followed, listed, changed and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.json_text import dump_json, load_json
from serai.domain.knowledge import ContentOrigin, ContentPhase, ContentRecord, ContentStatus, NewContent
from serai.domain.stored_text import storable, storable_json
from serai.storage.connection import Connection, Database
from serai.storage.jobs import JobStore
from serai.storage.knowledge_chunks import replace_metadata, replace_name
from serai.storage.pages import Listing, far_page, first_page, first_rows

LONGEST_MESSAGE: Final = 2000
SORTS: Final = ("created_at", "updated_at", "name", "description", "type", "size", "status")
_LOOKED_AT: Final = 10_000
_MOST_KEYS: Final = 1_000
_PIECE_BYTES: Final = 256 * 1024

_NEW: Final = [member.name for member in fields(NewContent)]
_STORED_AS: Final = {member.name: member.name for member in fields(ContentRecord)} | {"total": "goal"}
_COLUMNS: Final = ", ".join(_STORED_AS.values())
_WAYS: Final = "{0}.reader_id, {0}.chunker, {0}.chunk_size, {0}.chunk_overlap"

# What is not said of a content anew stays as it was said before.
_AGAIN: Final = {
    "name": "coalesce(excluded.name, kept.name)",
    "description": "coalesce(excluded.description, kept.description)",
    "metadata": "case excluded.metadata when '{}' then kept.metadata else excluded.metadata end",
}
# One that failed is taken up again as it is given now. So is one that replaces, if it is a URL, or is to be read or cut
# in another way, or is still being taken in and would not replace all that was given before. Any other stays as it is,
# and no row is returned.
_ADD = f"""
insert into knowledge_contents as kept ({", ".join(_NEW)}, phase)
values ({", ".join(f"${at}" for at in range(1, len(_NEW) + 1))}, 'queued')
on conflict (project_id, base_id, id) do update
set {", ".join(f"{name} = {_AGAIN.get(name, f'excluded.{name}')}" for name in _NEW[3:])},
    status = 'processing', status_message = '', phase = 'queued', done = 0, goal = 0, updated_at = now()
where kept.status = 'failed' or excluded.replaces and case kept.status
    when 'completed' then excluded.url is not null
        or ({_WAYS.format("excluded")}) is distinct from ({_WAYS.format("kept")})
    else exists (
        select from knowledge_contents as other
        where other.project_id = kept.project_id and other.base_id = kept.base_id and other.name = excluded.name
          and other.id <> kept.id and (not kept.replaces or other.job_id > kept.job_id)
    ) end
returning {_COLUMNS}"""  # noqa: S608 - our own text
_SET_JOB = "update knowledge_contents set job_id = $4 where project_id = $1 and base_id = $2 and id = $3"
_CLEAR_SOURCE = "delete from knowledge_sources where project_id = $1 and base_id = $2 and content_id = $3"
_PUT_PIECE = """
insert into knowledge_sources (project_id, base_id, content_id, position, user_id, bytes)
select project_id, base_id, id, $4, user_id, $5 from knowledge_contents
where project_id = $1 and base_id = $2 and id = $3"""
_SOURCE = """
select bytes from knowledge_sources where project_id = $1 and base_id = $2 and content_id = $3 order by position"""

_GET = f"select {_COLUMNS} from knowledge_contents where project_id = $1 and base_id = $2 and id = $3"  # noqa: S608
_HOLD = f"{_GET} for update"

# What follows is done only while the job has it that was to take it in.
_OF_JOB = """
where project_id = $1 and base_id = $2 and id = $3 and job_id is not distinct from $4 and status = 'processing'"""
_ADVANCE = f"""
update knowledge_contents set phase = $5, done = $6, goal = $7, updated_at = now() {_OF_JOB} returning true"""  # noqa: S608
_EXPLAIN = f"update knowledge_contents set status_message = $5, updated_at = now() {_OF_JOB}"  # noqa: S608
# Two that replace each other would wait for each other's rows.
_LOCK_NAME = """
select pg_advisory_xact_lock(hashtextextended(array['serai knowledge name', $1, $2, $3]::text, 0))"""
_HOLD_OF_JOB = f"select {_COLUMNS} from knowledge_contents {_OF_JOB} for update"  # noqa: S608
_COMPLETE = f"""
update knowledge_contents
set status = 'completed', status_message = '', phase = null, done = 0, goal = 0, chunks = $5, updated_at = now(),
    media_type = coalesce($6, media_type), sha256 = coalesce($7, sha256), size = coalesce($8, size),
    name = coalesce(name, $9), has_vectors = $10
{_OF_JOB} returning {_COLUMNS}"""  # noqa: S608
_FAIL = f"""
update knowledge_contents set status = 'failed', status_message = $5, phase = null, updated_at = now() {_OF_JOB}
returning true"""  # noqa: S608
_UPDATE = f"""
update knowledge_contents
set name = coalesce($4, name), description = coalesce($5, description), metadata = coalesce($6::text::jsonb, metadata),
    updated_at = now()
where project_id = $1 and base_id = $2 and id = $3
returning {_COLUMNS}"""  # noqa: S608

_DELETE = """
delete from knowledge_contents where project_id = $1 and base_id = $2 and id = any($3::uuid[])
returning id, status, job_id"""
_DELETE_ALL = "delete from knowledge_contents where project_id = $1 and base_id = $2 returning id, status, job_id"
# Those that were given before; ids of jobs rise.
_OTHERS_OF_NAME = """
select id from knowledge_contents
where project_id = $1 and base_id = $2 and name = $3 and id <> $4 and (job_id is null or job_id < $5)"""
_KEYS = """
select distinct key
from (
    select metadata from knowledge_contents where project_id = $1 and base_id = $2
    order by created_at desc, id desc limit $3
) as newest, jsonb_object_keys(metadata) as key
order by key limit $4"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChanges:
    """What is to be said of a content from now on; None keeps what is there.

    Attributes:
        metadata: takes the place of all there is, in its chunks, too.
    """

    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became known of a content when it was taken in; None keeps what is there.

    Attributes:
        chunks: how many it has.
        name: where it has none.
        has_vectors: whether its chunks have vectors.
    """

    chunks: int
    media_type: str | None = None
    sha256: bytes | None = None
    size: int | None = None
    name: str | None = None
    has_vectors: bool = False


class ContentStore:
    """The contents of all bases.

    Args:
        database: where they are.
        language: in which chunks are found by the names that contents get.
    """

    def __init__(self, database: Database, *, language: str = "english") -> None:
        self._database = database
        self._language = language
        self._jobs = JobStore(database)

    async def add(
        self, new: NewContent, source: bytes | None, *, job_kind: str, connection: Connection | None = None
    ) -> tuple[ContentRecord, bool]:
        """Store a content, its bytes and the job that takes it in; return it, and whether it is new.

        Args:
            new: one that is there stays as it is, unless it failed, or replaces and would come out differently: then
                it is taken in again.
            source: None of a URL.
            job_kind: whose handler gets ``{"base_id", "content_id"}``.
            connection: within whose transaction; None is one of its own.
        """
        if connection is not None:
            return await self._add(connection, new, source, job_kind)
        async with self._database.transaction() as own:
            return await self._add(own, new, source, job_kind)

    async def get(self, project_id: str, base_id: str, content_id: UUID) -> ContentRecord | None:
        """Return a content."""
        row = await self._database.fetchrow(_GET, project_id, base_id, content_id)
        return None if row is None else _record(row)

    async def page(
        self,
        project_id: str,
        base_id: str,
        *,
        sort_by: str = "created_at",
        is_descending: bool = True,
        limit: int,
        offset: int = 0,
    ) -> tuple[list[ContentRecord], int]:
        """Return a page of a base's contents, and how many there are.

        Args:
            project_id: whose.
            base_id: of which base.
            sort_by: one of `SORTS`. By other than the creation and, on first pages, the name the whole base is sorted:
                of 50,000 contents in about 0.1 s.
            is_descending: the greatest first; what is equal comes in the order of the ids.
            limit: the most on the page.
            offset: how many come before it.

        Cost: a walk through the ids of the base; by anything but time and name through its rows.
        """
        order = (sort_by, is_descending)
        if offset:
            rows = await self._database.fetch(_far(*order), project_id, base_id, limit, offset)
        else:
            rows = await self._database.fetch(_first(*order, first_rows(limit)), project_id, base_id)
        return [_record(row) for row in rows[:limit] if row["id"] is not None], rows[0]["total"]

    async def update(
        self,
        project_id: str,
        base_id: str,
        content_id: UUID,
        changes: ContentChanges,
        connection: Connection | None = None,
    ) -> ContentRecord | None:
        """Change what is said of a content, in its chunks, too; None when there is none."""
        if connection is not None:
            return await self._update(connection, (project_id, base_id, content_id), changes)
        async with self._database.transaction() as own:
            return await self._update(own, (project_id, base_id, content_id), changes)

    async def source(self, project_id: str, base_id: str, content_id: UUID) -> bytes | None:
        """Return the bytes a content is made of, where they are stored."""
        rows = await self._database.fetch(_SOURCE, project_id, base_id, content_id)
        return await asyncio.to_thread(b"".join, [row["bytes"] for row in rows]) if rows else None

    async def put_source(self, project_id: str, base_id: str, content_id: UUID, source: bytes) -> None:
        """Store the bytes a content is made of; nothing happens when there is no such content."""
        async with self._database.transaction() as connection:
            await _put_source(connection, (project_id, base_id, content_id), source)

    async def advance(self, record: ContentRecord, phase: ContentPhase, done: int = 0, total: int = 0) -> bool:
        """Say how far a content is; False when its job should stop: it was removed, or another job has it."""
        return bool(await self._database.fetchval(_ADVANCE, *_of_job(record), phase.value, done, total))

    async def explain(self, record: ContentRecord, message: str) -> None:
        """Say why a content is not there yet; what is said in the end takes its place."""
        await self._database.execute(_EXPLAIN, *_of_job(record), storable(message[:LONGEST_MESSAGE]))

    async def hold(self, connection: Connection, record: ContentRecord) -> ContentRecord | None:
        """Return a content as it is now, held until the transaction ends; None when its job should stop.

        Others of its name that replace what they find wait for that, too.
        """
        if record.replaces and record.name is not None:
            await connection.execute(_LOCK_NAME, record.project_id, record.base_id, record.name)
        row = await connection.fetchrow(_HOLD_OF_JOB, *_of_job(record))
        return None if row is None else _record(row)

    async def complete(self, connection: Connection, record: ContentRecord, taken: TakenIn) -> list[UUID] | None:
        """End the taking in of a content, in the transaction that stores its chunks.

        Returns:
            Contents of the same name that went because this one replaces them; None when its job should stop.
        """
        name = taken.name and storable(taken.name)
        given = (taken.chunks, taken.media_type, taken.sha256, taken.size, name, taken.has_vectors)
        row = await connection.fetchrow(_COMPLETE, *_of_job(record), *given)
        if row is None:
            return None
        return await self.delete_namesakes(connection, _record(row), before=record.job_id) if row["replaces"] else []

    async def delete_namesakes(
        self, connection: Connection, record: ContentRecord, *, before: UUID | None
    ) -> list[UUID]:
        """Remove other contents of a content's name whose jobs came before one; return which there were."""
        if record.name is None:
            return []
        place = (record.project_id, record.base_id)
        others = await connection.fetch(_OTHERS_OF_NAME, *place, record.name, record.id, before)
        return await self._delete(connection, _DELETE, *place, [one["id"] for one in others])

    async def fail(self, record: ContentRecord, message: str) -> bool:
        """Write down for people why a content cannot be taken in; False when its job should stop."""
        text = storable(message[:LONGEST_MESSAGE])
        return bool(await self._database.fetchval(_FAIL, *_of_job(record), text))

    async def delete(
        self, project_id: str, base_id: str, ids: Sequence[UUID], connection: Connection | None = None
    ) -> list[UUID]:
        """Remove contents with all that is found of them, and stop their jobs; return those that were there."""
        if connection is not None:
            return await self._delete(connection, _DELETE, project_id, base_id, ids)
        async with self._database.transaction() as own:
            return await self._delete(own, _DELETE, project_id, base_id, ids)

    async def delete_all(self, project_id: str, base_id: str, connection: Connection | None = None) -> int:
        """Remove all contents of a base, and return how many there were."""
        if connection is not None:
            return len(await self._delete(connection, _DELETE_ALL, project_id, base_id))
        async with self._database.transaction() as own:
            return len(await self._delete(own, _DELETE_ALL, project_id, base_id))

    async def metadata_keys(self, project_id: str, base_id: str) -> list[str]:
        """Return the keys that contents of a base have in their metadata; of very many the newest contents tell."""
        rows = await self._database.fetch(_KEYS, project_id, base_id, _LOOKED_AT, _MOST_KEYS)
        return [row["key"] for row in rows]

    async def _add(
        self, connection: Connection, new: NewContent, source: bytes | None, job_kind: str
    ) -> tuple[ContentRecord, bool]:
        place = (new.project_id, new.base_id, new.id)
        row = await connection.fetchrow(_ADD, *_values(new))
        if row is None:
            there = await connection.fetchrow(_HOLD, *place)
            # Removed in between: then there is room for it.
            return (_record(there), False) if there else await self._add(connection, new, source, job_kind)
        if source is not None:
            await _put_source(connection, place, source)
        payload = {"base_id": new.base_id, "content_id": str(new.id)}
        job_id = await self._jobs.enqueue(
            job_kind, payload, project_id=new.project_id, user_id=new.user_id, connection=connection
        )
        await connection.execute(_SET_JOB, *place, job_id)
        return replace(_record(row), job_id=job_id), True

    async def _update(
        self, connection: Connection, place: tuple[str, str, UUID], changes: ContentChanges
    ) -> ContentRecord | None:
        before = await connection.fetchrow(_HOLD, *place)
        if before is None:
            return None
        metadata = None if changes.metadata is None else dump_json(storable_json(changes.metadata)).decode()
        texts = [None if text is None else storable(text) for text in (changes.name, changes.description)]
        row = await connection.fetchrow(_UPDATE, *place, *texts, metadata)
        assert row is not None  # it is held
        if row["metadata"] != before["metadata"]:
            await replace_metadata(connection, place, before=before["metadata"], after=row["metadata"])
        if row["name"] != before["name"]:
            await replace_name(connection, place, row["name"], language=self._language)
        return _record(row)

    async def _delete(self, connection: Connection, sql: str, project_id: str, *which: Any) -> list[UUID]:
        rows = await connection.fetch(sql, project_id, *which)
        for row in rows:
            if row["status"] == ContentStatus.PROCESSING and row["job_id"] is not None:
                await self._jobs.cancel(project_id, row["job_id"], connection=connection)
        return [row["id"] for row in rows]


async def _put_source(connection: Connection, place: tuple[str, str, UUID], source: bytes) -> None:
    """Store bytes in pieces: the event loop would stand still while it sends or receives many at once."""
    await connection.execute(_CLEAR_SOURCE, *place)
    starts = range(0, len(source), _PIECE_BYTES)
    pieces = ((*place, number, source[start : start + _PIECE_BYTES]) for number, start in enumerate(starts))
    await connection.executemany(_PUT_PIECE, pieces)


def _of_job(record: ContentRecord) -> tuple[str, str, UUID, UUID | None]:
    return record.project_id, record.base_id, record.id, record.job_id


def _values(new: NewContent) -> list[Any]:
    values = {name: getattr(new, name) for name in _NEW}
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = storable(value)
    return list((values | {"metadata": dump_json(storable_json(new.metadata)).decode()}).values())


def _record(row: asyncpg.Record) -> ContentRecord:
    values = {name: row[column] for name, column in _STORED_AS.items()}
    values["metadata"] = load_json(values["metadata"])
    values["origin"] = ContentOrigin(values["origin"])
    values["status"] = ContentStatus(values["status"])
    values["phase"] = None if values["phase"] is None else ContentPhase(values["phase"])
    return ContentRecord(**values)


_TOTAL: Final = "select count(*) from knowledge_contents where project_id = $1 and base_id = $2"


@cache
def _first(sort_by: str, is_descending: bool, most: int) -> str:
    return first_page(_listing(sort_by, is_descending), total=f"({_TOTAL})", most=most)


@cache
def _far(sort_by: str, is_descending: bool) -> str:
    listing = _listing(sort_by, is_descending)
    return far_page(listing, total=_TOTAL, limit="$3::bigint", offset="$4::bigint")


def _listing(sort_by: str, is_descending: bool) -> Listing:
    # What a content is of, as people see it: its media type, or that it is a text or a URL.
    column = {"type": "coalesce(media_type, origin)"}.get(sort_by, sort_by)
    assert sort_by in SORTS
    order, reverse = (f"{column} {way}, id {way}" for way in (("desc", "asc") if is_descending else ("asc", "desc")))
    return Listing(
        table="knowledge_contents",
        where="project_id = $1 and base_id = $2",
        columns=_COLUMNS,
        sorted_by="id, created_at, updated_at, name, description, media_type, origin, size, status",
        order=order,
        reverse=reverse,
    )
