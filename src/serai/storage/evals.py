"""Evals: store, find, list, rename, remove, and write down how far one is. Measures nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.evals import EvalRecord, EvalStatus, EvalType, NewEval
from serai.storage.connection import Connection, Database
from serai.storage.jobs import storable

MOST_COUNTED: Final = 10_000

_CREATE = """
insert into eval_runs (id, job_id, project_id, user_id, name, eval_type, kind, component_id, component_name,
                       model_id, model_provider, input, iterations)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
returning *"""

_FIND = "select * from eval_runs where project_id = $1 and ($2::text is null or user_id = $2) and id = $3"

_STATUS = "select status from eval_runs where project_id = $1 and id = $2"

_MATCHING = """
where project_id = $1 and ($2::text is null or user_id = $2) and ($3::text is null or kind = $3)
  and ($4::text is null or (kind = 'agent' and component_id = $4))
  and ($5::text is null or (kind = 'team' and component_id = $5))
  and ($6::text is null or (kind = 'workflow' and component_id = $6))
  and ($7::text is null or model_id = $7) and ($8::text[] is null or eval_type = any($8))"""

_COUNT = f"select count(*) from (select from eval_runs {_MATCHING} limit {MOST_COUNTED + 1}) as counted"  # noqa: S608 - our own text

# The columns that a list may be sorted by.
SORTED_BY: Final = ("created_at", "updated_at", "name", "eval_type")

# A page is chosen by what is narrow; results are read of its own rows only.
_LISTS: Final = {
    (column, direction): f"""
select eval_runs.* from (
    select id from eval_runs {_MATCHING}
    order by {column} {direction}, id {direction} limit $9 offset $10
) as page join eval_runs using (id)
order by eval_runs.{column} {direction}, eval_runs.id {direction}"""  # noqa: S608 - our own text
    for column in SORTED_BY
    for direction in ("asc", "desc")
}

_RENAME = """
update eval_runs set name = $4, updated_at = now()
where project_id = $1 and ($2::text is null or user_id = $2) and id = $3 returning *"""

# Held against its job until the transaction ends.
_HOLD = """
select * from eval_runs where project_id = $1 and ($2::text is null or user_id = $2) and id = any($3::uuid[])
order by id for update"""

_DELETE = "delete from eval_runs where project_id = $1 and id = any($2::uuid[])"

# What has ended, or is not there any more: no row.
_BEGIN = """
update eval_runs set status = 'RUNNING', updated_at = now()
where project_id = $1 and id = $2 and status in ('PENDING', 'RUNNING') returning *"""

# The next iteration only: when two nodes did it, the first one counts.
_APPEND = """
update eval_runs set results = results || $4, finished = finished + 1, updated_at = now()
where project_id = $1 and id = $2 and finished = $3 and status = 'RUNNING' returning *"""

_END = """
update eval_runs set status = $3, data = $4, error = $5, results = '', updated_at = now()
where project_id = $1 and id = $2 and status in ('PENDING', 'RUNNING') returning *"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalFilter:
    """Which evals a list has; None is any."""

    user_id: str | None = None
    kind: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    model_id: str | None = None
    eval_types: Collection[EvalType] | None = None

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments of the statements about what matches, after the project."""
        types = None if self.eval_types is None else [one.value for one in self.eval_types]
        ids = (self.agent_id, self.team_id, self.workflow_id)
        return (self.user_id, self.kind, *ids, self.model_id, types)


class EvalStore:
    """The statements about evals. A user of None is all of the project's; writes of people take a connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, connection: Connection, eval_id: UUID, new: NewEval, *, job_id: UUID) -> EvalRecord:
        """Store an eval that a job will do."""
        return _record(await connection.fetchrow(_CREATE, eval_id, job_id, *astuple(new)))

    async def find(self, project_id: str, eval_id: UUID, *, user_id: str | None = None) -> EvalRecord | None:
        """Return an eval."""
        row = await self._database.fetchrow(_FIND, project_id, user_id, eval_id)
        return None if row is None else _record(row)

    async def has_ended(self, project_id: str, eval_id: UUID) -> bool:
        """Tell whether an eval has ended, or is not there any more."""
        status = await self._database.fetchval(_STATUS, project_id, eval_id)
        return status is None or EvalStatus(status).is_terminal

    async def list(
        self, project_id: str, wanted: EvalFilter, *, sort_by: str, is_descending: bool, limit: int, offset: int
    ) -> tuple[Sequence[EvalRecord], int]:
        """Return a page of evals, and how many match; more than `MOST_COUNTED` when they are more than that.

        Args:
            project_id: whose evals.
            wanted: which of them.
            sort_by: one of `SORTED_BY`.
            is_descending: the greatest first.
            limit: the most on the page.
            offset: how many come before it.
        """
        arguments = (project_id, *wanted.arguments())
        statement = _LISTS[sort_by, "desc" if is_descending else "asc"]
        rows = await self._database.fetch(statement, *arguments, limit, offset)
        return [_record(row) for row in rows], await self._database.fetchval(_COUNT, *arguments)

    async def rename(
        self, connection: Connection, project_id: str, eval_id: UUID, name: str, *, user_id: str | None
    ) -> EvalRecord | None:
        """Give an eval another name; None: there is no such eval."""
        row = await connection.fetchrow(_RENAME, project_id, user_id, eval_id, name)
        return None if row is None else _record(row)

    async def hold(
        self, connection: Connection, project_id: str, eval_ids: Collection[UUID], *, user_id: str | None
    ) -> Sequence[EvalRecord]:
        """Return those of the evals that there are, held against changes until the transaction ends."""
        return [_record(row) for row in await connection.fetch(_HOLD, project_id, user_id, [*eval_ids])]

    async def delete(self, connection: Connection, project_id: str, eval_ids: Collection[UUID]) -> None:
        """Remove evals that are held."""
        await connection.execute(_DELETE, project_id, [*eval_ids])

    async def begin(self, project_id: str, eval_id: UUID) -> EvalRecord | None:
        """Say that an eval is being done; None: it has ended, or is not there any more."""
        row = await self._database.fetchrow(_BEGIN, project_id, eval_id)
        return None if row is None else _record(row)

    async def append(self, record: EvalRecord, result: bytes) -> EvalRecord | None:
        """Store the result of the next iteration; None: it has one, or the eval has ended.

        Args:
            record: the eval as it was read last.
            result: an object in JSON.
        """
        row = await self._database.fetchrow(_APPEND, record.project_id, record.id, record.finished, result + b"\n")
        return None if row is None else _record(row)

    async def end(
        self,
        record: EvalRecord,
        status: EvalStatus,
        *,
        data: bytes,
        error: str | None = None,
        connection: Connection | None = None,
    ) -> EvalRecord | None:
        """End an eval; None: it has ended already.

        Args:
            record: the eval.
            status: a state at the end.
            data: what its iterations came to, JSON.
            error: why nothing could be measured.
            connection: within whose transaction; None is one of its own.
        """
        text = None if error is None else storable(error)
        row = await (connection or self._database).fetchrow(
            _END, record.project_id, record.id, status.value, data, text
        )
        return None if row is None else _record(row)


def _record(row: asyncpg.Record | None) -> EvalRecord:
    assert row is not None  # callers look first
    values = {member.name: row[member.name] for member in fields(EvalRecord)}
    values["eval_type"] = EvalType(values["eval_type"])
    values["status"] = EvalStatus(values["status"])
    return EvalRecord(**values)
