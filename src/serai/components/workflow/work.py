"""A workflow's run at work: what all its steps share, and how they decide, ask people and are finished."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from serai.components.child_runs import ChildRuns
from serai.components.deps import RunDeps, current_tool_call
from serai.components.media import content_of
from serai.components.run_input import RunInput
from serai.components.run_media import RunMedia
from serai.components.session_state import TrackedState
from serai.components.workflow.events import WorkflowEvents
from serai.components.workflow.memory import Memory
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.results import Outputs, StepResult, media_in, output_of
from serai.components.workflow.values import StepInput, StepOutput, own_copy
from serai.domain.json_text import dump_json, load_json
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe, is_stop_request
from serai.engine.journal import JournalMismatchError
from serai.errors import FencedError, SeraiError

UsersCode = Callable[[RunDeps], Awaitable[Any]]
"""Calls a function of the workflow for the run that the dependencies tell of."""

CANCELLED: Final = "Workflow cancelled: "
"""How the reason begins of a run that a person's no has ended."""


class StepFailedError(SeraiError):
    """A step failed for good, and with it the run.

    Attributes:
        kind: the type of the error.
    """

    code = "step_failed"

    def __init__(self, message: str, *, kind: str = "step_failed") -> None:
        super().__init__(message)
        self.kind = kind


class StepPaused(Exception):  # noqa: N818 - a signal, not an error
    """A step waits for a person; the run pauses when its other branches have come to rest."""


class RunRejected(Exception):  # noqa: N818 - a signal, not an error
    """A person said no, and that ends the run."""


SIGNALS = (StepFailedError, RunRejected, StepPaused)


@dataclass(slots=True, kw_only=True)
class Work:
    """What the steps of one segment of a run share.

    Attributes:
        given: the request; `value` what its message means to the workflow.
        answered: what people answered since the last segment, by step id.
        requirements, error_requirements: what this segment waits for; `first_asked` where it waited first.
        executor_runs: run objects of agents, teams and workflows, by run id; `places` where they were begun.
        content: what the last finished step answered.
    """

    run: ActiveRun
    events: WorkflowEvents
    memory: Memory
    children: ChildRuns
    deps: RunDeps
    state: TrackedState
    media: RunMedia
    given: RunInput
    value: Any
    answered: Mapping[str, dict[str, Any]]
    requirements: list[dict[str, Any]] = field(default_factory=list)
    error_requirements: list[dict[str, Any]] = field(default_factory=list)
    first_asked: Place | None = None
    executor_runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    content: Any = None

    async def step_input(self, scope: Scope, deps: RunDeps, extra: Mapping[str, Any] | None = None) -> StepInput:
        """Return what a function is given."""
        await self._fetch_media(scope.results)
        return StepInput(
            input=copy.deepcopy(self.value),
            previous_step_content=own_copy(scope.content),
            previous_step_outputs=Outputs(scope.results, self.media.blobs),
            additional_data=own_copy({**self.given.dependencies, **(extra or {})}),
            media=[content_of(item, self.media.blobs) for item in scope.media],
            run=deps,
        )

    async def outputs(self, results: Iterable[StepResult]) -> list[StepOutput]:
        """Return results as functions see them, the bytes of their media at hand."""
        known = list(results)
        await self._fetch_media(known)
        return [output_of(result, self.media.blobs) for result in known]

    async def _fetch_media(self, results: Iterable[StepResult]) -> None:
        await self.media.fetch(item.sha256 for item in media_in(results) if item.sha256 is not None)

    async def call(self, name: str, code: UsersCode) -> tuple[Any, dict[str, Any]]:
        """Call users' code with a session state of its own, so that steps side by side do not see half of each other.

        Args:
            name: of the call; its idempotency key is made of it.
            code: what is called.

        Returns:
            What it returned; and what it did to the state, for `keep_state`. What it raises has done nothing to it.
        """
        given = {name: own_copy(getattr(self.deps, name)) for name in ("dependencies", "metadata", "knowledge_filters")}
        deps = replace(self.deps, session_state={}, **given)
        state = TrackedState(deps)
        state.load(load_json(dump_json(self.deps.session_state)), laid_over={})
        token = current_tool_call.set(name)
        try:
            value = await code(deps)
        finally:
            current_tool_call.reset(token)
        changed, removed = state.take_changes()
        return value, {"state": changed, "removed": removed}

    def keep_state(self, done: Mapping[str, Any]) -> None:
        """Do to the session state what a call has done, now or before a takeover."""
        self.state.apply(done["state"], done["removed"])

    async def decide(self, place: Place, purpose: str, code: UsersCode) -> Any:
        """Return a JSON value that users' code decides, once for all replays and segments.

        Raises:
            StepFailedError: it raised.
        """
        key = f"{place.path}|{purpose}"
        if key not in self.memory.decisions:

            async def body() -> dict[str, Any]:
                value, done = await self.call(key, code)
                return {"value": value, **done}

            try:
                decision = await self.run.journal.run("decision", key, given=None, body=body)
            except BaseException as error:
                if is_fatal(error):
                    raise
                self.events.emit("StepError", place, error=describe(error))
                raise StepFailedError(describe(error), kind=type(error).__name__) from error
            self.keep_state(decision)
            self.memory.decisions[key] = decision["value"]
        return self.memory.decisions[key]

    def find_answer(
        self, place: Place, question: str, *, event: str = "StepContinued", **members: Any
    ) -> dict[str, Any] | None:
        """Return what a person answered to a question about a step; None when it was not asked yet.

        Args:
            place: the step.
            question: which one.
            event: says that the step goes on; it is said once for each answer.
            **members: of this event.
        """
        key = f"{place.path}|{question}"
        answers = self.memory.answers
        if key in answers:
            return answers[key]
        if self.memory.asked.get(place.id) != key:
            return None
        nth = sum(known.startswith(f"{place.path}|") for known in answers)
        del self.memory.asked[place.id]
        given = self.answered.get(place.id, {})
        answers[key] = {name: value for name, value in given.items() if name in _ANSWERS}
        self.events.emit(event, place, nth=nth, **members)
        return answers[key]

    def wait_for(self, place: Place, question: str, requirement: dict[str, Any]) -> StepPaused:
        """Note that a person is asked, and return what is to be raised."""
        self.memory.asked[place.id] = f"{place.path}|{question}"
        wanted = self.error_requirements if "decision" in requirement else self.requirements
        wanted.append(requirement)
        self.first_asked = self.first_asked or place
        return StepPaused()

    def wait_inside(self, place: Place, question: str, output: Mapping[str, Any]) -> StepPaused:
        """Note that a person is asked by steps of the workflow inside a step, and return what is to be raised."""
        requirements, errors = output.get("step_requirements") or [], output.get("error_requirements") or []
        self.memory.asked[place.id] = f"{place.path}|{question}"
        self.memory.asked_inside[place.id] = [wanted["step_id"] for wanted in (*requirements, *errors)]
        self.requirements += requirements
        self.error_requirements += errors
        self.first_asked = self.first_asked or place
        return StepPaused()

    def finish(self, place: Place, result: StepResult) -> StepResult:
        """Keep what a step answered, and return it."""
        self.memory.finish(place, result)
        if not result.is_skipped:
            self.content = result.content
        return result


_ANSWERS = frozenset(
    {
        *("confirmed", "user_input", "selected_choices", "edited_output", "rejection_feedback", "decision"),
        "executor_requirements",
    }
)


def is_fatal(error: BaseException) -> bool:
    """Return whether an error is not a step's own: the run is to stop, belongs to another node, or has changed."""
    return isinstance(error, FencedError | JournalMismatchError | StepPaused | RunRejected) or is_stop_request(error)
