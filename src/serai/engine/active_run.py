"""A run while this node works on it: what its component reads, writes and journals through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from serai.domain.json_text import dump_json, load_json
from serai.domain.knowledge import FoundChunk
from serai.domain.meter import Meter
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Event, Outcome, RunRecord, Step
from serai.engine.children import Children, Rest
from serai.engine.event_log import RunWriter
from serai.engine.journal import Journal
from serai.engine.tracing import RunTrace
from serai.storage.blobs import BlobStore
from serai.storage.runs import Answer, SessionContext
from serai.storage.user_memories import UserMemories


class KnowledgeSearch(Protocol):
    """Searches the knowledge bases of a server."""

    async def find(self, project_id: str, base_id: str, text: str, *, filters: Mapping[str, Any]) -> list[FoundChunk]:
        """Return what a base holds about something, best first, searched as the base has it."""
        ...


class ActiveRun:
    """One claimed run.

    Attributes:
        record: the run as claimed.
        paused: what it paused with when it is continued, the caller's answers laid in; else None.
        logged: this segment's own committed events when it was taken over, else empty.
        ended: a child that came to rest before its parent was replayed: the answer; else None.
        rest: the same child's session state and tokens, else None.
        about: members that each event of a child has beside its own: whose child it is.
        journal: its durable steps.
        trace: what it tells as spans.
        blobs: where the bytes of its media lie.
        memories: what is remembered of users.
        knowledge: the knowledge bases, None on a server without any.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        record: RunRecord,
        writer: RunWriter,
        *,
        trace: RunTrace,
        steps: list[Step],
        logged: list[Event],
        paused: Answer | None,
        children: Children,
        load_context: Callable[[RunRecord, int], Awaitable[SessionContext]],
        blobs: BlobStore,
        memories: UserMemories,
        knowledge: KnowledgeSearch | None,
    ) -> None:
        self.record = record
        self.paused = paused
        self.ended: Answer | None = None
        self.rest: Rest | None = None
        self.about: Mapping[str, Any] = {}
        self.trace = trace
        self.journal = Journal(writer, trace, steps)
        self.blobs = blobs
        self.memories = memories
        self.knowledge = knowledge
        self._writer = writer
        self._children = children
        self._load_context = load_context
        self._logged_by_run = _by_run(logged) if children.are_stored else {record.id: logged}
        self.logged = self._logged_by_run.get(record.id, [])

    @property
    def next_seq(self) -> int:
        """The sequence number that the next event gets."""
        return self._writer.next_seq

    @property
    def meter(self) -> Meter:
        """Takes what is measured of the run."""
        return self._writer.meter

    def logged_within(self) -> Iterator[Event]:
        """Yield the segment's own committed events when it was taken over, those of runs inside it, too."""
        for events in self._logged_by_run.values():
            yield from events

    def emit(self, name: str, data: bytes) -> None:
        """Append an event to the run's log, JSON in UTF-8; followers get it once it is committed."""
        self._writer.emit(name, data)

    async def begin_child(
        self,
        name: str,
        *,
        kind: str,
        component_id: str,
        given: bytes,
        state: Mapping[str, Any] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> ActiveRun:
        """Begin a run inside this one, or go on with it: it runs here, under this run's claim, and never waits.

        Args:
            name: what it is called inside this run; the same name is the same child when this run is replayed.
            kind: ``agent``, ``team`` or ``workflow``.
            component_id: what runs.
            given: its input.
            state: the session state that it begins with; it sees no history.
            about: members that each of its events has.

        Returns:
            The child. With `ended` there is nothing to do now; else end it with `end_child`, also when it pauses.
        """
        begun = await self._children.begin(
            self.record.key,
            name,
            kind=kind,
            component_id=component_id,
            given=given,
            parent_span=self.trace.current.id if self.trace.is_on else None,
        )
        trace = self.trace.inside(begun.record, stored_parent=begun.parent_span)
        context = SessionContext(dict(state or {}), [])

        async def load_context(_record: RunRecord, _history_runs: int) -> SessionContext:
            return context

        child = ActiveRun(
            begun.record,
            self._writer,
            trace=trace,
            steps=[],
            logged=[],
            paused=None if begun.rest is not None else begun.answer,
            children=self._children,
            load_context=load_context,
            blobs=self.blobs,
            memories=self.memories,
            knowledge=self.knowledge,
        )
        child.about = dict(about or {})
        child.ended = None if begun.rest is None else begun.answer
        child.rest = begun.rest
        child.journal = Journal(self._writer, trace, begun.steps, child=(begun.record.key, begun.record.segment))
        if begun.rest is None:
            trace.begin()
        elif trace.is_on:
            traces = {self.record.key: self.trace}
            for record, rested, steps in await self._children.list_rested(begun.record.key):
                inner = traces[rested.parent_key].inside(record, stored_parent=rested.parent_span)
                inner.retell_run(rested, steps)
                traces[record.key] = inner
        child._logged_by_run = self._logged_by_run
        child.logged = self._logged_by_run.get(begun.record.id, [])
        return child

    def end_child(self, child: ActiveRun, outcome: Outcome) -> None:
        """Say and write down how a child came to rest."""
        name, members = outcome.last_event
        if "event_index" in members:  # others may have spoken since it was made
            members = {**members, "event_index": child.next_seq}
        child.emit(name, dump_json(members))
        self._children.end(child.record.key, outcome, answer_members(outcome))
        child.trace.end(outcome)

    def close_children(self, status: RunStatus) -> list[ChildRun]:
        """Return the children that have not ended when this run comes to rest."""
        return self._children.close(status)

    async def load_context(self, *, history_runs: int) -> SessionContext:
        """Return the session's state and the messages of its last completed runs."""
        return await self._load_context(self.record, history_runs)


@dataclass(frozen=True, slots=True)
class RestingRun:
    """A run that nobody works on: it waits for its turn, or for a person.

    Attributes:
        record: the run.
        answer: what it rests with.
        logged: the committed events of a segment that a node had begun and let go, its children's among them.
        next_seq: the sequence number that its next event gets.
        about: as of an `ActiveRun`; no child rests by itself.
    """

    record: RunRecord
    answer: Answer
    logged: list[Event]
    next_seq: int
    about: Mapping[str, Any] = field(default_factory=dict)

    def emit(self, name: str, data: bytes) -> None:
        """Refuse: a run that rests says nothing but its last event."""
        raise NotImplementedError(f"{name} {data!r}")


class Execution(Protocol):
    """A component at work on one segment of a run.

    `execute` is replayed after a crash: everything it does to the world goes through `ActiveRun.journal`.
    """

    async def execute(self) -> Outcome:
        """Run to a state at rest; failures of models and tools are outcomes, not exceptions."""
        ...

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        """Return the outcome of a run that cannot go on.

        Args:
            error: why.
            keeps_content: the answer is what was said so far, rather than the error's text.
        """
        ...

    def cancel(self) -> Outcome:
        """Return the outcome of a run that somebody cancelled, with what was said so far."""
        ...


class Component(Protocol):
    """What the engine runs: an agent, a team or a workflow."""

    @property
    def kind(self) -> str:
        """``agent``, ``team`` or ``workflow``."""
        ...

    @property
    def id(self) -> str:
        """The id of the routes."""
        ...

    @property
    def max_concurrency(self) -> int | None:
        """The most of its runs at a time, on all nodes together."""
        ...

    def begin(self, run: ActiveRun) -> Execution:
        """Return the execution of a claimed run."""
        ...

    def take_answers(self, output: dict[str, Any], answers: Any) -> bool:
        """Lay a caller's answers into the output of a paused run, and return whether nothing is left to answer.

        Raises:
            SeraiError: an answer is wrong; the text says which and why.
        """
        ...

    def cancel_at_rest(self, run: RestingRun) -> Outcome:
        """Return the outcome of a run that is cancelled while nobody works on it."""
        ...


def answer_members(outcome: Outcome) -> dict[str, Any]:
    """Return the run object's members as they are stored with the run."""
    return {**outcome.output, "status": outcome.status.value}


def _by_run(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return a root's events, and those of its children, by whose they are."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(load_json(event.data).get("run_id", ""), []).append(event)
    return found
