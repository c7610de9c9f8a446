"""Runs inside a run: a team's members, a workflow's steps. Whoever owns the root works on them and writes them down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

import msgspec

from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Outcome, RunRecord, Step
from serai.domain.usage import Usage
from serai.engine.event_log import RunWriter
from serai.engine.journal import printable
from serai.storage.runs import Answer

ReadSteps = Callable[[UUID, int], Awaitable[list[Step]]]


def child_key(parent_key: UUID, name: str) -> UUID:
    """Return the key that a run's child of this name has, the same at every replay."""
    return uuid5(parent_key, printable(name))


class Rest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a child leaves for its parent's replay, JSON in the child's row.

    Attributes:
        root_segment: the segment of the root in which it came to rest.
        carried: what it needs itself to go on after a pause, JSON.
        state_changes, state_removals: session state members to write and to delete.
        usage: the tokens of the child's segment.
    """

    root_segment: int
    carried: str | None = None
    state_changes: dict[str, Any] = {}
    state_removals: tuple[str, ...] = ()
    usage: Usage = []


@dataclass(frozen=True, slots=True)
class BegunChild:
    """A child as its parent finds it.

    Attributes:
        record: the child's run.
        parent_span: the span in which it lies, if that was traced.
        answer: what it left when it last came to rest, or None.
        rest: how it did; of a child with nothing to do now, else None.
        steps: finished steps of this segment of it.
    """

    record: RunRecord
    parent_span: int | None
    answer: Answer | None = None
    rest: Rest | None = None
    steps: list[Step] = field(default_factory=list)


class Children:
    """The children of one claimed root, and theirs.

    Args:
        root: the claimed run.
        writer: of the root; children write through it, under its fence and into its log.
        stored: what earlier claims and segments left.
        read_steps: reads the finished steps of a run's segment.
    """

    def __init__(
        self, root: RunRecord, writer: RunWriter, stored: Iterable[ChildRun], *, read_steps: ReadSteps
    ) -> None:
        self._root = root
        self._writer = writer
        self._read_steps = read_steps
        self._stored = {child.key: child for child in stored}
        self._open: dict[UUID, ChildRun] = {}
        self._put_here: set[UUID] = set()
        self.are_stored = bool(self._stored)

    async def begin(
        self,
        parent_key: UUID,
        name: str,
        *,
        kind: str,
        component_id: str,
        given: bytes,
        parent_span: int | None = None,
    ) -> BegunChild:
        """Begin a child, or go on with it.

        Args:
            parent_key: of the run inside which it runs.
            name: what it is called there; the same name is the same child, also when the parent is replayed.
            kind: ``agent``, ``team`` or ``workflow``.
            component_id: what runs.
            given: its input.
            parent_span: the span in which it lies, when it is new.

        Returns:
            The child. With `rest` it has ended, or paused in this very segment of the root: nothing is to be done.
        """
        key = child_key(parent_key, name)
        child = self._stored.get(key)
        answer: Answer | None = None
        if child is None:
            child = ChildRun(
                key=key,
                parent_key=parent_key,
                kind=kind,
                component_id=component_id,
                status=RunStatus.RUNNING,
                segment=0,
                input=given,
                parent_span=parent_span,
            )
        elif child.status is not RunStatus.RUNNING or child.segment > 0:
            rest = _load_rest(child)
            status = RunStatus.PAUSED if child.status is RunStatus.RUNNING else child.status
            carried = None if rest.carried is None else rest.carried.encode()
            answer = Answer(status, child.output, child.messages, carried)
            is_of_now = rest.root_segment == self._root.segment
            if status.is_terminal or (child.status.is_at_rest and is_of_now):
                if not is_of_now:  # what it used and changed was taken in that segment
                    rest = Rest(root_segment=rest.root_segment)
                return BegunChild(self._record(child), child.parent_span, answer, rest)
            if child.status is RunStatus.PAUSED:
                child = replace(child, status=RunStatus.RUNNING, segment=child.segment + 1)
        steps: list[Step] = []
        if self._root.epoch > 1:
            steps = await self._read_steps(child.key, child.segment)
        self._put(child)
        return BegunChild(self._record(child), child.parent_span, answer, steps=steps)

    async def list_rested(self, key: UUID) -> list[tuple[RunRecord, ChildRun, list[Step]]]:
        """Return a child that came to rest under an earlier claim, and all inside it, with their last steps.

        Nothing of one that came to rest under this claim.
        """
        child = self._stored[key]
        if self._root.epoch == 1 or key in self._put_here or child.status is RunStatus.RUNNING:
            return []
        found = [(self._record(child), child, await self._read_steps(key, child.segment))]
        for inner in list(self._stored.values()):
            if inner.parent_key == key:
                found += await self.list_rested(inner.key)
        return found

    def end(self, key: UUID, outcome: Outcome, output: dict[str, object]) -> None:
        """Write down how a child came to rest; durable before the next step of the root begins."""
        rest = Rest(
            root_segment=self._root.segment,
            carried=None if outcome.carried is None else outcome.carried.decode(),
            state_changes=outcome.state_changes,
            state_removals=outcome.state_removals,
            usage=outcome.usage,
        )
        self._put(
            replace(
                self._open[key],
                status=outcome.status,
                output=dump_json(output),
                messages=outcome.messages,
                carried=dump_json(rest),
            )
        )

    def close(self, status: RunStatus) -> list[ChildRun]:
        """Return the children that have not ended when their root comes to rest, as they are to be stored."""
        left = self._stored if status.is_terminal else self._open
        ended = RunStatus.CANCELLED if status is RunStatus.CANCELLED else RunStatus.ERROR
        return [replace(child, status=ended) for child in left.values() if not child.status.is_terminal]

    def _put(self, child: ChildRun) -> None:
        self._put_here.add(child.key)
        # Nobody reads the messages of one that has ended: they are written, and not kept.
        self._stored[child.key] = replace(child, messages=None) if child.status.is_terminal else child
        if child.status is RunStatus.RUNNING:
            self._open[child.key] = child
        else:
            self._open.pop(child.key, None)
        self._writer.add_child(child)

    def _record(self, child: ChildRun) -> RunRecord:
        return replace(
            self._root,
            key=child.key,
            id=str(child.key),
            parent_key=child.parent_key,
            kind=child.kind,
            component_id=child.component_id,
            status=child.status,
            segment=child.segment,
            input=child.input,
            idempotency_key=None,
            fingerprint=None,
        )


def _load_rest(child: ChildRun) -> Rest:
    """Return how a child came to rest; of one that was ended with its parent nothing is known."""
    return Rest(root_segment=-1) if child.carried is None else msgspec.convert(load_json(child.carried), Rest)
