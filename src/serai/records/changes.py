"""Replacing and removing records by id: changes that wait together share a statement and a commit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from serai.errors import NotFoundError, PreconditionFailedError
from serai.records.slots import drop_slots, keep_slots
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import RequestKey, find_first_answers, take_keys
from serai.storage.rounds import in_rounds

# Lock the records, take the keys, change what may be changed. Returns a row for each record that was found; `data` is
# null when nothing was done, because the version is another or the key is taken. Locked in the order of the ids.
_CHANGE = """
with asked as materialized (
    select project_id, id, data, versions::bigint[] as versions, key, fingerprint
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
        as item(project_id, id, data, versions, key, fingerprint)
), found as materialized (
    select asked.*, deployment_name, collection, (date_part('epoch', created_at) * 1e6)::bigint as created_at,
           greatest(clock_timestamp(), updated_at + interval '1 microsecond') as at,
           versions is null or (date_part('epoch', updated_at) * 1e6)::bigint = any(versions) as agrees
    from asked join records using (project_id, id) order by project_id, id for update of records {or_skip}
), taken as (
{taken}), allowed as materialized (
    select found.* from found left join taken using (project_id, key)
    where agrees and (found.key is null or taken.key is not null)
), changed as (
    {change}
), slotted as ({slots})
select found.project_id, found.id, found.deployment_name, found.collection, found.created_at,
       (date_part('epoch', at) * 1e6)::bigint as updated_at, agrees, changed.shown as data
from found left join changed using (project_id, id)
"""

_UPDATE = """
    update records set data = allowed.data::jsonb, updated_at = allowed.at from allowed
    where records.project_id = allowed.project_id and records.id = allowed.id
    returning records.project_id, records.id, records.deployment_name, records.collection, records.created_at,
              records.data, records.data::text as shown
"""

_DELETE = """
    delete from records using allowed
    where records.project_id = allowed.project_id and records.id = allowed.id
    returning records.project_id, records.id, records.deployment_name, records.collection, '' as shown
"""

# The statements; those that skip leave out records which somebody else has locked.
_TAKEN = take_keys(
    "found where key is not null and agrees",
    answer="jsonb_build_object('deployment_name', deployment_name, 'collection', collection, "
    "'created_at', created_at, 'updated_at', (date_part('epoch', at) * 1e6)::bigint)",
)
_KEEP, _DROP = keep_slots("changed"), drop_slots("changed")
UPDATE = _CHANGE.format(taken=_TAKEN, change=_UPDATE, slots=_KEEP, or_skip="")
UPDATE_OR_SKIP = _CHANGE.format(taken=_TAKEN, change=_UPDATE, slots=_KEEP, or_skip="skip locked")
DELETE = _CHANGE.format(taken=_TAKEN, change=_DELETE, slots=_DROP, or_skip="")
DELETE_OR_SKIP = _CHANGE.format(taken=_TAKEN, change=_DELETE, slots=_DROP, or_skip="skip locked")


@dataclass(frozen=True, slots=True)
class Change:
    """A record to be replaced or removed.

    Attributes:
        project_id: where it is.
        id: which it is.
        data: JSON text of the object to store; None to remove it.
        versions: the versions of which it must have one, None if any will do.
        key: the same key again gets the first answer.
    """

    project_id: str
    id: str
    data: str | None
    versions: frozenset[int] | None
    key: RequestKey | None


class Changed(NamedTuple):
    """A record that was changed now, or by an earlier request with the same key; times in microseconds."""

    deployment_name: str
    collection: str
    data: str
    created_at: int
    updated_at: int


Outcome = Changed | Exception | None
"""None: the record was locked, or somebody held the key and holds it no more; try again."""


class Changer:
    """Makes changes of one kind.

    Those whose record is locked, perhaps for long, are set aside to wait where they hold up nobody else.

    Args:
        database: where the records are.
        eager: the statement that skips locked records.
        patient: the statement that waits for them.
    """

    def __init__(self, database: Database, *, eager: str, patient: str) -> None:
        self._database = database
        self._statements = {True: eager, False: patient}
        self._eager: Batcher[Change, Changed | None] = Batcher(lambda items: self._write(items, is_eager=True))
        self._patient: Batcher[Change, Changed | None] = Batcher(lambda items: self._write(items, is_eager=False))

    async def make(self, change: Change) -> Changed:
        """Make a change, or repeat the first answer to it.

        Raises:
            NotFoundError: there is no such record.
            PreconditionFailedError: it has another version.
            ConflictError: the key was used for another request.
        """
        changed = await self._eager.submit(change)
        while changed is None:
            changed = await self._patient.submit(change)
        return changed

    async def _write(self, items: list[Change], *, is_eager: bool) -> list[Outcome]:
        rounds = in_rounds(items, _names)
        outcomes: list[Outcome] = [None] * len(items)
        async with self._database.connection() if len(rounds) == 1 else self._database.transaction() as connection:
            versions: dict[tuple[str, str], int] = {}
            for positions in rounds:
                current = [position for position in positions if not _is_outdated(items[position], versions)]
                for position in set(positions).difference(current):
                    outcomes[position] = _other_version(items[position])
                await _change_round(connection, self._statements[is_eager], items, current, outcomes, versions)
            await _repeat_answers(connection, items, outcomes)
        if is_eager:
            return [None if isinstance(outcome, NotFoundError) else outcome for outcome in outcomes]
        return outcomes


def missing(record_id: str) -> NotFoundError:
    """Return the error of an id that no record has."""
    return NotFoundError(f"There is no record {record_id[:100]!r} in this project.")


def _names(item: Change) -> Iterator[Hashable]:
    yield "id", item.project_id, item.id
    if item.key is not None:
        yield "key", item.key.project_id, item.key.key


def _is_outdated(item: Change, versions: dict[tuple[str, str], int]) -> bool:
    """Tell whether an earlier round has left a version that the item does not want."""
    version = versions.get((item.project_id, item.id))
    return version is not None and item.versions is not None and version not in item.versions


async def _change_round(
    connection: Connection,
    statement: str,
    items: list[Change],
    positions: list[int],
    outcomes: list[Outcome],
    versions: dict[tuple[str, str], int],
) -> None:
    """Make changes of different records and note their outcomes and the versions they leave."""
    if not positions:
        return
    asked = [items[position] for position in positions]
    columns = [
        [item.project_id for item in asked],
        [item.id for item in asked],
        [item.data for item in asked],
        [None if item.versions is None else _array(item.versions) for item in asked],
        [item.key and item.key.key for item in asked],
        [item.key and item.key.fingerprint for item in asked],
    ]
    rows = {(row["project_id"], row["id"]): row for row in await connection.fetch(statement, *columns)}
    for position, item in zip(positions, asked, strict=True):
        outcomes[position] = outcome = _outcome(item, rows.get((item.project_id, item.id)))
        if isinstance(outcome, Changed) and item.data is not None:
            versions[item.project_id, item.id] = outcome.updated_at


def _array(numbers: frozenset[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


def _outcome(item: Change, row: asyncpg.Record | None) -> Outcome:
    if row is None:
        return missing(item.id)
    if not row["agrees"]:
        return _other_version(item)
    if row["data"] is None:
        return None
    return Changed(row["deployment_name"], row["collection"], row["data"], row["created_at"], row["updated_at"])


def _other_version(item: Change) -> PreconditionFailedError:
    return PreconditionFailedError(f"The record {item.id!r} is not as If-Match says; read it again.")


async def _repeat_answers(connection: Connection, items: list[Change], outcomes: list[Outcome]) -> None:
    """Give requests whose key was taken the answer of the first."""
    waiting = {
        position: item.key
        for position, item in enumerate(items)
        if item.key is not None and not isinstance(outcomes[position], Changed)
    }
    asked = [(key, items[position].data) for position, key in waiting.items()]
    for position, first in zip(waiting, await find_first_answers(connection, asked), strict=True):
        if isinstance(first, Exception):
            outcomes[position] = first
        elif first is not None:
            outcomes[position] = Changed(data=first.data, **first.answer)
