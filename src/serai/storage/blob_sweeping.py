"""Blobs that no run refers to any more: found by reading what runs hold, and removed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from serai.storage.connection import Connection, Database, count_of

_RUNS_AT_A_TIME: Final = 1000
_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_FIRST: Final = UUID(int=0)

_PROJECTS = "select distinct project_id from blobs where created_at < $1"
_OLD = "select sha256 from blobs where project_id = $1 and created_at < $2"
_OF_USER = "select sha256 from blobs where project_id = $1 and user_id = $2"

# What runs hold that may refer to blobs: a document of ours that does says so by one of two members.
_DOCUMENTS = """
select key, array_remove(array[input, output, messages, carried], null) as documents
from runs
where project_id = $1 and key > $2 and (
    position('"sha256"'::bytea in input) > 0
    or position('"sha256"'::bytea in coalesce(output, '')) > 0
    or position('"sha256"'::bytea in coalesce(messages, '')) > 0
    or position('"sha256"'::bytea in coalesce(carried, '')) > 0
    or substring(output from 1 for 9) = '{"blobs":'::bytea
    or substring(messages from 1 for 9) = '{"blobs":'::bytea)
order by key limit $3"""
_STEPS = """
select array_agg(result) as documents from run_steps
where project_id = $1 and position('"sha256"'::bytea in result) > 0"""

# Who brings the same bytes again makes the blob a new one.
_REMOVE = "delete from blobs where project_id = $1 and sha256 = any($2::bytea[]) and created_at < $3"
_DISOWN = "update blobs set user_id = null where project_id = $1 and user_id = $2"


async def list_blobs_of_user(connection: Connection, project_id: str, user_id: str) -> set[bytes]:
    """Return the hashes of the blobs that a user was the first to bring."""
    return {row[0] for row in await connection.fetch(_OF_USER, project_id, user_id)}


async def disown_blobs(connection: Connection, project_id: str, user_id: str) -> None:
    """Take a user's name from blobs that others use, too."""
    await connection.execute(_DISOWN, project_id, user_id)


async def remove_blobs(connection: Connection, project_id: str, hashes: Iterable[bytes], *, before: datetime) -> int:
    """Remove blobs that were brought before a time; return how many there were."""
    return count_of(await connection.execute(_REMOVE, project_id, list(hashes), before))


async def sweep_blobs(database: Database, *, before: datetime, removes: bool = True) -> int:
    """Remove the blobs, brought before a time, that no run of their project refers to; return how many.

    Args:
        database: where they are.
        before: younger ones may belong to a run that is about to come.
        removes: else they are counted only.

    Cost: reads each run that has media.
    """
    swept = 0
    for (project_id,) in await database.fetch(_PROJECTS, before):
        old = {row[0] for row in await database.fetch(_OLD, project_id, before)}
        async with database.connection() as connection:
            unused = old - await find_referenced(connection, project_id)
            if removes and unused:
                swept += await remove_blobs(connection, project_id, unused, before=before)
            else:
                swept += len(unused)
    return swept


async def find_referenced(connection: Connection, project_id: str) -> set[bytes]:
    """Return all hashes that stand in what the project's runs hold; more than those of blobs, perhaps."""
    found: set[bytes] = set()
    after = _FIRST
    while rows := await connection.fetch(_DOCUMENTS, project_id, after, _RUNS_AT_A_TIME):
        for row in rows:
            found |= hashes_in(row["documents"])
        after = rows[-1]["key"]
    return found | hashes_in(await connection.fetchval(_STEPS, project_id) or ())


def hashes_in(documents: Iterable[bytes]) -> set[bytes]:
    """Return all that looks like the hash of a blob in documents."""
    return {bytes.fromhex(text.decode()) for document in documents for text in _HASH.findall(document)}
