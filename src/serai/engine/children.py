"""Runs inside a run: a team's members, a workflow's steps. Whoever owns the root works on them and writes them down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from uuid import UUID, uuid5

from serai.domain.json_text import dump_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import ChildRun, Outcome, RunRecord, Step
from serai.engine.event_log import RunWriter
from serai.storage.runs import Answer

ReadSteps = Callable[[UUID, int], Awaitable[list[Step]]]


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

    async def begin(
        self, parent_key: UUID, name: str, *, kind: str, component_id: str, given: bytes
    ) -> tuple[RunRecord, Answer | None, list[Step]]:
        """Begin a child, or go on with it.

        Args:
            parent_key: of the run inside which it runs.
            name: what it is called there; the same name is the same child, also when the parent is replayed.
            kind: ``agent``, ``team`` or ``workflow``.
            component_id: what runs.
            given: its input.

        Returns:
            Its record; what it left when it last came to rest, or None; and the finished steps of this segment.
            With a terminal answer there is nothing to do any more.
        """
        key = uuid5(parent_key, name)
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
            )
        elif child.status is not RunStatus.RUNNING:
            answer = Answer(child.status, child.output, child.messages, child.carried)
            if child.status is RunStatus.PAUSED:
                child = replace(child, status=RunStatus.RUNNING, segment=child.segment + 1)
        elif child.segment > 0:
            answer = Answer(RunStatus.PAUSED, child.output, child.messages, child.carried)
        record = self._record(child)
        if child.status.is_terminal:
            return record, answer, []
        steps: list[Step] = []
        if self._root.epoch > 1:
            steps = await self._read_steps(child.key, child.segment)
        self._put(child)
        return record, answer, steps

    def end(self, key: UUID, outcome: Outcome, output: dict[str, object]) -> None:
        """Write down how a child came to rest; durable before the next step of the root begins."""
        self._put(
            replace(
                self._open[key],
                status=outcome.status,
                output=dump_json(output),
                messages=outcome.messages,
                carried=outcome.carried,
            )
        )

    def close(self, status: RunStatus) -> list[ChildRun]:
        """Return the children that have not ended when their root comes to rest, as they are to be stored."""
        left = self._stored if status.is_terminal else self._open
        ended = RunStatus.CANCELLED if status is RunStatus.CANCELLED else RunStatus.ERROR
        return [replace(child, status=ended) for child in left.values() if not child.status.is_terminal]

    def _put(self, child: ChildRun) -> None:
        self._stored[child.key] = child
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
