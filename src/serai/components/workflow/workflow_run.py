"""One segment of a workflow's run, from its claim to its outcome."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from serai.components.child_runs import ChildRuns
from serai.components.hosted_agent import RunTimeoutError
from serai.components.logged_tokens import count_at_least_logged
from serai.components.paused_runs import with_paused_ended
from serai.components.run_input import RunInput, load_run_input
from serai.components.run_media import RunMedia
from serai.components.session_state import TrackedState
from serai.components.workflow.constructs import do_nodes
from serai.components.workflow.definition import Node
from serai.components.workflow.events import WorkflowEvents, last_content
from serai.components.workflow.executors import shown_run
from serai.components.workflow.memory import Memory, WorkflowChangedError, has_place, load_memory
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.results import StepResult, content_type_of
from serai.components.workflow.run_object import RunObject
from serai.components.workflow.work import CANCELLED, RunRejected, StepFailedError, StepPaused, Work
from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Outcome
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe, is_stop_request
from serai.errors import FencedError, RequestError, SeraiError


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedWorkflow:
    """A workflow, and how the server runs it.

    Attributes:
        name: what people call it.
        nodes: its steps.
        session_state: members that a session's state has from the start.
        input_type: reads the message; None: it is a text.
        timeout_s: seconds of work of one segment.
        description: one line about it.
    """

    name: str
    nodes: Sequence[Node]
    session_state: dict[str, Any]
    input_type: pydantic.TypeAdapter[Any] | None
    timeout_s: float | None
    description: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What its runs' spans tell of it."""
        about = {} if self.description is None else {"description": self.description}
        names, types = [node.name for node in self.nodes], [node.type for node in self.nodes]
        return {**about, "steps_count": len(names), "steps": names, "step_types": types}

    def read_message(self, message: str) -> Any:
        """Return what a message means to the workflow: JSON, or a text, that fits its type.

        Raises:
            RequestError: it does not fit.
        """
        if self.input_type is None:
            return message
        try:
            return self.input_type.validate_json(message)
        except pydantic.ValidationError as error:
            wrong = error
        try:
            return self.input_type.validate_python(message)
        except pydantic.ValidationError as error:
            is_json = wrong.errors()[0]["type"] != "json_invalid"
            found = (wrong if is_json else error).errors()
            why = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'message'}: {one['msg']}" for one in found)
            raise RequestError(f"message: it is not what the workflow {self.name!r} takes: {why}.") from error


class WorkflowRun:
    """The execution of one segment of a workflow's run.

    Args:
        run: the claimed run.
        host: the workflow.
    """

    def __init__(self, run: ActiveRun, host: HostedWorkflow) -> None:
        self.run = run
        self.input: RunInput = load_run_input(run.record.input)
        self._host = host
        key = run.record.key
        self._placed = [(node, Place.of(key, number, node.name)) for number, node in enumerate(host.nodes)]
        self._memory = Memory()
        earlier: dict[str, Any] = {}
        if run.paused is not None:
            earlier = load_json(run.paused.output) if run.paused.output else {}
            self._memory = load_memory(run.paused.carried) if run.paused.carried else Memory()
        deps = self.input.deps_of(run.record)
        self._events = WorkflowEvents(run, name=host.name, said=self._memory.said)
        self._object = RunObject(
            run.record,
            self.input,
            name=host.name,
            about=run.about,
            worked_s=self._memory.worked_s,
            blobs=earlier.get("blobs") or (),
        )
        self._work = Work(
            run=run,
            events=self._events,
            memory=self._memory,
            children=ChildRuns(run),
            deps=deps,
            state=TrackedState(deps),
            media=RunMedia(run.blobs, run.record),
            given=self.input,
            value=self.input.message,
            answered=_by_step(earlier),
            executor_runs={inner["run_id"]: inner for inner in earlier.get("step_executor_runs") or ()},
        )

    async def execute(self) -> Outcome:
        """Do the steps to the end or the next pause; what they raise becomes the outcome."""
        self.run.trace.run_span.attributes.update(self._host.facts)
        try:
            await self._load()
            self._events.emit("WorkflowStarted")
            self._work.value = self._host.read_message(self.input.message)
            results = await self._do_steps()
        except StepPaused:
            return self._pause()
        except RunRejected as rejection:
            return self._cancelled(f"{CANCELLED}{rejection}")
        except BaseException as error:
            if isinstance(error, FencedError) or is_stop_request(error):
                raise
            return self.fail(error)
        return self._complete(results)

    def fail(self, error: BaseException, *, keeps_content: bool = False) -> Outcome:
        """Return the outcome of a run that cannot go on: its content is the error's text, or the last answer."""
        self._end_inside(RunStatus.ERROR)
        text = describe(error)
        last = self._events.members("WorkflowError", error=text, error_type=_error_type(error))
        content = self._content() if keeps_content else None
        return self._end(RunStatus.ERROR, content=text if content is None else content, last=last)

    def cancel(self) -> Outcome:
        """Return the outcome of a cancelled run: what was answered so far."""
        outcome = self._cancelled(f"Run {self.run.record.id} was cancelled", content=self._content())
        outcome.output["cancellation_stage"] = "EXECUTING"
        return outcome

    async def _load(self) -> None:
        context = await self.run.load_context(history_runs=0)
        defaults = {name: value for name, value in self._host.session_state.items() if name not in context.state}
        first = self.run.paused is None
        given = {**copy.deepcopy(defaults), **self.input.session_state} if first else {}
        self._work.state.load(context.state, laid_over=given)
        await self._work.media.fetch(item.sha256 for item in self.input.media if item.sha256 is not None)

    async def _do_steps(self) -> list[StepResult]:
        self._check_steps()
        limit = asyncio.timeout(self._host.timeout_s)
        try:
            async with limit:
                return await do_nodes(self._work, self._placed, Scope(media=tuple(self.input.media)))
        except TimeoutError as error:
            if limit.expired():
                raise RunTimeoutError(f"The run took longer than its {self._host.timeout_s:g} s.") from error
            raise

    def _check_steps(self) -> None:
        """Check that what was done before fits the workflow.

        Raises:
            WorkflowChangedError: it was done by other steps, of an earlier version.
        """
        for key in (*self._memory.done, *self._memory.asked.values(), *self._logged_paths()):
            if not has_place(self._host.nodes, key):
                raise WorkflowChangedError(
                    f"The steps of the workflow {self._host.name!r} changed while the run was under way: it has no "
                    f"step {key!r} any more. Start the run again."
                )

    def _logged_paths(self) -> list[str]:
        """Return the paths of the workflow's own steps that this segment's log tells of."""
        logged = (load_json(event.data) for event in self.run.logged)
        return [
            f"{members['step_index']}:{members['step_name']}"
            for members in logged
            if isinstance(members.get("step_index"), int)
        ]

    def _results(self) -> list[StepResult]:
        """Return what the workflow's own steps have answered so far."""
        done = self._memory.done
        return [done[place.path] for _, place in self._placed if place.path in done]

    def _content(self) -> Any:
        """Return what was answered so far, also before a takeover or a pause; None when nothing was."""
        if self._work.content is not None:
            return self._work.content
        if (content := last_content(self.run.logged, self.run.record.id)) is not None:
            return content
        done = [result for result in self._results() if not result.is_skipped]
        return done[-1].content if done else None

    def _complete(self, results: list[StepResult]) -> Outcome:
        shown = [result for result in results if not result.is_skipped]
        content = shown[-1].content if shown else None
        last = self._events.members(
            "WorkflowCompleted",
            content=content,
            content_type=content_type_of(content),
            **self._object.results(results, self._work.executor_runs.values()),
            metrics=self._object.metrics(results),
        )
        return self._end(RunStatus.COMPLETED, content=content, last=last)

    def _pause(self) -> Outcome:
        work, results = self._work, self._results()
        place = work.first_asked
        assert place is not None
        wanted = [*work.requirements, *work.error_requirements]
        sentence = f"The run is paused. It waits for: {', '.join(repr(one['step_name']) for one in wanted)}."
        paused = {
            "paused_step_index": place.top[0],
            "paused_step_name": place.top[1],
            "pause_kind": "executor" if any(one.get("requires_executor_input") for one in wanted) else "step",
            "step_requirements": work.requirements,
            "error_requirements": work.error_requirements or None,
        }
        last = self._events.members(
            "WorkflowPaused",
            status=RunStatus.PAUSED.value,
            content=sentence,
            **paused,
            **self._object.results(results, work.executor_runs.values(), drafts=self._memory.drafts.values()),
        )
        outcome = self._end(RunStatus.PAUSED, content=sentence, last=last)
        outcome.output |= paused
        self._memory.worked_s = self._object.worked_s()
        outcome.carried = self._memory.dump()
        return outcome

    def _cancelled(self, reason: str, *, content: Any = None) -> Outcome:
        self._end_inside(RunStatus.CANCELLED)
        content = reason if content is None else content
        last = self._events.members("WorkflowCancelled", reason=reason, content=content)
        return self._end(RunStatus.CANCELLED, content=content, last=last)

    def _end_inside(self, status: RunStatus) -> None:
        """End the runs in steps that are worked on as cancelled, and those that paused with this one."""
        work = self._work
        for result in work.children.cancel_open():
            work.executor_runs[result.record.id] = shown_run(work, work.places[result.record.id], result)
        for run_id, shown in work.executor_runs.items():
            work.executor_runs[run_id] = with_paused_ended(shown, status)

    def _end(self, status: RunStatus, *, content: Any, last: dict[str, Any]) -> Outcome:
        work = self._work
        work.state.settle()
        changes, removals = work.state.since_load()
        outcome = Outcome(
            status=status,
            output=self._object.members(
                self._results(), work.executor_runs.values(), content=content, drafts=self._memory.drafts.values()
            ),
            last_event=(last["event"], last),
            state_changes=changes,
            state_removals=removals,
            usage=work.children.usage,
        )
        return count_at_least_logged(self.run, outcome)


def _by_step(output: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the answered requirements of a paused run by step id."""
    wanted = [*(output.get("step_requirements") or ()), *(output.get("error_requirements") or ())]
    return {requirement["step_id"]: requirement for requirement in wanted}


def _error_type(error: BaseException) -> str:
    if isinstance(error, StepFailedError):
        return error.kind
    return error.code if isinstance(error, SeraiError) else "workflow_run_error"
