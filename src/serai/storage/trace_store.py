"""What is read of traces, put together."""

from __future__ import annotations

from serai.storage.connection import Database
from serai.storage.trace_counts import TraceCounts
from serai.storage.trace_details import TraceDetails
from serai.storage.trace_lists import TraceLists
from serai.storage.trace_sessions import TraceSessions


class TraceStore:
    """The statements that read traces.

    Attributes:
        lists: pages of traces.
        details: single traces with their spans.
        counts: how many there are.
        sessions: those of each session.
    """

    def __init__(self, database: Database) -> None:
        self.lists = TraceLists(database)
        self.details = TraceDetails(database)
        self.counts = TraceCounts(database)
        self.sessions = TraceSessions(database, self.counts)
