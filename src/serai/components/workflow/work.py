"""A workflow's run at work: what all its steps share, and how they decide, ask people and are finished."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serai.components.child_runs import ChildRuns
from serai.components.deps import RunDeps
from serai.components.media import content_of
from serai.components.run_input import RunInput
from serai.components.run_media import RunMedia
from serai.components.session_state import TrackedState
from serai.components.workflow.events import WorkflowEvents
from serai.components.workflow.memory import Memory
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.results import StepResult, output_of
from serai.components.workflow.values import StepInput
from serai.engine.active_run import ActiveRun
from serai.engine.interruption import describe, is_stop_request
from serai.engine.journal import JournalMismatchError
from serai.errors import FencedError, SeraiError


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
        executor_runs: run objects of agents, teams and workflows, by run id.
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
    content: Any = None

    def step_input(self, scope: Scope, extra: Mapping[str, Any] | None = None) -> StepInput:
        """Return what a function is given."""
        blobs = self.media.blobs
        return StepInput(
            input=self.value,
            previous_step_content=scope.content,
            previous_step_outputs={result.name: output_of(result, blobs) for result in scope.results},
            additional_data={**self.given.dependencies, **(extra or {})},
            media=[content_of(item, blobs) for item in scope.media],
            run=self.deps,
        )

    async def decide(self, place: Place, purpose: str, body: Callable[[], Awaitable[Any]]) -> Any:
        """Return a JSON value that users' code decides, once for all replays and segments.

        Raises:
            StepFailedError: it raised.
        """
        key = f"{place.path}|{purpose}"
        if key not in self.memory.decisions:
            try:
                self.memory.decisions[key] = await self.run.journal.run("decision", key, given=None, body=body)
            except BaseException as error:
                if is_fatal(error):
                    raise
                self.events.emit("StepError", place, error=describe(error))
                raise StepFailedError(describe(error), kind=type(error).__name__) from error
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
