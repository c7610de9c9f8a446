"""What is asked of every server, on how many rows, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PAGE_SIZE = 20
CONCURRENCIES = (1, 16)
RUNS, MOST_RUNS, BIG_RUNS, BIG_RUN_BYTES = 20, 500, 100, 40_000


class Place(StrEnum):
    """One of the databases that each server has."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Operation(StrEnum):
    """An operation; its text is its name in the tables."""

    CREATE = "create a session"
    GET = "get a session"
    GET_LONG = f"get a session of {RUNS} runs"
    RENAME = "rename a session"
    RENAME_LONG = f"rename a session of {MOST_RUNS} runs"
    UPDATE = "replace a session's state"
    DELETE = "delete a session"
    MEMORY_CREATE = "create a memory"
    MEMORY_GET = "get a memory"
    MEMORY_UPDATE = "replace a memory"
    MEMORY_DELETE = "delete a memory"
    NEWEST = "newest sessions"
    MIDDLE = "sessions, page in the middle"
    LAST = "sessions, last page"
    OF_USER = "sessions of a user"
    OF_KIND = "sessions of a type"
    FIND_ONE = "sessions by a name that one has"
    FIND_MANY = "sessions by a word in an eighth of the names"
    LIGHT = "sessions of a user, without runs"
    HEAVY = f"sessions of a user, {BIG_RUNS} runs of 40 kB in each"
    MEMORY_NEWEST = "newest memories"
    MEMORY_MIDDLE = "memories, page in the middle"
    MEMORY_OF_USER = "memories of a user"
    MEMORY_OF_TOPIC = "memories of a topic"
    MEMORY_FIND_ONE = "memories by a text that one has"
    MEMORY_FIND_MANY = "memories by a word in an eighth of them"
    TOPICS = "topics of all memories"
    STATISTICS = "users with their memories, first page"
    STATISTICS_MIDDLE = "users with their memories, page in the middle"
    METRICS = "metrics of 365 days"
    REFRESH = "refresh of all metrics"


ONE_BY_ONE = tuple(Operation)[: tuple(Operation).index(Operation.NEWEST)]
"""Those that make, read and change one thing; on the database of medium size."""

DELETES = (Operation.DELETE, Operation.MEMORY_DELETE)
LISTS: dict[Operation, tuple[Place, ...]] = {
    # The first one tells how the servers grow with it, so they have not done anything before.
    Operation.HEAVY: (Place.MEDIUM,),
    Operation.LIGHT: (Place.MEDIUM,),
    Operation.NEWEST: tuple(Place),
    Operation.MIDDLE: (Place.LARGE,),
    Operation.LAST: (Place.LARGE,),
    Operation.OF_USER: (Place.LARGE,),
    Operation.OF_KIND: (Place.LARGE,),
    Operation.FIND_ONE: (Place.LARGE,),
    Operation.FIND_MANY: (Place.LARGE,),
    Operation.MEMORY_NEWEST: tuple(Place),
    Operation.MEMORY_MIDDLE: (Place.LARGE,),
    Operation.MEMORY_OF_USER: (Place.LARGE,),
    Operation.MEMORY_OF_TOPIC: (Place.LARGE,),
    Operation.MEMORY_FIND_ONE: (Place.LARGE,),
    Operation.MEMORY_FIND_MANY: (Place.LARGE,),
    Operation.TOPICS: (Place.LARGE,),
    Operation.STATISTICS: (Place.LARGE,),
    Operation.STATISTICS_MIDDLE: (Place.LARGE,),
    Operation.METRICS: (Place.LARGE,),
}
"""Those that read many, and on which databases."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rows: sessions, and memories, of the large database.
        peer_rows: the most of them for the peer, which takes long over its lists.
        medium_rows, small_rows: of the others.
        rounds: samples of each kind.
        seconds: of load in each sample.
        concurrencies: requests under way at a time, where one thing is asked for.
        runs, most_runs, big_runs: in a long session, in the longest, and in one whose runs are big.
        long_sessions: of each of these kinds.
        concurrent: runs at a time in one session.
        refresh_s: how long a refresh of the metrics may take.
    """

    rows: int = 1_000_000
    peer_rows: int = 100_000
    medium_rows: int = 10_000
    small_rows: int = 20
    rounds: int = 3
    seconds: float = 1.0
    concurrencies: tuple[int, ...] = CONCURRENCIES
    runs: int = RUNS
    most_runs: int = MOST_RUNS
    big_runs: int = BIG_RUNS
    long_sessions: int = PAGE_SIZE
    concurrent: int = 20
    refresh_s: float = 300.0

    def rows_of(self, place: Place, *, is_peer: bool) -> int:
        """Return how many sessions, and memories, a database has."""
        large = min(self.rows, self.peer_rows) if is_peer else self.rows
        by_place = {Place.SMALL: self.small_rows, Place.MEDIUM: self.medium_rows, Place.LARGE: large}
        return min(by_place[place], self.rows)


QUICK = Sizes(
    rows=100,
    medium_rows=100,
    rounds=1,
    seconds=0.01,
    concurrencies=(16,),
    runs=2,
    most_runs=3,
    big_runs=2,
    long_sessions=2,
    concurrent=4,
)
