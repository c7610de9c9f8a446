"""A run while this node works on it: what its component reads, writes and journals through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from serai.domain.runs import Event, Outcome, RunRecord, Step
from serai.engine.event_log import RunWriter
from serai.engine.journal import Journal
from serai.storage.runs import SessionContext


class ActiveRun:
    """One claimed run.

    Attributes:
        record: the run as claimed.
        logged: its committed events when it was taken over, else empty.
        journal: its durable steps.
    """

    def __init__(
        self,
        record: RunRecord,
        writer: RunWriter,
        *,
        steps: list[Step],
        logged: list[Event],
        load_context: Callable[[RunRecord, int], Awaitable[SessionContext]],
    ) -> None:
        self.record = record
        self.logged = logged
        self.journal = Journal(writer, steps)
        self._writer = writer
        self._load_context = load_context

    @property
    def next_seq(self) -> int:
        """The sequence number that the next event gets."""
        return self._writer.next_seq

    def emit(self, name: str, data: bytes) -> None:
        """Append an event to the run's log, JSON in UTF-8; followers get it once it is committed."""
        self._writer.emit(name, data)

    async def load_context(self, *, history_runs: int) -> SessionContext:
        """Return the session's state and the messages of its last completed runs."""
        return await self._load_context(self.record, history_runs)


class Component(Protocol):
    """What the engine runs: an agent, a team or a workflow.

    `execute` is replayed after a crash: everything it does to the world goes through `ActiveRun.journal`.
    """

    @property
    def kind(self) -> str:
        """``agent``, ``team`` or ``workflow``."""
        ...

    @property
    def id(self) -> str:
        """The id of the routes."""
        ...

    async def execute(self, run: ActiveRun) -> Outcome:
        """Run to a state at rest; failures of models and tools are outcomes, not exceptions."""
        ...

    def fail(self, run: ActiveRun, error: BaseException) -> Outcome:
        """Return the outcome of a run that cannot go on."""
        ...


def answer_members(outcome: Outcome) -> dict[str, Any]:
    """Return the run object's members as they are stored with the run."""
    return {**outcome.output, "status": outcome.status.value}
