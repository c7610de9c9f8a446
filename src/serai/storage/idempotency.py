"""Writes that may be sent again: a request with a known `Idempotency-Key` gets its first answer for a day."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from serai.errors import ConflictError
from serai.storage.connection import Connection, Database

# Take keys that are free or have expired; waits for requests that are just using them. No row: it is another's.
_TAKE = """
    insert into idempotency_keys as kept (project_id, key, fingerprint, answer, expires_at)
    select project_id, key, fingerprint, {answer}, now() + interval '24 hours' from {items} order by project_id, key
    on conflict (project_id, key) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    where kept.expires_at < now()
    returning project_id, key
"""
TAKE = _TAKE.format(
    answer="'null'::jsonb", items="(values ($1::text, $2::text, $3::bytea)) as item(project_id, key, fingerprint)"
)

# Give back keys whose requests could not be done.
GIVE_BACK = """
delete from idempotency_keys using unnest($1::text[], $2::text[]) as item(project_id, key)
where idempotency_keys.project_id = item.project_id and idempotency_keys.key = item.key
"""

# Keep the answer of the request that has taken the key.
REMEMBER = "update idempotency_keys set answer = $3::text::jsonb where project_id = $1 and key = $2"

# What a key was first used for.
FIND = "select fingerprint, answer::text as answer from idempotency_keys where project_id = $1 and key = $2"

# What keys were first used for; the payload of a request that comes again reads as the one that was stored.
FIND_ALL = """
select item.position, kept.fingerprint, kept.answer::text as answer,
       case when kept.fingerprint = item.fingerprint then item.data::jsonb::text end as data
from unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) with ordinality
    as item(project_id, key, fingerprint, data, position)
join idempotency_keys as kept using (project_id, key)
"""


_read_answer = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The key of a write.

    Attributes:
        project_id: keys of different projects have nothing to do with each other.
        key: as the caller sent it.
        fingerprint: a digest of the request; a key serves one request only.
    """

    project_id: str
    key: str
    fingerprint: bytes


def request_key(project_id: str, key: str | None, operation: str, asked: str) -> RequestKey | None:
    """Return the key of a write, None when the caller sent none.

    Args:
        project_id: the caller's project.
        key: the value of the header.
        operation: at most 16 ASCII characters; the same text asked of another operation is another request.
        asked: all that decides what the operation does.
    """
    if key is None:
        return None
    digest = hashlib.blake2b(asked.encode(errors="surrogatepass"), digest_size=16, person=operation.encode())
    return RequestKey(project_id, key, digest.digest())


async def answer_once(
    database: Database, key: RequestKey | None, act: Callable[[Connection], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Return the answer of a write, which is done unless a request with this key has been answered before.

    Args:
        database: where the write happens.
        key: None does it always.
        act: the write, on a connection inside a transaction; returns a small JSON object to be kept as the answer.

    Raises:
        ConflictError: the key was used for another request.

    The write and its answer are committed together. While the first request with a key is under way, others wait
    for its answer; one that fails does not keep the key.
    """
    async with database.transaction() as connection:
        if key is None:
            return await act(connection)
        if await connection.fetchrow(TAKE, key.project_id, key.key, key.fingerprint):
            answer = await act(connection)
            await connection.execute(REMEMBER, key.project_id, key.key, msgspec.json.encode(answer).decode())
            return answer
        first = await connection.fetchrow(FIND, key.project_id, key.key)
    if first is None:  # removed since: it had just expired
        return await answer_once(database, key, act)
    if first["fingerprint"] != key.fingerprint:
        raise _used_otherwise()
    return _read_answer(first["answer"])


def take_keys(items: str, *, answer: str) -> str:
    """Return the part of a batch's statement that takes the keys of its requests and returns those it got.

    Args:
        items: the relation of the requests, which has `project_id`, `key` and `fingerprint`, and which of them.
        answer: SQL of a small JSON object of a request's, to be kept as its answer.
    """
    return _TAKE.format(answer=answer, items=items)


async def give_back_keys(connection: Connection, keys: Sequence[RequestKey]) -> None:
    """Free keys that were taken in this transaction by requests that could not be done."""
    if keys:
        await connection.execute(GIVE_BACK, [key.project_id for key in keys], [key.key for key in keys])


class FirstAnswer(NamedTuple):
    """What a request that comes again is answered from.

    Attributes:
        answer: the small object that was kept.
        data: the request's own payload, as PostgreSQL writes it; null when it has none.
    """

    answer: dict[str, Any]
    data: str


async def find_first_answers(
    connection: Connection, requests: Sequence[tuple[RequestKey, str | None]]
) -> list[FirstAnswer | Exception | None]:
    """Return the first answer of each request's key, or that it belongs to another request; None: it is free.

    Args:
        connection: where the requests could not be done, since their keys were taken.
        requests: each with its payload.
    """
    if not requests:
        return []
    keys = [key for key, _ in requests]
    columns = [[key.project_id for key in keys], [key.key for key in keys], [key.fingerprint for key in keys]]
    found: list[FirstAnswer | Exception | None] = [None] * len(requests)
    for row in await connection.fetch(FIND_ALL, *columns, [data for _, data in requests]):
        position = row["position"] - 1
        same = row["fingerprint"] == keys[position].fingerprint
        found[position] = FirstAnswer(_read_answer(row["answer"]), row["data"]) if same else _used_otherwise()
    return found


def _used_otherwise() -> ConflictError:
    return ConflictError("Idempotency-Key was used with another request; choose a new key.")
