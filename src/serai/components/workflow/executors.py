"""Agents, teams and workflows inside steps: each is a run inside the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from serai.components.child_runs import ChildResult
from serai.components.media import NAMES, MediaItem
from serai.components.run_input import RunInput
from serai.components.workflow.definition import Step
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.requirements import executor_input, executor_members
from serai.components.workflow.results import StepResult
from serai.components.workflow.values import text_of
from serai.components.workflow.work import CANCELLED, RunRejected, StepPaused, Work
from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.usage import cost_member, sum_cost


async def do_component(
    work: Work, step: Step, place: Place, scope: Scope, *, name: str, extra: Mapping[str, Any]
) -> StepResult | tuple[str, str]:
    """Do what a step's agent, team or workflow does, or go on with it after a pause.

    Args:
        work: the run.
        step: its step.
        place: where that stands.
        scope: what was there before it.
        name: of the attempt.
        extra: what people said about this step.

    Returns:
        What it answered, or the text and the type of its error.

    Raises:
        StepPaused: it waits for a person.
    """
    assert step.component is not None
    nth, answers = _answers(work, step, place, name)
    work.places[work.children.id_of(name)] = place
    result = await work.children.do(
        name,
        step.component,
        RunInput(
            message=_message(work, scope, extra),
            stream=work.given.stream,
            dependencies=work.given.dependencies,
            metadata=work.given.metadata,
            knowledge_filters=work.given.knowledge_filters,
            media=list(scope.media),
        ),
        state=load_json(dump_json(work.deps.session_state)),
        about=_about(work, step, place),
        answers=answers,
        timeout_s=step.timeout_s,
    )
    work.state.apply(result.state_changes, list(result.state_removals))
    work.executor_runs[result.record.id] = shown_run(work, place, result)
    if result.status is RunStatus.PAUSED:
        raise _pause(work, step, place, result, question=f"{name}|{nth}")
    if result.status is RunStatus.CANCELLED:  # a person's no inside it, for else this run would be over
        raise RunRejected(text_of(result.content).removeprefix(CANCELLED))
    if result.status is not RunStatus.COMPLETED:
        return text_of(result.content), "run_failed"
    return place.result(
        "Workflow" if step.executor_type == "workflow" else step.type,
        executor_type=step.executor_type,
        executor_name=step.executor_name,
        content=result.content,
        run_id=result.record.id,
        metrics=_metrics(result.output),
        media=_media(result.output),
    )


def _answers(work: Work, step: Step, place: Place, name: str) -> tuple[int, list[dict[str, Any]]]:
    """Return how often it paused before, and what people have answered since then."""
    assert step.component is not None
    nth = 0
    answers: list[dict[str, Any]] = []
    while True:
        question = f"{name}|{nth}"
        is_new = f"{place.path}|{question}" not in work.memory.answers
        about = executor_members(step, work.children.id_of(name))
        answer = work.find_answer(place, question, event="StepExecutorContinued", **about)
        if answer is None:
            return nth, answers
        if is_new:
            inside = work.memory.asked_inside.pop(place.id, None)
            answers = (
                [work.answered[step_id] for step_id in inside if step_id in work.answered]
                if inside is not None
                else tool_answers(answer["executor_requirements"])
            )
            answer.clear()  # the run inside has them
        nth += 1


def tool_answers(requirements: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return answered requirements of an agent or a team as its `take_answers` wants them."""
    return [{**wanted["tool_execution"], "requirement_id": wanted.get("id")} for wanted in requirements]


def _pause(work: Work, step: Step, place: Place, result: ChildResult, *, question: str) -> StepPaused:
    about = executor_members(step, result.record.id)
    nth = sum(known.startswith(f"{place.path}|") for known in work.memory.answers)
    work.events.emit(
        "StepExecutorPaused",
        place,
        nth=nth,
        **about,
        executor_requirements=result.requirements if step.executor_type != "workflow" else None,
    )
    if step.executor_type != "workflow":
        wanted = executor_input(
            place,
            step,
            run_id=result.record.id,
            session_id=result.record.session_id,
            requirements=result.requirements,
        )
        return work.wait_for(place, question, wanted)
    return work.wait_inside(place, question, result.output)


def _about(work: Work, step: Step, place: Place) -> dict[str, Any]:
    """Return what the events of the run inside tell of the step."""
    depth = work.events.depth + 1
    if step.executor_type == "workflow":
        return {"parent_step_id": place.id, "nested_depth": depth}
    return {
        "workflow_id": work.run.record.component_id,
        "workflow_run_id": work.run.record.id,
        "step_id": place.id,
        "step_name": place.name,
        "step_index": place.index,
        "nested_depth": work.events.depth,
    }


def _message(work: Work, scope: Scope, extra: Mapping[str, Any]) -> str:
    """Return what it is asked: what the step before answered, if anything, else the message; and what people said."""
    parts = [scope.text or work.given.message]
    if fields := extra.get("user_input"):
        parts.append("\n".join(["User input:", *(f"- {name}: {text_of(value)}" for name, value in fields.items())]))
    if feedback := extra.get("rejection_feedback"):
        parts.append(f"An earlier answer was rejected: {feedback}")
    return "\n\n".join(parts)


def shown_run(work: Work, place: Place, result: ChildResult) -> dict[str, Any]:
    """Return the run object of an agent, a team or a workflow in a step, as the workflow's own lists it."""
    record = work.run.record
    about = {"parent_run_id": record.id, "workflow_id": record.component_id, "workflow_step_id": place.id}
    if result.record.kind == "workflow":
        del about["workflow_id"]
    return {**result.output, **about}


def _metrics(output: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a run's metrics; of a workflow's the sums of its steps."""
    metrics: dict[str, Any] | None = output.get("metrics")
    if metrics is None or "steps" not in metrics:
        return metrics
    known = [step["metrics"] or {} for step in metrics["steps"].values()]
    names = ("input_tokens", "output_tokens", "total_tokens")
    tokens = {name: sum(step.get(name, 0) for step in known) for name in names}
    return {**tokens, **cost_member(sum_cost(known)), "duration": metrics["duration"]}


def _media(output: Mapping[str, Any]) -> list[MediaItem]:
    """Return the media that a run object lists."""
    found: list[MediaItem] = []
    for kind, name in NAMES.items():
        for item in output.get(name) or ():
            shown = {key: value for key, value in item.items() if key not in ("url", "sha256", "size", "mime_type")}
            place = {"url": item.get("url"), "sha256": item.get("sha256"), "size": item.get("size")}
            media_type = {"media_type": item.get("mime_type")}
            found.append(msgspec.convert({"kind": kind, **place, **media_type, "shown": shown}, MediaItem))
    return found
