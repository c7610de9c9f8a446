"""Blobs that no run refers to any more: found by reading what runs hold, and removed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from serai.storage.connection import Database, count_of

_RUNS_AT_A_TIME: Final = 500
_STEPS_AT_A_TIME: Final = 2000
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_FIRST: Final = UUID(int=0)

_PROJECTS = "select distinct project_id from blobs where created_at < $1"
_OLD = "select sha256 from blobs where project_id = $1 and created_at < $2"
_OF_USER = "select sha256 from blobs where project_id = $1 and user_id = $2"

# The next runs of a project, or of a user's own and of the user's sessions, with what they hold that may refer to
# blobs: a document of ours that does says so by one of two members.
_DOCUMENTS = """
select key, case when position('"sha256"'::bytea in input) > 0
                   or position('"sha256"'::bytea in coalesce(output, '')) > 0
                   or position('"sha256"'::bytea in coalesce(messages, '')) > 0
                   or position('"sha256"'::bytea in coalesce(carried, '')) > 0
                   or substring(output from 1 for 9) = '{"blobs":'::bytea
                   or substring(messages from 1 for 9) = '{"blobs":'::bytea
                 then array_remove(array[input, output, messages, carried], null) end as documents
from runs where project_id = $1 and key > $2 and ($4::text is null or user_id = $4 or session_id in (
    select id from sessions where project_id = $1 and user_id = $4))
order by key limit $3"""
_STEPS = """
select run_key, segment, operation, call,
       case when position('"sha256"'::bytea in result) > 0 then array[result] end as documents
from run_steps where project_id = $1 and (run_key, segment, operation, call) > ($2::uuid, $3::int, $4::text, $5::text)
order by run_key, segment, operation, call limit $6"""

# Who brings the same bytes again makes the blob a new one.
_REMOVE = "delete from blobs where project_id = $1 and sha256 = any($2::bytea[]) and created_at < $3"
_DISOWN = "update blobs set user_id = null where project_id = $1 and user_id = $2"


async def sweep_blobs(database: Database, *, before: datetime, removes: bool = True) -> int:
    """Remove the blobs, brought before a time, that no run of their project refers to; return how many.

    Args:
        database: where they are.
        before: younger ones may belong to a run that is about to come.
        removes: else they are counted only.

    Cost: reads each run, some at a time, and each step of a journal.
    """
    swept = 0
    for (project_id,) in await database.fetch(_PROJECTS, before):
        old = {row[0] for row in await database.fetch(_OLD, project_id, before)}
        unused = old - await _find_referenced(database, project_id)
        if removes and unused:
            swept += count_of(await database.execute(_REMOVE, project_id, list(unused), before))
        else:
            swept += len(unused)
    return swept


async def find_blobs_of_user(database: Database, project_id: str, user_id: str) -> set[bytes]:
    """Return the hashes of the blobs that a user was the first to bring, and all in the user's runs and sessions."""
    brought = {row[0] for row in await database.fetch(_OF_USER, project_id, user_id)}
    return brought | await _hashes_in_runs(database, project_id, user_id)


async def erase_blobs(database: Database, project_id: str, user_id: str, hashes: set[bytes]) -> int:
    """Remove those of a user's blobs that no run refers to, and the name from the others; return how many went."""
    removed = 0
    if hashes:
        unused = hashes - await _find_referenced(database, project_id)
        removed = count_of(await database.execute(_REMOVE, project_id, list(unused), _NEVER))
    await database.execute(_DISOWN, project_id, user_id)
    return removed


async def _find_referenced(database: Database, project_id: str) -> set[bytes]:
    """Return all hashes that stand in what the project's runs hold; more than those of blobs, perhaps."""
    found = await _hashes_in_runs(database, project_id, None)
    after: tuple[Any, ...] = (_FIRST, 0, "", "")
    while rows := await database.fetch(_STEPS, project_id, *after, _STEPS_AT_A_TIME):
        found |= await _hashes_in(rows)
        after = tuple(rows[-1])[:-1]
    return found


async def _hashes_in_runs(database: Database, project_id: str, user_id: str | None) -> set[bytes]:
    found: set[bytes] = set()
    after = _FIRST
    while rows := await database.fetch(_DOCUMENTS, project_id, after, _RUNS_AT_A_TIME, user_id):
        found |= await _hashes_in(rows)
        after = rows[-1]["key"]
    return found


async def _hashes_in(rows: Sequence[asyncpg.Record]) -> set[bytes]:
    """Return all that looks like the hash of a blob in the documents of rows."""
    documents = [document for row in rows for document in row["documents"] or ()]
    return await asyncio.to_thread(_search, documents) if documents else set()


def _search(documents: Sequence[bytes]) -> set[bytes]:
    return {bytes.fromhex(text.decode()) for document in documents for text in _HASH.findall(document)}
