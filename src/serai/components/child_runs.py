"""The runs inside one run, a team's members or a workflow's agents: begun, worked on, ended, closed when left open."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog

from serai.components.agent_events import AgentEvents
from serai.components.run_input import RunInput
from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome, RunRecord
from serai.domain.usage import Usage, sum_usage
from serai.engine.active_run import ActiveRun, Component, Execution, answer_members
from serai.engine.children import child_key
from serai.engine.interruption import describe, is_stop_request
from serai.engine.last_resort import bare_outcome
from serai.errors import FencedError, SeraiError

_log = structlog.get_logger("serai.components")
current_voice: contextvars.ContextVar[AgentEvents | None] = contextvars.ContextVar("serai_voice", default=None)
"""Whose text a run's text is, while it begins: its own unless its parent says otherwise."""


class ChildTimeoutError(SeraiError):
    """A run inside a run took longer than it may."""

    code = "run_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildResult:
    """How a run inside a run came to rest.

    Attributes:
        output: its run object's members, without messages.
        state_changes, state_removals: what it did to the session state, for its parent to do likewise.
    """

    record: RunRecord
    status: RunStatus
    output: dict[str, Any]
    state_changes: dict[str, Any] = field(default_factory=dict)
    state_removals: tuple[str, ...] = ()

    @property
    def content(self) -> Any:
        """What it answered, or of a failed one why."""
        return self.output.get("content")

    @property
    def requirements(self) -> list[dict[str, Any]]:
        """What a paused agent or team waits for."""
        return self.output.get("requirements") or []


class ChildRuns:
    """Works on the children of one run; several may be at work at a time.

    Make it where nothing of the parent's own work is under way yet: children run in the context of that moment.
    """

    def __init__(self, run: ActiveRun) -> None:
        self._run = run
        self._usage: dict[UUID, Usage] = {}
        self._open: dict[UUID, tuple[ActiveRun, Execution]] = {}
        self._context = contextvars.copy_context()

    @property
    def usage(self) -> Usage:
        """The tokens of the children in this segment, their own children's among them."""
        return sum_usage(item for usage in self._usage.values() for item in usage)

    def id_of(self, name: str) -> str:
        """Return the id that the child of this name has, or will have."""
        return str(child_key(self._run.record.key, name))

    async def do(
        self,
        name: str,
        component: Component,
        given: RunInput,
        *,
        state: Mapping[str, Any],
        about: Mapping[str, Any],
        answers: Sequence[dict[str, Any]] = (),
        timeout_s: float | None = None,
        voice: AgentEvents | None = None,
    ) -> ChildResult:
        """Do a child run, or go on with it; one that came to rest before its parent was replayed is as it was.

        Args:
            name: what it is called inside its parent; the same name is the same child.
            component: what runs.
            given: what it is asked.
            state: the session state that it begins with.
            about: members of its events, beside those of its own and the id of its parent.
            answers: of a paused one: what its component's `take_answers` wants.
            timeout_s: seconds until it is stopped, and has failed.
            voice: says its text; itself by default.

        Returns:
            How it came to rest; a failure is a status, not an exception.

        Raises:
            RequestError: an answer is wrong.
            FencedError: another node owns the run.
        """
        child = await self._run.begin_child(
            name,
            kind=component.kind,
            component_id=component.id,
            given=dump_json(given),
            state=state,
            about={**about, "parent_run_id": self._run.record.id},
        )
        if child.ended is not None:
            return self._replayed(child)
        if child.paused is not None and child.paused.output is not None:
            output = load_json(child.paused.output)
            component.take_answers(output, list(answers))
            child.paused = replace(child.paused, output=dump_json(output))
        return await self._work(child, component, timeout_s, voice)

    def cancel_open(self) -> list[ChildResult]:
        """End as CANCELLED the children that are still worked on, who say so before their parent does; return them."""
        ended = []
        for child, execution in list(self._open.values()):
            try:
                outcome = execution.cancel()
            except Exception:  # noqa: BLE001 - the component's boundary: the run ends in any case
                _log.exception("component_cannot_end_run", run_id=child.record.id)
                outcome = _bare(child, "The run was cancelled.", is_cancelled=True)
            ended.append(self._end(child, outcome))
        return ended

    async def _work(
        self, child: ActiveRun, component: Component, timeout_s: float | None, voice: AgentEvents | None
    ) -> ChildResult:
        # In a context of its own: what its parent has set for its own work is not for the child.
        context = self._context.copy()
        context.run(current_voice.set, voice)
        try:
            execution = context.run(component.begin, child)
        except Exception as error:  # noqa: BLE001 - the component's boundary: its parent learns how it ended
            _log.exception("component_cannot_begin_run", run_id=child.record.id)
            return self._write_end(child, _bare(child, describe(error)))
        self._open[child.record.key] = (child, execution)
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                outcome = await asyncio.get_running_loop().create_task(execution.execute(), context=context)
        except TimeoutError as error:
            if not limit.expired():
                return self._failed(child, execution, error)
            return self._failed(child, execution, ChildTimeoutError(f"It took longer than its {timeout_s:g} s."))
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            return self._failed(child, execution, error)
        return self._end(child, outcome)

    def _failed(self, child: ActiveRun, execution: Execution, error: BaseException) -> ChildResult:
        _log.warning("child_failed", run_id=child.record.id, exc_info=error)
        try:
            outcome = execution.fail(error)
        except Exception:  # noqa: BLE001 - the component's boundary
            _log.exception("component_cannot_end_run", run_id=child.record.id)
            outcome = _bare(child, describe(error))
        return self._end(child, outcome)

    def _end(self, child: ActiveRun, outcome: Outcome) -> ChildResult:
        if self._open.pop(child.record.key, None) is None:  # it was closed while it worked
            return _result(child, outcome)
        return self._write_end(child, outcome)

    def _write_end(self, child: ActiveRun, outcome: Outcome) -> ChildResult:
        self._run.end_child(child, outcome)
        self._usage[child.record.key] = outcome.usage
        return _result(child, outcome)

    def _replayed(self, child: ActiveRun) -> ChildResult:
        assert child.ended is not None
        assert child.rest is not None
        self._usage[child.record.key] = child.rest.usage
        return ChildResult(
            record=child.record,
            status=child.ended.status,
            output=load_json(child.ended.output) if child.ended.output is not None else {},
            state_changes=child.rest.state_changes,
            state_removals=child.rest.state_removals,
        )


def _result(child: ActiveRun, outcome: Outcome) -> ChildResult:
    return ChildResult(
        record=child.record,
        status=outcome.status,
        output=answer_members(outcome),
        state_changes=outcome.state_changes,
        state_removals=outcome.state_removals,
    )


def _bare(child: ActiveRun, text: str, *, is_cancelled: bool = False) -> Outcome:
    return bare_outcome(child.record, is_cancelled=is_cancelled, text=text, next_seq=child.next_seq)
