"""Making sessions: those that wait together share a statement and a commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from serai.domain.search_text import PIECES_END, fold, pieces_of
from serai.domain.sessions import NewSession
from serai.errors import ConflictError
from serai.storage.batching import Batcher
from serai.storage.connection import Connection, Database
from serai.storage.idempotency import RequestKey, find_first_answers

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Makes sessions with their names and their places in the counts. An id that is taken makes nothing and returns no row.
# Its run count is one: a run at the first position is the one that made its session.
_MADE = """
, made as (
    insert into sessions (project_id, id, user_id, kind, component_id, made_kind, name, state, metadata, run_count)
    select project_id, id, user_id, kind, component_id, case when component_id is null then kind end, name, state,
           metadata, 1
    from {source} order by project_id, id
    on conflict (project_id, id) do nothing
    returning project_id, id, user_id, kind, component_id, created_at
), named as (
    insert into session_names (project_id, session_id, user_id, folded, pieces)
    select item.project_id, item.id, item.user_id, item.folded, string_to_array(item.pieces, chr(31))
    from item join made using (project_id, id) where item.name <> ''
), counted as (
    insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed)
    select project_id, created_at::date, user_id, kind, component_id, 1, 1 from made
)
"""
_ITEM = """
with item as (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[],
                         $8::bytea[], $9::text[], $10::text[]{more})
        as item(project_id, id, user_id, kind, component_id, name, state, metadata, folded, pieces{names})
)"""
_CREATE = f"""{_ITEM.format(more="", names="")}{_MADE.format(source="item")}
select project_id, id, created_at from made"""  # noqa: S608 - our own text

# The same when some have an Idempotency-Key. One whose key is taken makes nothing and returns no row; one that has got
# its key, and not its id, returns a row without a time.
_CREATE_ONCE = f"""{_ITEM.format(more=", $11::text[], $12::bytea[]", names=", key, fingerprint")}
, taken as (
    insert into idempotency_keys as kept (project_id, key, fingerprint, answer, expires_at)
    select project_id, key, fingerprint,
           jsonb_build_object('id', id, 'created_at', (date_part('epoch', now()) * 1e6)::bigint),
           now() + interval '24 hours'
    from item where key is not null order by project_id, key
    on conflict (project_id, key) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    where kept.expires_at < now()
    returning project_id, key
), allowed as materialized (
    select item.* from item left join taken using (project_id, key) where item.key is null or taken.key is not null
){_MADE.format(source="allowed")}
select project_id, id, made.created_at from allowed left join made using (project_id, id)"""  # noqa: S608

# Gives back keys whose sessions could not be made.
_GIVE_BACK = """
delete from idempotency_keys using unnest($1::text[], $2::text[]) as item(project_id, key)
where idempotency_keys.project_id = item.project_id and idempotency_keys.key = item.key"""


class Created(NamedTuple):
    """A session that was made now, or by an earlier request with the same key."""

    id: str
    created_at: datetime


class _Item(NamedTuple):
    new: NewSession
    key: RequestKey | None


class SessionCreator:
    """Makes sessions; each has an outcome of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[_Item, Created | None] = Batcher(self._store)

    async def create(self, new: NewSession, *, key: RequestKey | None = None) -> Created:
        """Make a session, or repeat the first answer to the request.

        Raises:
            ConflictError: the id is taken, or the key was used for another request.

        Durable when it returns. Cost: one statement, shared with whoever makes one at the same moment.
        """
        while (created := await self._batcher.submit(_Item(new, key))) is None:
            pass  # somebody held the key and holds it no more
        return created

    async def _store(self, items: list[_Item]) -> list[Created | Exception | None]:
        outcomes: list[Created | Exception | None] = [None] * len(items)
        for positions in _rounds(items):
            found = await self._store_round([items[position] for position in positions])
            for position, outcome in zip(positions, found, strict=True):
                outcomes[position] = outcome
        return outcomes

    async def _store_round(self, items: list[_Item]) -> list[Created | Exception | None]:
        if all(item.key is None for item in items):
            rows = await self._database.fetch(_CREATE, *_columns(items))
            made = {(row["project_id"], row["id"]): row["created_at"] for row in rows}
            return [_outcome(item, made.get((item.new.project_id, item.new.id))) for item in items]
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CREATE_ONCE, *_columns(items), *_key_columns(items))
            allowed = {(row["project_id"], row["id"]): row["created_at"] for row in rows}
            failed = [item for item in items if allowed.get(_name(item), "") is None and item.key is not None]
            if failed:
                keys = [item.key for item in failed if item.key is not None]
                await connection.execute(_GIVE_BACK, [key.project_id for key in keys], [key.key for key in keys])
            outcomes = [_outcome(item, allowed[_name(item)]) if _name(item) in allowed else None for item in items]
            await _repeat_answers(connection, items, outcomes)
        return outcomes


def _name(item: _Item) -> tuple[str, str]:
    return item.new.project_id, item.new.id


def _outcome(item: _Item, created_at: datetime | None) -> Created | Exception:
    if created_at is None:
        session_id = item.new.id
        return ConflictError(
            f"Session with id '{session_id}' already exists. Use PATCH /sessions/{session_id} to update it."
        )
    return Created(item.new.id, created_at)


async def _repeat_answers(
    connection: Connection, items: Sequence[_Item], outcomes: list[Created | Exception | None]
) -> None:
    """Answer those whose key was taken as the request that took it."""
    open_ones = [
        (position, item.key)
        for position, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
        if outcome is None and item.key is not None
    ]
    found = await find_first_answers(connection, [(key, None) for _, key in open_ones])
    for (position, _), first in zip(open_ones, found, strict=True):
        if isinstance(first, Exception) or first is None:
            outcomes[position] = first
        else:
            at = _EPOCH + timedelta(microseconds=first.answer["created_at"])
            outcomes[position] = Created(first.answer["id"], at)


def _rounds(items: Sequence[_Item]) -> list[list[int]]:
    """Deal the items' positions into rounds in which no id and no key comes twice."""
    rounds: list[list[int]] = []
    names_of_rounds: list[set[object]] = []
    for position, item in enumerate(items):
        names: set[object] = {(*_name(item), "id")}
        if item.key is not None:
            names.add((item.key.project_id, item.key.key, "key"))
        number = next((n for n, known in enumerate(names_of_rounds) if known.isdisjoint(names)), len(rounds))
        if number == len(rounds):
            rounds.append([])
            names_of_rounds.append(set())
        rounds[number].append(position)
        names_of_rounds[number] |= names
    return rounds


def _columns(items: Sequence[_Item]) -> list[list[Any]]:
    names = ("project_id", "id", "user_id", "kind", "component_id", "name", "state", "metadata")
    folded = [fold(item.new.name) if item.new.name else "" for item in items]
    pieces = [PIECES_END.join(pieces_of(text)) for text in folded]
    return [*([getattr(item.new, name) for item in items] for name in names), folded, pieces]


def _key_columns(items: Sequence[_Item]) -> list[list[Any]]:
    keys = [item.key for item in items]
    return [[key and key.key for key in keys], [key and key.fingerprint for key in keys]]
