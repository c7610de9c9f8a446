"""Walks a workflow's steps and constructs; what was finished before is passed by without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from serai.components.deps import RunDeps
from serai.components.workflow.definition import Condition, Loop, Node, Parallel, Router, Step, Steps
from serai.components.workflow.human import Confirmed
from serai.components.workflow.memory import WorkflowChangedError
from serai.components.workflow.places import Place, Scope, of_construct
from serai.components.workflow.requirements import before_step, route_selection, shown_input
from serai.components.workflow.results import StepResult, media_in, shown_results
from serai.components.workflow.step_functions import call_function
from serai.components.workflow.step_work import StepWork, paused_members, reject
from serai.components.workflow.values import text_of
from serai.components.workflow.work import SIGNALS, RunRejected, StepPaused, Work
from serai.domain.traces import SpanKind
from serai.engine.spans import SpanFacts

Placed = Sequence[tuple[Node, Place]]


async def do_nodes(work: Work, placed: Placed, scope: Scope) -> list[StepResult]:
    """Do steps one after another until the last, or one that stops the workflow, and return what they answered.

    Raises:
        StepFailedError, StepPaused, RunRejected: of the step where it ended.
    """
    results = []
    for node, place in placed:
        result = await do_node(work, node, place, scope)
        results.append(result)
        if result.stop:
            break
        scope = scope.after(result)
    return results


async def do_node(work: Work, node: Node, place: Place, scope: Scope) -> StepResult:
    """Do a step or a construct, or return what it answered before a pause."""
    if place.path in work.memory.done:
        return work.memory.done[place.path]
    with work.run.trace.work(
        SpanKind.WORKFLOW,
        place.name,
        place=place.path,
        given=text_of(scope.content) if scope.content is not None else work.given.message,
        attributes={"step_type": node.type},
        signals=(StepPaused, RunRejected),
    ) as facts:
        result = await _do(work, node, place, scope)
        is_failed = not result.success and result.error is not None
        facts.known = SpanFacts(output=result.content, error=result.error if is_failed else None)
    return work.finish(place, result)


async def _do(work: Work, node: Node, place: Place, scope: Scope) -> StepResult:
    match node:
        case Step():
            return await StepWork(work, node, place, scope).do()
        case Steps():
            return await _do_steps(work, node, place, scope)
        case Parallel():
            return await _do_parallel(work, node, place, scope)
        case Condition():
            return await _do_condition(work, node, place, scope)
        case Loop():
            return await _do_loop(work, node, place, scope)
        case Router():
            return await _do_router(work, node, place, scope)


async def _do_steps(work: Work, node: Steps, place: Place, scope: Scope) -> StepResult:
    if not _is_confirmed(work, node, place, scope):
        return place.result(node.type, is_skipped=True)
    count = len(node.nodes)
    work.events.emit("StepsExecutionStarted", place, steps_count=count)
    results = await do_nodes(work, _inside(place, node.nodes), scope)
    executed = sum(result.is_shown for result in results)
    work.events.emit(
        "StepsExecutionCompleted",
        place,
        media=media_in(results),
        steps_count=count,
        executed_steps=executed,
        step_results=shown_results(results),
    )
    return of_construct(place, node.type, results)


async def _do_parallel(work: Work, node: Parallel, place: Place, scope: Scope) -> StepResult:
    count = len(node.nodes)
    work.events.emit("ParallelExecutionStarted", place, parallel_step_count=count)

    async def branch(child: Node, inner: Place) -> StepResult | Exception:
        try:
            return await do_node(work, child, inner, scope)
        except SIGNALS as signal:
            return signal

    outcomes = await _together([branch(child, inner) for child, inner in _inside(place, node.nodes)])
    for kind in SIGNALS:  # a failure counts for more than a person's no, and that for more than a pause
        if signal := next((outcome for outcome in outcomes if isinstance(outcome, kind)), None):
            raise signal
    results = [outcome for outcome in outcomes if isinstance(outcome, StepResult)]
    work.events.emit(
        "ParallelExecutionCompleted",
        place,
        media=media_in(results),
        parallel_step_count=count,
        step_results=shown_results(results),
    )
    contents = {result.name: result.content for result in results if not result.is_skipped}
    return of_construct(place, node.type, results, content=contents or None)


async def _do_condition(work: Work, node: Condition, place: Place, scope: Scope) -> StepResult:
    is_true = True
    if not _is_confirmed(work, node, place, scope):
        if node.on_reject != "else":
            return place.result(node.type, is_skipped=True)
        is_true = False
    elif callable(node.if_):
        predicate = node.if_

        async def decide(deps: RunDeps) -> bool:
            return bool(await call_function(predicate, await work.step_input(scope, deps)))

        is_true = await work.decide(place, "if", decide)
    elif node.if_ is not None:
        is_true = node.if_
    work.events.emit("ConditionExecutionStarted", place, condition_result=is_true)
    nodes = node.nodes if is_true else node.else_nodes
    results = await do_nodes(work, _inside(place, nodes), scope)
    work.events.emit(
        "ConditionExecutionCompleted",
        place,
        media=media_in(results),
        condition_result=is_true,
        executed_steps=sum(result.is_shown for result in results),
        branch=("if" if is_true else "else") if nodes else None,
        step_results=shown_results(results),
    )
    return of_construct(place, node.type, results)


async def _do_loop(work: Work, node: Loop, place: Place, scope: Scope) -> StepResult:
    if not _is_confirmed(work, node, place, scope):
        return place.result(node.type, is_skipped=True)
    most = node.max_iterations
    work.events.emit("LoopExecutionStarted", place, max_iterations=most)
    rounds: list[list[StepResult]] = []
    goes_on = True
    while goes_on and len(rounds) < most:
        number = len(rounds) + 1
        work.events.emit("LoopIterationStarted", place, iteration=number, max_iterations=most)
        results = await do_nodes(work, _inside(place, node.nodes, iteration=number), scope)
        rounds.append(results)
        is_over = any(result.stop for result in results) or await _is_enough(work, node, place, results, number)
        goes_on = not is_over
        work.events.emit(
            "LoopIterationCompleted",
            place,
            iteration=number,
            max_iterations=most,
            should_continue=goes_on,
            iteration_results=shown_results(results),
        )
        if node.forward_iteration_output:
            for result in results:
                scope = scope.after(result)
    everything = [result for results in rounds for result in results]
    work.events.emit(
        "LoopExecutionCompleted",
        place,
        media=media_in(everything),
        max_iterations=most,
        total_iterations=len(rounds),
        all_results=[shown_results(results) for results in rounds],
    )
    return of_construct(place, node.type, everything)


async def _is_enough(work: Work, node: Loop, place: Place, results: list[StepResult], number: int) -> bool:
    """Return whether what an iteration answered ends the loop."""
    if node.until is None:
        return False
    until = node.until

    async def decide(_deps: RunDeps) -> bool:
        return bool(await call_function(until, await work.outputs(result for result in results if result.is_shown)))

    return bool(await work.decide(place, f"until|{number}", decide))


async def _do_router(work: Work, node: Router, place: Place, scope: Scope) -> StepResult:
    names = await _select(work, node, place, scope)
    known = {child.name: (child, inner) for child, inner in _inside(place, node.nodes)}
    if gone := next((name for name in names if name not in known), None):
        raise WorkflowChangedError(f"Router {node.name!r} has no choice {gone!r} any more. Start the run again.")
    work.events.emit("RouterExecutionStarted", place, selected_steps=names)
    results = await do_nodes(work, [known[name] for name in names], scope)
    work.events.emit(
        "RouterExecutionCompleted",
        place,
        media=media_in(results),
        selected_steps=names,
        executed_steps=sum(result.is_shown for result in results),
        step_results=shown_results(results),
    )
    return of_construct(place, node.type, results)


async def _select(work: Work, node: Router, place: Place, scope: Scope) -> list[str]:
    """Return the names of the choices that are taken."""
    if node.select is None:
        answer = work.find_answer(place, "route")
        if answer is not None:
            chosen: list[str] = answer["selected_choices"]
            return chosen
        wanted = route_selection(place, node, _shown_input(work, scope))
        names = ("available_choices", "user_input_message", "allow_multiple_selections")
        work.events.emit("RouterPaused", place, **{name: wanted[name] for name in names})
        raise work.wait_for(place, "route", wanted)
    select = node.select

    async def decide(deps: RunDeps) -> list[str]:
        return _names(await call_function(select, await work.step_input(scope, deps)), node)

    taken: list[str] = await work.decide(place, "select", decide)
    return taken


def _names(selected: Any, node: Router) -> list[str]:
    """Return the names of what a selector returned.

    Raises:
        ValueError: it is not among the choices, or chosen twice.
    """
    found = [] if selected is None else selected if isinstance(selected, list | tuple) else [selected]
    names = [choice if isinstance(choice, str) else getattr(choice, "name", None) or _name(choice) for choice in found]
    known = [child.name for child in node.nodes]
    for name in names:
        if name not in known:
            choices = ", ".join(repr(choice) for choice in known)
            raise ValueError(f"Router {node.name!r} selected {name!r}, which is none of its choices: {choices}.")
    if len(set(names)) < len(names):
        raise ValueError(f"Router {node.name!r} selected a step twice: {', '.join(names)}.")
    return names


def _name(choice: Any) -> Any:
    return getattr(choice, "__name__", choice)


def _is_confirmed(work: Work, node: Confirmed, place: Place, scope: Scope) -> bool:
    """Ask a person before a construct, if it wants that; return False when the answer is no.

    Raises:
        RunRejected: the no ends the run.
    """
    if not node.requires_confirmation:
        return True
    answer = work.find_answer(place, "before")
    if answer is None:
        kind = type(node).__name__
        wanted = before_step(place, node, kind, _shown_input(work, scope))
        work.events.emit("StepPaused", place, **paused_members(wanted))
        raise work.wait_for(place, "before", wanted)
    return bool(answer.get("confirmed")) or reject(place, node.on_reject, answer)


def _shown_input(work: Work, scope: Scope) -> dict[str, Any]:
    return shown_input(work.given.message, scope, work.given.dependencies)


def _inside(place: Place, nodes: Sequence[Node], *, iteration: int | None = None) -> Placed:
    return [(node, place.inside(number, node.name, iteration=iteration)) for number, node in enumerate(nodes)]


async def _together(branches: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Return what all branches return; when one raises, or the run is to stop, the others are stopped, too."""
    tasks = [asyncio.create_task(branch) for branch in branches]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        if any(not task.done() for task in tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    raised = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if raised:
        raise raised[0]
    return [task.result() for task in tasks]
