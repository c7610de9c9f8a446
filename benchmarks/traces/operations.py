"""What is asked of every server, on how many traces, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PAGE_SIZE = 20
CONCURRENCIES = (1, 16)


class Operation(StrEnum):
    """A question about traces; its text is its name in the tables."""

    NEWEST = "newest traces"
    MIDDLE = "traces, page in the middle"
    OF_USER = "traces of a user"
    OF_SESSION = "traces of a session"
    OF_AGENT = "traces of an agent"
    FAILED = "traces that failed"
    DETAIL = "a trace as a tree"
    SESSIONS = "sessions with their traces, newest"
    SESSIONS_MIDDLE = "sessions with their traces, page in the middle"
    SEARCH = "search: an agent's that failed"
    SEARCH_TEXT = "search: part of a user's name, and a duration"


RUNS = "a run of two model requests and a tool"
SPANS = "a span that another program sends"
STATEMENTS = (Operation.NEWEST, Operation.DETAIL)
"""Those that are compared with the bare statement that finds as much."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        traces: of each database that is listed, from few to many.
        peer_traces: the most of them for the peer, which takes long over its lists.
        rounds: samples of each kind.
        seconds: of load in each sample.
        concurrencies: runs under way at a time.
        batches, batch_spans: what another program sends in each sample.
    """

    traces: tuple[int, ...] = (20, 100_000, 1_000_000)
    peer_traces: int = 100_000
    rounds: int = 5
    seconds: float = 2.0
    concurrencies: tuple[int, ...] = CONCURRENCIES
    batches: int = 100
    batch_spans: int = 512

    @property
    def all_peer_traces(self) -> tuple[int, ...]:
        """How many traces the databases of the peer have."""
        return tuple(dict.fromkeys(min(count, self.peer_traces) for count in self.traces))


QUICK = Sizes(traces=(40,), peer_traces=40, rounds=1, seconds=0.01, concurrencies=(16,), batches=2, batch_spans=50)
