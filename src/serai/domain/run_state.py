"""The states of a run, the moves between them, and the events that end a stream. A table, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunStatus(StrEnum):
    """Where a run stands, as the wire writes it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows: the run's answer stands."""
        return not MOVES[self]

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody works on the run: it ended, or waits for a person."""
        return self.is_terminal or self is RunStatus.PAUSED


MOVES: Final[dict[RunStatus, frozenset[RunStatus]]] = {
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.ERROR}),
    # Back to PENDING: its node died, froze or handed it over.
    RunStatus.RUNNING: frozenset(
        {RunStatus.PENDING, RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.ERROR}
    ),
    RunStatus.PAUSED: frozenset({RunStatus.PENDING, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.ERROR: frozenset(),
}

_LAST: Final = ("Completed", "Error", "Cancelled", "Paused")
EVENT_PREFIXES: Final = {"agent": "Run", "team": "TeamRun", "workflow": "Workflow"}
"""How the names of the events begin that tell where a run of each kind stands."""

LAST_EVENTS: Final[dict[str, frozenset[str]]] = {
    kind: frozenset(prefix + end for end in _LAST) for kind, prefix in EVENT_PREFIXES.items()
}
"""The events after which a run of each kind sends nothing more until it is continued."""

PAUSE_EVENTS: Final = frozenset(prefix + "Paused" for prefix in EVENT_PREFIXES.values())
