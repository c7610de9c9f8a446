"""Which run or step an event of a stream belongs to, and how deep inside the run that was asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from serai.wire.events import is_of_inner_run


@dataclass(eq=False, slots=True)
class Lane:
    """A run, or a step of a workflow, as a view draws it.

    Attributes:
        name: of the agent, the team or the step.
        depth: how many steps of indentation.
        parent: what it is part of; None for the run that was asked for.
        speaks: whether it is a run that has text of its own.
        is_parallel: whether its steps go on at the same time.
        started_s: when it was first seen, on the monotonic clock.
        started_at: when it began, as the server says: Unix seconds.
        is_open: whether it goes on.
        said: its text so far.
        held: the end of its text that was not shown yet.
        calls: its tool calls that have not returned, by id.
        inner: how many runs and steps were part of it so far.
    """

    name: str
    depth: int
    parent: Lane | None
    speaks: bool
    is_parallel: bool = False
    started_s: float = field(default_factory=time.monotonic)
    started_at: int | None = None
    is_open: bool = True
    said: str = ""
    held: str = ""
    calls: dict[str, OpenCall] = field(default_factory=dict)
    inner: int = 0

    @property
    def has_siblings(self) -> bool:
        """Whether it, or what it is part of, goes on beside others."""
        return self.parent is not None and (self.parent.is_parallel or self.parent.has_siblings)

    def is_within(self, other: Lane) -> bool:
        """Say whether this is part of another lane, at any depth."""
        return self.parent is not None and (self.parent is other or self.parent.is_within(other))


@dataclass(eq=False, slots=True)
class OpenCall:
    """A tool call that has not returned; ``is_told`` when what happens inside it made it be shown already."""

    tool: Any
    started_s: float = field(default_factory=time.monotonic)
    is_told: bool = False


_RUNS_AROUND = ("parent_run_id", "workflow_run_id")


class RunTree:
    """The lanes of one stream.

    Attributes:
        root: the run that was asked for, once it is known.
        root_id: its id.
    """

    def __init__(self) -> None:
        self.root: Lane | None = None
        self.root_id: str | None = None
        self._runs: dict[str, Lane] = {}
        self._steps: dict[str, Lane] = {}

    def run_of(self, event: Any) -> Lane:
        """Return the lane of the run that an event is of; the first event of a run makes it."""
        run_id = event.run_id or self.root_id or ""
        lane = self._runs.get(run_id)
        if lane is None:
            lane = self._add_run(run_id, event)
        return lane

    def begin_step(self, event: Any) -> Lane:
        """Return a new lane for a step or a construct; in a loop each round has its own."""
        run = self.run_of(event)
        around = self._deepest(event) or run
        lane = self._inside(around, str(getattr(event, "step_name", None) or "a step"), speaks=False)
        lane.started_at = event.created_at
        lane.is_parallel = event.event == "ParallelExecutionStarted"
        self._steps[event.step_id or f"{event.run_id}/{lane.name}"] = lane
        return lane

    def step_of(self, event: Any) -> Lane:
        """Return the lane of the step that an event is of, also when its beginning was not seen."""
        name = str(getattr(event, "step_name", None) or "a step")
        lane = self._steps.get(event.step_id or f"{event.run_id}/{name}")
        return lane if lane is not None and lane.is_open else self.begin_step(event)

    def talks_alone(self, lane: Lane) -> bool:
        """Say whether nothing else could be told now: no run or branch goes on beside it, and no run inside it."""
        return not lane.has_siblings and not any(
            other.speaks and other.is_open and other is not lane and not lane.is_within(other)
            for other in self._runs.values()
        )

    def _add_run(self, run_id: str, event: Any) -> Lane:
        name, speaks = _name_and_voice(event)
        if not is_of_inner_run(event) and (self.root is None or not self.root.name):
            return self._make_root(run_id, name, speaks=speaks)
        root = self.root
        if root is None:  # a continued run may begin with what goes on inside it
            workflow_run_id = getattr(event, "workflow_run_id", None)
            parent_run_id = getattr(event, "parent_run_id", None)
            root = self._make_root(workflow_run_id or parent_run_id or "", "", speaks=workflow_run_id is None)
        around = self._deepest(event, "step_id") or root
        lane = self._inside(around, name, speaks=speaks)
        if not speaks:
            lane.depth = around.depth  # a workflow inside a step is that step
        self._runs[run_id] = lane
        return lane

    def _make_root(self, run_id: str, name: str, *, speaks: bool) -> Lane:
        if self.root is None:
            self.root = Lane(name, 0, None, speaks)
        self.root.name, self.root.speaks, self.root.depth = name, speaks, 0 if speaks else -1
        self.root_id, self._runs[run_id] = run_id, self.root
        return self.root

    def _inside(self, around: Lane, name: str, *, speaks: bool) -> Lane:
        around.inner += 1
        return Lane(name, around.depth + 1, around, speaks=speaks)

    def _deepest(self, event: Any, *own_steps: str) -> Lane | None:
        """Return the innermost of the lanes that an event names as being around it."""
        runs = (self._runs.get(getattr(event, name, None) or "") for name in _RUNS_AROUND)
        steps = (self._steps.get(getattr(event, name, None) or "") for name in ("parent_step_id", *own_steps))
        known = [lane for lane in (*steps, *runs) if lane is not None]
        return max(known, key=lambda lane: lane.depth, default=None)


def _name_and_voice(event: Any) -> tuple[str, bool]:
    """Return the name of an event's run, and whether that run has text of its own, as a workflow has not."""
    for member in ("agent_name", "agent_id", "team_name", "team_id"):
        if name := getattr(event, member, None):
            return str(name), True
    is_workflow = bool(getattr(event, "workflow_name", None) or getattr(event, "workflow_id", None))
    return str(getattr(event, "workflow_name", None) or ""), not is_workflow
