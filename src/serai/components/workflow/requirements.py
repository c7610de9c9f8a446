"""What a paused workflow waits for, as the wire shows it. Pure; the answers are another module's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from serai.components.workflow.definition import Router, Step
from serai.components.workflow.human import Confirmed
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.results import StepResult

_UNSET: Final[dict[str, Any]] = {
    "requires_confirmation": False,
    "confirmation_message": None,
    "confirmed": None,
    "on_reject": None,
    "requires_user_input": False,
    "user_input_message": None,
    "user_input_schema": None,
    "user_input": None,
    "requires_route_selection": False,
    "available_choices": None,
    "allow_multiple_selections": False,
    "selected_choices": None,
    "requires_output_review": False,
    "output_review_message": None,
    "is_post_execution": False,
    "step_output": None,
    "edited_output": None,
    "rejection_feedback": None,
    "retry_count": 0,
    "max_retries": None,
    "timeout_at": None,
    "on_timeout": None,
    "step_input": None,
    "requires_executor_input": False,
    "executor_requirements": None,
    "executor_id": None,
    "executor_name": None,
    "executor_run_id": None,
    "executor_type": None,
    "executor_session_id": None,
}


def step_requirement(place: Place, kind: str, **members: Any) -> dict[str, Any]:
    """Return a step requirement: all members there, null when unset."""
    about = {"step_id": place.id, "step_name": place.name, "step_index": place.index, "step_type": kind}
    return {**about, **_UNSET, **members}


def before_step(place: Place, node: Confirmed, kind: str, step_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step waits for before it is done: a confirmation, fields to fill in, or both."""
    members: dict[str, Any] = {"step_input": dict(step_input), "on_reject": node.on_reject}
    if node.requires_confirmation:
        message = node.confirmation_message or f"Go on with {kind} {place.name!r}?"
        members |= {"requires_confirmation": True, "confirmation_message": message}
    if isinstance(node, Step) and node.requires_user_input:
        members |= {
            "requires_user_input": True,
            "user_input_message": node.user_input_message,
            "user_input_schema": [dict(field) for field in node.input_fields],
        }
    return step_requirement(place, kind, **members)


def route_selection(place: Place, router: Router, step_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a router waits for whose way a person chooses."""
    return step_requirement(
        place,
        router.type,
        requires_route_selection=True,
        user_input_message=router.user_input_message,
        available_choices=[node.name for node in router.nodes],
        allow_multiple_selections=router.allow_multiple_selections,
        step_input=dict(step_input),
    )


def output_review(
    place: Place, step: Step, draft: StepResult, retry_count: int, step_input: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a step waits for whose output a person reviews."""
    message = step.output_review_message or f"Review the output of step {place.name!r}."
    return step_requirement(
        place,
        step.type,
        requires_confirmation=True,
        confirmation_message=message,
        requires_output_review=True,
        output_review_message=message,
        is_post_execution=True,
        step_input=dict(step_input),
        step_output=draft.shown(),
        on_reject=step.on_reject,
        retry_count=retry_count,
        max_retries=step.review_max_retries,
    )


def executor_input(
    place: Place, step: Step, *, run_id: str, session_id: str, requirements: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a step waits for whose agent or team is paused."""
    return step_requirement(
        place,
        step.type,
        requires_executor_input=True,
        executor_requirements=[dict(wanted) for wanted in requirements],
        **executor_members(step, run_id),
        executor_session_id=session_id,
    )


def executor_members(step: Step, run_id: str) -> dict[str, Any]:
    """Return who does a step, as its events and requirements name it."""
    return {
        "executor_id": None if step.component is None else step.component.id,
        "executor_name": step.executor_name,
        "executor_run_id": run_id,
        "executor_type": step.executor_type,
    }


def error_requirement(place: Place, failure: tuple[str, str], retry_count: int) -> dict[str, Any]:
    """Return what a failed step waits for: a person's decision to try again or to go on without it."""
    return {
        "step_id": place.id,
        "step_name": place.name,
        "step_index": place.index,
        "error_message": failure[0],
        "error_type": failure[1],
        "retry_count": retry_count,
        "decision": None,
    }


def shown_input(given: Any, scope: Scope, additional_data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step is given, as requirements show it; the outputs before it are in the run object."""
    return {
        "input": given,
        "previous_step_content": scope.content,
        "previous_step_outputs": None,
        "additional_data": dict(additional_data) or None,
    }
