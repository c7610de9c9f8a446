"""Memories of users as values, and what of their texts is searched and compared. No I/O."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final
from uuid import UUID

from serai.domain.search_text import fold, triples_of

LONGEST_MEMORY: Final = 5000
LONGEST_TOPIC: Final = 200
MOST_TOPICS: Final = 100
UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff"
"""The scripts that are written without blanks, as part of a class of characters in a regular expression."""

_SIGN: Final = 1 << 31
_UNSPACED_RUN: Final = re.compile(f"[{UNSPACED}]+")


class MemoryOrigin(StrEnum):
    """Who wrote a memory."""

    CALLER = "caller"
    """Somebody, by a request."""
    TOOL = "tool"
    """An agent, by its tool."""
    EXTRACTION = "extraction"
    """A model that read a run."""
    OPTIMIZE = "optimize"
    """A model that condensed a user's memories."""


class MemoryAction(StrEnum):
    """What was done to a memory."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory to be stored.

    Attributes:
        source_run_id: the run it was learnt in; with `source_session_id`.
    """

    project_id: str
    user_id: str
    memory: str
    topics: tuple[str, ...] = ()
    agent_id: str | None = None
    team_id: str | None = None
    source_run_id: str | None = None
    source_session_id: str | None = None
    origin: MemoryOrigin = MemoryOrigin.CALLER


_SAID: Final = tuple(member.name for member in fields(NewMemory))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord(NewMemory):
    """A memory as stored.

    Attributes:
        revision: rises with each change.
    """

    id: UUID
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticChange:
    """What is to be done to a memory of a user without anybody asking by hand.

    Attributes:
        action: what.
        memory_id: of the memory; for a new one the id it is to have, else it gets one.
        memory: the text; none for `DELETED`.
        topics: None keeps those it has.
        expected_revision: the change is refused when the memory has another one.
    """

    action: MemoryAction
    memory_id: UUID | None = None
    memory: str = ""
    topics: tuple[str, ...] | None = None
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """An automatic change that was made, or the undoing of one.

    Attributes:
        operation_id: changes that were made together have it in common.
        before: the memory before; None when it was created.
        after: the memory after; None when it was deleted.
        undone_at: when it was undone.
        undoes: the change that this one undoes.
    """

    id: UUID
    project_id: str
    user_id: str
    memory_id: UUID
    action: MemoryAction
    origin: MemoryOrigin
    operation_id: str | None
    run_id: str | None
    session_id: str | None
    agent_id: str | None
    team_id: str | None
    before: MemoryRecord | None
    after: MemoryRecord | None
    at: datetime
    undone_at: datetime | None
    undoes: UUID | None


def as_stored(
    key: UUID, new: NewMemory, *, created_at: datetime, updated_at: datetime, revision: int = 1
) -> MemoryRecord:
    """Return a new memory as it is stored."""
    values = {name: getattr(new, name) for name in _SAID}
    return MemoryRecord(**values, id=key, revision=revision, created_at=created_at, updated_at=updated_at)


def fold_said(text: str) -> str:
    """Return what two memories have in common when they differ in case and blanks at most."""
    return " ".join(fold(text).split())


def fold_hash(project_id: str, user_id: str, text: str) -> bytes:
    """Return a hash that two memories of a user have in common when they differ in case and blanks at most."""
    said = "\0".join((project_id, user_id, fold_said(text)))
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def marks_of(memory: NewMemory, folded: str) -> set[int]:
    """Return the hashes under which a memory is found: of the pieces of its text, of its topics, agent and team."""
    tags = tag_marks(memory.project_id, memory.topics, memory.agent_id, memory.team_id)
    return text_marks(memory.project_id, folded) | tags


def text_marks(project_id: str, folded: str) -> set[int]:
    """Return a hash of each piece of a folded text; a part of the text has some of them, if it has any.

    Pieces are three characters that follow each other; in scripts without blanks, whose words are short, one and two.
    """
    pieces = triples_of(folded)
    if not folded.isascii():
        for run in _UNSPACED_RUN.findall(folded):
            pieces.update(run)
            pieces.update(map("".join, pairwise(run)))
    return _hashes(project_id, pieces)


def tag_marks(project_id: str, topics: Iterable[str], agent_id: str | None, team_id: str | None) -> set[int]:
    """Return a hash of each topic, of the agent and of the team."""
    tags = [f"topic {topic}" for topic in topics]
    tags += [f"{kind} {name}" for kind, name in (("agent", agent_id), ("team", team_id)) if name is not None]
    return _hashes(project_id, tags)


def without_repeats(topics: Sequence[str]) -> tuple[str, ...]:
    """Return topics in their order, each once."""
    return tuple(dict.fromkeys(topics))


def _hashes(project_id: str, texts: Iterable[str]) -> set[int]:
    """Return signed numbers of 32 bits; that two texts have the same one costs a row that is looked at in vain."""
    project = zlib.crc32(project_id.encode())
    return {((project ^ crc) + _SIGN) % (2 * _SIGN) - _SIGN for crc in map(zlib.crc32, map(str.encode, texts))}
