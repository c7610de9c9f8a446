"""Changes of memories that nobody made by hand: made and written down in one transaction, listed, and undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.domain.ids import new_key
from serai.domain.json_text import dump_json, loader_of
from serai.domain.memories import (
    LONGEST_MEMORY,
    LONGEST_TOPIC,
    MOST_TOPICS,
    AutomaticChange,
    MemoryAction,
    MemoryChange,
    MemoryOrigin,
    MemoryRecord,
    NewMemory,
    fold_hash,
    storable,
    without_repeats,
)
from serai.errors import ConflictError
from serai.storage import memory_rows
from serai.storage.connection import Connection, Database

MOST_COUNTED: Final = 10_000

# What an operation has done already.
_OF_OPERATION = """
select * from memory_changes
where project_id = $1 and user_id = $2 and operation_id = $3 and undoes is null order by id"""

_KNOWN = "select fold_hash from memories where fold_hash = any($3) and project_id = $1 and user_id = $2"

_LOG = """
insert into memory_changes (id, project_id, user_id, memory_id, action, origin, operation_id, run_id, session_id,
                            agent_id, team_id, before, after, undoes)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::uuid[])
returning *"""

_FIND = "select * from memory_changes where project_id = $1 and id = $2"

_UNDO_OF = "select * from memory_changes where project_id = $1 and memory_id = $2 and undoes = $3"

_MARK_UNDONE = "update memory_changes set undone_at = now() where project_id = $1 and id = $2"

# By the index of the first filter that is given; the others are checked.
_OF_MEMORY = """from memory_changes
where project_id = $1 and memory_id = $4 and ($2::text is null or user_id = $2) and ($3::text is null or run_id = $3)"""
_OF_RUN = """from memory_changes
where project_id = $1 and run_id = $3 and ($2::text is null or user_id = $2) and $4::uuid is null"""
_OF_USER = "from memory_changes where project_id = $1 and user_id = $2 and $3::text is null and $4::uuid is null"
_OF_ALL = "from memory_changes where project_id = $1 and $2::text is null and $3::text is null and $4::uuid is null"
_LIST = "select * {} order by id desc limit $5 offset $6"
_COUNT = "select count(*) from (select {} limit $5) as found"

_read_memory = loader_of(MemoryRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSource:
    """Where automatic changes come from.

    Attributes:
        operation_id: names what is done at once; the same again does nothing more.
    """

    origin: MemoryOrigin
    operation_id: str
    run_id: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """A change as it was made, before it is written down."""

    before: MemoryRecord | None
    after: MemoryRecord | None
    undoes: UUID | None = None

    @property
    def memory(self) -> MemoryRecord:
        memory = self.after or self.before
        assert memory is not None  # a change is of something
        return memory

    @property
    def action(self) -> MemoryAction:
        if self.before is None:
            return MemoryAction.CREATED
        return MemoryAction.DELETED if self.after is None else MemoryAction.UPDATED


async def apply_automatic(
    connection: Connection,
    project_id: str,
    user_id: str,
    changes: Sequence[AutomaticChange],
    *,
    source: ChangeSource,
) -> list[MemoryChange]:
    """Change memories of a user and write down what was changed: removals first, then updates, then new ones.

    Args:
        connection: in a transaction, which may hold other work of the same operation.
        project_id: the user's project.
        user_id: whose memories.
        changes: what is to be done. One to a memory that is gone, or that says so already, is left out, and so is a
            new memory that says what another one says, but for case and blanks, or nothing. What cannot be stored, or
            is too long, is cut.
        source: where they come from; an operation that was done before does nothing, and its changes are returned.

    Raises:
        ConflictError: a memory has another revision than expected.
    """
    changes = [one for one in changes if one.action is MemoryAction.DELETED or _text(one).strip()]
    await memory_rows.hold_user(connection, project_id, user_id)
    if earlier := await connection.fetch(_OF_OPERATION, project_id, user_id, source.operation_id):
        return [_change(row) for row in earlier]
    named = [one.memory_id for one in changes if one.memory_id and one.action is not MemoryAction.CREATED]
    found = await memory_rows.hold(connection, [(project_id, key) for key in dict.fromkeys(named)])
    held = {record.id: record for record in found.values() if record.user_id == user_id}
    for one in changes:
        _check_revision(one, held)
    of_action = {action: [one for one in changes if one.action is action] for action in MemoryAction}
    done = await _delete(connection, project_id, of_action[MemoryAction.DELETED], held)
    done += await _update(connection, of_action[MemoryAction.UPDATED], held, source)
    done += await _create(connection, project_id, user_id, of_action[MemoryAction.CREATED], source)
    return await _log(connection, done, source)


async def list_changes(
    database: Database,
    project_id: str,
    *,
    user_id: str | None = None,
    memory_id: UUID | None = None,
    run_id: str | None = None,
    limit: int,
    offset: int,
) -> tuple[list[MemoryChange], int]:
    """Return a page of the changes, newest first, and how many there are, of which `MOST_COUNTED` + 1 are counted."""
    if memory_id is not None:
        wanted = _OF_MEMORY
    elif run_id is not None:
        wanted = _OF_RUN
    else:
        wanted = _OF_ALL if user_id is None else _OF_USER
    filters = (project_id, user_id, run_id, memory_id)
    async with database.connection() as connection:
        total: int = await connection.fetchval(_COUNT.format(wanted), *filters, MOST_COUNTED + 1)
        rows = await connection.fetch(_LIST.format(wanted), *filters, limit, offset)
    return [_change(row) for row in rows], total


async def undo_change(
    connection: Connection, project_id: str, change_id: UUID, *, user_id: str | None = None
) -> MemoryChange | None:
    """Put a memory back as it was before a change, and return the change that does so; again: the one that did.

    Args:
        connection: in a transaction.
        project_id: whose change.
        change_id: the change.
        user_id: None is any user's.

    Returns:
        None when the user has no such change.

    Raises:
        ConflictError: the memory was changed since, or the change is itself an undo.
    """
    change = await _hold_change(connection, project_id, change_id, user_id)
    return None if change is None else await _undo_held(connection, change)


async def undo_operation(
    connection: Connection, project_id: str, change_id: UUID, *, user_id: str | None = None
) -> list[MemoryChange]:
    """Undo a change and all that were made together with it, the last first, as `undo_change` does; none: not found."""
    change = await _hold_change(connection, project_id, change_id, user_id)
    if change is None:
        return []
    if change.undoes is not None:
        return [await _undo_held(connection, change)]
    rows = await connection.fetch(_OF_OPERATION, project_id, change.user_id, change.operation_id)
    return [await _undo_held(connection, _change(row)) for row in reversed(rows)]


async def _hold_change(
    connection: Connection, project_id: str, change_id: UUID, user_id: str | None
) -> MemoryChange | None:
    """Return a change of the user, whose memories nobody else writes until the transaction ends."""
    row = await connection.fetchrow(_FIND, project_id, change_id)
    if row is None or user_id not in (None, row["user_id"]):
        return None
    is_known = await memory_rows.hold_known_user(connection, project_id, row["user_id"])
    return _change(row) if is_known else None


async def _undo_held(connection: Connection, change: MemoryChange) -> MemoryChange:
    if change.undoes is not None:
        raise ConflictError(
            f"Change {change.id} is itself an undo, of {change.undoes}, and cannot be undone: "
            "write the memory as it should be."
        )
    if row := await connection.fetchrow(_UNDO_OF, change.project_id, change.memory_id, change.id):
        return _change(row)
    held = await memory_rows.hold(connection, [(change.project_id, change.memory_id)])
    current = held.get((change.project_id, change.memory_id))
    _check_unchanged(change, current)
    done = _Done(current, await _put_back(connection, change, current), undoes=change.id)
    await connection.execute(_MARK_UNDONE, change.project_id, change.id)
    source = ChangeSource(
        origin=MemoryOrigin.CALLER,
        operation_id=f"undo:{change.id}",
        run_id=change.run_id,
        session_id=change.session_id,
        agent_id=change.agent_id,
        team_id=change.team_id,
    )
    return (await _log(connection, [done], source))[0]


async def _put_back(connection: Connection, change: MemoryChange, current: MemoryRecord | None) -> MemoryRecord | None:
    if change.before is None:
        await memory_rows.remove_held(connection, [(change.project_id, change.memory_id)])
        return None
    if current is not None:
        return (await memory_rows.replace_held(connection, [(current, change.before)]))[0]
    before = change.before
    restored = await memory_rows.insert(
        connection, [(before.id, before, None)], revisions=[before.revision + 1], created=[before.created_at]
    )
    return restored[0]


def _check_unchanged(change: MemoryChange, current: MemoryRecord | None) -> None:
    if _said(change.after) == _said(current):
        return
    if current is None:
        what, then = "deleted", "Create it anew if you want it"
    elif change.after is None:
        what, then = "restored", "Delete it if you do not want it"
    else:
        what, then = "changed", "Undo the later changes first, or write the memory as it should be"
    raise ConflictError(f"Memory {change.memory_id} was {what} after change {change.id}. {then}.")


def _said(memory: MemoryRecord | None) -> tuple[str, tuple[str, ...]] | None:
    return None if memory is None else (memory.memory, memory.topics)


def _check_revision(one: AutomaticChange, held: dict[UUID, MemoryRecord]) -> None:
    if one.expected_revision is None or one.memory_id is None:
        return
    record = held.get(one.memory_id)
    if record is None or record.revision != one.expected_revision:
        raise ConflictError(f"Memory {one.memory_id} was changed meanwhile; read the memories again and try once more.")


async def _delete(
    connection: Connection, project_id: str, changes: Sequence[AutomaticChange], held: dict[UUID, MemoryRecord]
) -> list[_Done]:
    gone = [record for one in changes if one.memory_id and (record := held.pop(one.memory_id, None))]
    await memory_rows.remove_held(connection, [(project_id, record.id) for record in gone])
    return [_Done(record, None) for record in gone]


async def _update(
    connection: Connection,
    changes: Sequence[AutomaticChange],
    held: dict[UUID, MemoryRecord],
    source: ChangeSource,
) -> list[_Done]:
    done = []
    for one in changes:
        before = held.get(one.memory_id) if one.memory_id else None
        if before is None:
            continue
        topics = before.topics if one.topics is None else _topics(one)
        if (_text(one), topics) == _said(before):
            continue
        wanted = replace(
            before,
            memory=_text(one),
            topics=topics,
            source_run_id=source.run_id or before.source_run_id,
            source_session_id=source.session_id or before.source_session_id,
            origin=source.origin,
        )
        (held[before.id],) = await memory_rows.replace_held(connection, [(before, wanted)])
        done.append(_Done(before, held[before.id]))
    return done


async def _create(
    connection: Connection, project_id: str, user_id: str, changes: Sequence[AutomaticChange], source: ChangeSource
) -> list[_Done]:
    new = {
        fold_hash(project_id, user_id, _text(one)): (
            one.memory_id or new_key(),
            NewMemory(
                project_id=project_id,
                user_id=user_id,
                memory=_text(one),
                topics=_topics(one),
                agent_id=source.agent_id,
                team_id=source.team_id,
                source_run_id=source.run_id,
                source_session_id=source.session_id,
                origin=source.origin,
            ),
            None,
        )
        for one in reversed(changes)
    }
    if new:
        for row in await connection.fetch(_KNOWN, project_id, user_id, list(new)):
            new.pop(row["fold_hash"], None)
    stored = await memory_rows.insert(connection, list(reversed(new.values()))) if new else []
    return [_Done(None, record) for record in stored]


async def _log(connection: Connection, done: Sequence[_Done], source: ChangeSource) -> list[MemoryChange]:
    if not done:
        return []
    count = len(done)
    rows = await connection.fetch(
        _LOG,
        [new_key() for _ in done],
        [one.memory.project_id for one in done],
        [one.memory.user_id for one in done],
        [one.memory.id for one in done],
        [one.action for one in done],
        [source.origin] * count,
        [source.operation_id] * count,
        [source.run_id] * count,
        [source.session_id] * count,
        [source.agent_id] * count,
        [source.team_id] * count,
        [one.before and dump_json(one.before) for one in done],
        [one.after and dump_json(one.after) for one in done],
        [one.undoes for one in done],
    )
    return [_change(row) for row in rows]


def _text(one: AutomaticChange) -> str:
    return storable(one.memory)[:LONGEST_MEMORY]


def _topics(one: AutomaticChange) -> tuple[str, ...]:
    topics = (storable(topic)[:LONGEST_TOPIC] for topic in one.topics or ())
    return without_repeats([topic for topic in topics if topic])[:MOST_TOPICS]


def _change(row: asyncpg.Record) -> MemoryChange:
    values: dict[str, Any] = {member.name: row[member.name] for member in fields(MemoryChange)}
    values["action"], values["origin"] = MemoryAction(row["action"]), MemoryOrigin(row["origin"])
    for name in ("before", "after"):
        values[name] = None if row[name] is None else _read_memory(row[name])
    return MemoryChange(**values)
