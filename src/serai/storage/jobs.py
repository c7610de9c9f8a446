"""Background jobs: enqueue, claim, report, finish, release, read. What the jobs do is no business of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.ids import new_key
from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import NextJob, RunRecord
from serai.domain.stored_text import storable
from serai.storage.connection import Connection, Database

LONGEST_ERROR: Final = 4000

# A job with the same key that waits or runs: no row.
_ENQUEUE = """
insert into jobs (id, kind, project_id, user_id, payload, dedupe_key, not_before)
values ($1, $2, $3, $4, $5::text::jsonb, $6, coalesce($7, now()))
on conflict (project_id, kind, dedupe_key) where dedupe_key is not null and status in ('PENDING', 'RUNNING') do nothing
returning id"""

_ENQUEUE_MANY = """
insert into jobs (id, kind, project_id, user_id, payload)
select id, kind, project_id, user_id, payload::jsonb
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
    as item(id, kind, project_id, user_id, payload)"""

# Takes the jobs that have been due for longest, of the kinds this node has handlers for.
_CLAIM = """
with next as (
    select id from jobs
    where status = 'PENDING' and not_before <= now() and kind = any($1::text[])
    order by not_before limit $2 for update skip locked
)
update jobs set status = 'RUNNING', node_id = $3, epoch = epoch + 1, attempts = attempts + 1,
                started_at = coalesce(started_at, now())
from next where jobs.id = next.id
returning jobs.*"""

# All that follow do something only while the claim of a job by a node, known by its epoch, holds.
_CHECK = "select exists (select from jobs where id = $1 and epoch = $2 and node_id = $3 and status = 'RUNNING')"

_REPORT = """
update jobs set progress = $4::text::jsonb
where id = $1 and epoch = $2 and node_id = $3 and status = 'RUNNING' returning true"""

_END = """
update jobs set status = $4, error = $5, ended_at = now()
where id = $1 and epoch = $2 and node_id = $3 and status = 'RUNNING' returning true"""

_RETRY = """
update jobs set status = 'PENDING', node_id = null, error = $4, attempts = attempts - $6::int,
                not_before = now() + make_interval(secs => $5)
where id = $1 and epoch = $2 and node_id = $3 and status = 'RUNNING' returning true"""

# Makes chosen running jobs of one node claimable again; their attempts do not count.
_RELEASE = """
update jobs set status = 'PENDING', node_id = null, attempts = attempts - 1
from unnest($1::uuid[], $2::int[]) as item(id, epoch)
where jobs.id = item.id and jobs.epoch = item.epoch and node_id = $3 and status = 'RUNNING'
returning jobs.id"""

_CANCEL = """
update jobs set status = 'CANCELLED', ended_at = now()
where project_id = $1 and id = $2 and status in ('PENDING', 'RUNNING') returning true"""

_RUNNING_OF_NODE = "select id, epoch from jobs where node_id = $1 and kind = any($2) and status = 'RUNNING'"

_GET = "select * from jobs where id = $1"

_LIST = """
select * from jobs
where ($1::text is null or project_id = $1) and ($2::text is null or kind = $2)
  and ($3::text[] is null or status = any($3))
order by id desc limit $4"""


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as stored.

    Attributes:
        epoch: rises with each claim.
        attempts: how often it was begun, this time included; what was given back unharmed does not count.
        progress: what its handler reported last, in this attempt or an earlier one.
        error: of the last attempt that failed.
    """

    id: UUID
    kind: str
    project_id: str
    user_id: str | None
    payload: dict[str, Any]
    dedupe_key: str | None
    status: JobStatus
    node_id: str | None
    epoch: int
    attempts: int
    not_before: datetime
    progress: dict[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobStore:
    """The statements about jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        project_id: str,
        user_id: str | None = None,
        dedupe_key: str | None = None,
        not_before: datetime | None = None,
        connection: Connection | None = None,
    ) -> UUID | None:
        """Store a job and return its id; None when one of this kind and key is waiting or running in the project.

        Args:
            kind: which handler does it.
            payload: JSON for the handler, without U+0000 in its texts.
            project_id: whose job it is.
            user_id: whose job it is, within the project.
            dedupe_key: None stores it in any case.
            not_before: when it may begin; None is now.
            connection: within whose transaction; None is one of its own.
        """
        text = dump_json(payload).decode()
        found: UUID | None = await (connection or self._database).fetchval(
            _ENQUEUE, new_key(), kind, project_id, user_id, text, dedupe_key, not_before
        )
        return found

    async def get(self, job_id: UUID) -> JobRecord | None:
        """Return a job."""
        row = await self._database.fetchrow(_GET, job_id)
        return None if row is None else _record(row)

    async def list(
        self,
        *,
        project_id: str | None = None,
        kind: str | None = None,
        statuses: Iterable[JobStatus] | None = None,
        limit: int = 100,
    ) -> list[JobRecord]:
        """Return the newest jobs, newest first; None as a bound is all."""
        wanted = None if statuses is None else [status.value for status in statuses]
        return [_record(row) for row in await self._database.fetch(_LIST, project_id, kind, wanted, limit)]

    async def cancel(self, project_id: str, job_id: UUID, *, connection: Connection | None = None) -> bool:
        """End a job that waits or runs; False when it has ended. A handler at work learns of it by its fence."""
        return bool(await (connection or self._database).fetchval(_CANCEL, project_id, job_id))

    async def claim(self, kinds: Iterable[str], *, node_id: str, limit: int) -> Sequence[JobRecord]:
        """Take up to `limit` due jobs of the given kinds for a node."""
        return [_record(row) for row in await self._database.fetch(_CLAIM, [*kinds], limit, node_id)]

    async def check(self, record: JobRecord) -> bool:
        """Tell whether a claim still holds."""
        return bool(await self._database.fetchval(_CHECK, *_fence(record)))

    async def report(self, record: JobRecord, progress: Mapping[str, Any]) -> bool:
        """Write down how far a job is; False when the claim holds no more."""
        return bool(await self._database.fetchval(_REPORT, *_fence(record), dump_json(progress).decode()))

    async def complete(self, record: JobRecord) -> bool:
        """End a job that is done; False when the claim holds no more."""
        return bool(await self._database.fetchval(_END, *_fence(record), JobStatus.COMPLETED.value, None))

    async def fail(self, record: JobRecord, error: str) -> bool:
        """End a job that is given up; False when the claim holds no more."""
        return bool(
            await self._database.fetchval(_END, *_fence(record), JobStatus.ERROR.value, storable(error[:LONGEST_ERROR]))
        )

    async def retry_later(self, record: JobRecord, error: str, *, pause_s: float, counts: bool) -> bool:
        """Have a job begun again after a pause; False when the claim holds no more.

        Args:
            record: the job as claimed.
            error: why this attempt came to nothing.
            pause_s: seconds until it may begin.
            counts: whether this attempt counts.
        """
        forgiven = int(not counts)
        return bool(
            await self._database.fetchval(_RETRY, *_fence(record), storable(error[:LONGEST_ERROR]), pause_s, forgiven)
        )

    async def release(self, claims: Mapping[UUID, int], *, node_id: str) -> int:
        """Make jobs of a node, by id and epoch, claimable at once; return how many there were."""
        return len(await self._database.fetch(_RELEASE, [*claims], [*claims.values()], node_id))

    async def list_running(self, node_id: str, kinds: Iterable[str]) -> dict[UUID, int]:
        """Return the jobs of these kinds that the table gives to a node, with the epochs of their claims."""
        rows = await self._database.fetch(_RUNNING_OF_NODE, node_id, [*kinds])
        return {row["id"]: row["epoch"] for row in rows}


async def put_next_jobs(connection: Connection, jobs: Sequence[tuple[RunRecord, NextJob]]) -> None:
    """Store the jobs that follow runs, in the transaction that ends these."""
    await connection.execute(
        _ENQUEUE_MANY,
        [new_key() for _ in jobs],
        [job.kind for _, job in jobs],
        [run.project_id for run, _ in jobs],
        [run.user_id for run, _ in jobs],
        [dump_json(job.payload).decode() for _, job in jobs],
    )


def _fence(record: JobRecord) -> tuple[UUID, int, str | None]:
    return record.id, record.epoch, record.node_id


def _record(row: asyncpg.Record) -> JobRecord:
    values = {member.name: row[member.name] for member in fields(JobRecord)}
    values["status"] = JobStatus(values["status"])
    values["payload"] = load_json(values["payload"])
    values["progress"] = None if values["progress"] is None else load_json(values["progress"])
    return JobRecord(**values)
