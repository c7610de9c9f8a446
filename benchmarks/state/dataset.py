"""The sessions and memories that are stored before anything is measured, made from their numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import UUID
from zlib import crc32

from benchmarks.state.operations import BIG_RUN_BYTES, Sizes

USERS, TOPICS, DAYS = 1000, 30, 365
LIGHT_USER, LONG_USER, LONGEST_USER, HEAVY_USER = "light", "long", "longest", "heavy"
COMMON_NAME, COMMON_TEXT = "invoice", "coffee"
COMPONENTS = {"agent": "instant", "team": "team", "workflow": "three-steps"}
QUESTION = "What is 2 + 2?"
# Random, so that it takes as much room as it is long; a server stores it with the run and in the run's messages.
BIG_QUESTION = random.Random(1).randbytes(BIG_RUN_BYTES // 4).hex()
_KINDS = ("agent",) * 16 + ("team",) * 3 + ("workflow",)
_ACTS = ("Check", "Answer", "Explain", "Translate", "Follow up", "Close")
_THINGS = (COMMON_NAME, "order", "contract", "refund", "delivery", "account", "login", "report")
_LIKES = (COMMON_TEXT, "green tea", "short answers", "dark themes", "early trains", "maps", "metric units", "tables")
_TIMES = ("in the morning", "when travelling", "at work", "on Fridays", "with friends", "in winter")
_EVERY_RUN = 10


@dataclass(frozen=True, slots=True)
class Session:
    """A session as a caller would make it, and how many runs are in it.

    Attributes:
        is_big: its runs carry `BIG_QUESTION`.
    """

    id: str
    kind: str
    user_id: str
    name: str
    state: dict[str, Any]
    created_at: datetime
    runs: int = 0
    is_big: bool = False

    @property
    def component_id(self) -> str:
        """What runs in it."""
        return COMPONENTS[self.kind]


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory as a caller would make it; its id is a UUID of version 7."""

    id: UUID
    user_id: str
    text: str
    topics: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True)
class Dataset:
    """The rows of one database.

    Attributes:
        rows: sessions, and as many memories, by number from 1; the greatest is the newest.
        until: when that was made; the others are spread over the year before.
    """

    rows: int
    until: datetime

    def session(self, number: int) -> Session:
        """Return a session by its number; one of ten has a run."""
        kind = _KINDS[_chance(number, 1) % len(_KINDS)]
        return Session(
            id=session_id(str(number)),
            kind=kind,
            user_id=user_of(_chance(number, 2)),
            name=f"{_pick(_ACTS, number, 3)} {_pick(_THINGS, number, 4)} of customer {_chance(number, 5) % 9000}, "
            f"{mark_of(number)}",
            state=state_of(_chance(number, 6)),
            created_at=self._at(number),
            runs=int(kind == "agent" and number % _EVERY_RUN == 0),
        )

    def memory(self, number: int) -> Memory:
        """Return a memory by its number."""
        at = self._at(number)
        count = 1 + _chance(number, 13) % 3
        return Memory(
            id=self.memory_id(number),
            user_id=user_of(_chance(number, 11)),
            text=f"Likes {_pick(_LIKES, number, 12)} {_pick(_TIMES, number, 14)}; said in {mark_of(number)}",
            topics=tuple(topic_of(_chance(number, 15) + 7 * place) for place in range(count)),
            created_at=at,
        )

    def memory_id(self, number: int) -> UUID:
        """Return the id of a memory."""
        clock = int(self._at(number).timestamp() * 1000)
        return UUID(int=clock << 80 | 7 << 76 | 2 << 62 | number)

    def sessions(self) -> Iterator[Session]:
        """Yield all sessions by their numbers."""
        return map(self.session, range(1, self.rows + 1))

    def memories(self) -> Iterator[Memory]:
        """Yield all memories by their numbers."""
        return map(self.memory, range(1, self.rows + 1))

    def _at(self, number: int) -> datetime:
        return self.until - timedelta(days=DAYS) * ((self.rows - number) / self.rows)


def long_sessions(sizes: Sizes, until: datetime) -> Iterator[Session]:
    """Yield sessions of users of their own: without runs, with some, with many, and with big ones."""
    kinds = (
        (LIGHT_USER, 0, False),
        (LONG_USER, sizes.runs, False),
        (LONGEST_USER, sizes.most_runs, False),
        (HEAVY_USER, sizes.big_runs, True),
    )
    at = until - timedelta(days=DAYS)
    for user, runs, is_big in kinds:
        for number in range(sizes.long_sessions):
            name, state = f"Session {number} of {user}", state_of(number)
            yield Session(session_id(f"{user}-{number}"), "agent", user, name, state, at, runs, is_big)


def session_id(name: str) -> str:
    """Return an id without any order, as servers make them."""
    return str(UUID(bytes=md5(name.encode(), usedforsecurity=False).digest()))


def user_of(number: int) -> str:
    """Return a user's id."""
    return f"user-{number % USERS:04d}"


def topic_of(number: int) -> str:
    """Return a topic."""
    return f"topic-{number % TOPICS:02d}"


def mark_of(number: int) -> str:
    """Return the words that only one session's name, or memory's text, has."""
    return f"case {number:07d}"


def state_of(chance: int) -> dict[str, Any]:
    """Return a session's state, some hundred bytes of JSON."""
    basket = [chance % 997, chance % 499, chance % 251]
    return {
        "step": "payment",
        "language": "de",
        "basket": basket,
        "total": chance % 10_000 / 100,
        "visits": chance % 50,
    }


def some_number(index: int, rows: int) -> int:
    """Return a number of the newer half; those of successive indexes lie far apart. The older half may be deleted."""
    return rows - index * 7919 % max(1, rows // 2)


def _chance(number: int, salt: int) -> int:
    return crc32(number.to_bytes(8), salt)


def _pick(words: tuple[str, ...], number: int, salt: int) -> str:
    return words[_chance(number, salt) % len(words)]
