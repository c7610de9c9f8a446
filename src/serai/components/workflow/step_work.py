"""One step at work: asked for, tried and tried again, reviewed. What it answers is kept by whoever called it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from serai.components.deps import RunDeps
from serai.components.journalled import json_value
from serai.components.media import shown_items
from serai.components.run_media import media_of
from serai.components.workflow.definition import Step
from serai.components.workflow.executors import do_component
from serai.components.workflow.places import Place, Scope
from serai.components.workflow.requirements import before_step, error_requirement, output_review, shown_input
from serai.components.workflow.results import StepResult, content_type_of
from serai.components.workflow.step_functions import as_output, call_function
from serai.components.workflow.values import StepOutput
from serai.components.workflow.work import RunRejected, StepFailedError, Work, is_fatal
from serai.engine import faults
from serai.engine.interruption import describe

FUNCTION_STEP = "step"


class StepWork:
    """One step of one run.

    Args:
        work: the run.
        step: what is to be done.
        place: where it stands.
        scope: what was there before it.
    """

    def __init__(self, work: Work, step: Step, place: Place, scope: Scope) -> None:
        self._work = work
        self._step = step
        self._place = place
        self._scope = scope
        self._extra: dict[str, Any] = {}

    async def do(self) -> StepResult:
        """Do the step.

        Raises:
            StepFailedError: it failed, and the run with it.
            StepPaused: a person is asked.
            RunRejected: a person's no ends the run.
        """
        if not self._is_allowed():
            return self._result(is_skipped=True)
        drafts, rounds, path = self._work.memory.drafts, self._work.memory.rounds, self._place.path
        while True:
            if path not in drafts:
                result = await self._try(rounds.get(path, 0))
                if result is None:
                    continue
                if result.is_skipped:
                    return result
                drafts[path] = result
            reviewed = await self._review(drafts[path])
            if reviewed is not None:
                return reviewed
            del drafts[path]

    def _is_allowed(self) -> bool:
        """Ask a person first, if the step wants that; return False when it is not to be done."""
        step, work = self._step, self._work
        if not (step.requires_confirmation or step.requires_user_input):
            return True
        answer = work.find_answer(self._place, "before")
        if answer is None:
            wanted = before_step(self._place, step, step.type, self._shown_input())
            work.events.emit("StepPaused", self._place, **paused_members(wanted))
            raise work.wait_for(self._place, "before", wanted)
        if step.requires_confirmation and not answer.get("confirmed"):
            return reject(self._place, step.on_reject, answer)
        if step.requires_user_input:
            self._extra["user_input"] = answer.get("user_input")
        return True

    async def _try(self, nth: int) -> StepResult | None:
        """Do the step until it succeeds or no retry is left; None: a person wants it done once more."""
        work, step, place = self._work, self._step, self._place
        rejected = work.memory.answers.get(f"{place.path}|review|{nth - 1}", {})
        self._extra["rejection_feedback"] = rejected.get("rejection_feedback")
        failure = work.memory.failures.get(place.path)
        if failure is None:
            work.events.emit("StepStarted", place, nth=nth)
            outcome = await self._attempts()
            if isinstance(outcome, StepResult):
                self._say_completed(outcome, nth)
                return outcome
            failure = outcome
            work.events.emit("StepError", place, nth=nth, error=failure[0])
        if step.on_error == "fail":
            raise StepFailedError(failure[0], kind=failure[1])
        if step.on_error == "pause":
            answer = work.find_answer(place, f"error|{nth}")
            if answer is None:
                work.memory.failures[place.path] = failure
                raise work.wait_for(place, f"error|{nth}", error_requirement(place, failure, nth))
            work.memory.failures.pop(place.path, None)
            if answer.get("decision") == "retry":
                work.memory.rounds[place.path] = nth + 1
                return None
        return self._result(is_skipped=True, success=False, error=failure[0])

    async def _attempts(self) -> StepResult | tuple[str, str]:
        """Return what the step answered, or the text and the type of its last error."""
        work, step, place = self._work, self._step, self._place
        retries = work.memory.retries
        while True:
            attempt = work.memory.attempts.get(place.path, 0) + 1
            name = place.path if attempt == 1 else f"{place.path}#{attempt}"
            outcome = await (self._call(name) if step.component is None else self._do_component(name))
            work.memory.attempts[place.path] = attempt
            if isinstance(outcome, StepResult) or retries.get(place.path, 0) >= step.max_retries:
                retries.pop(place.path, None)
                return outcome
            retries[place.path] = retries.get(place.path, 0) + 1
            work.events.emit("StepProgress", place, attempt=attempt + 1, content=f"Attempt {attempt}: {outcome[0]}")
            if step.retry_delay_s:
                await work.run.journal.run("retry_delay", name, given=None, body=self._wait)

    async def _wait(self) -> None:
        await asyncio.sleep(self._step.retry_delay_s)

    async def _do_component(self, name: str) -> StepResult | tuple[str, str]:
        return await do_component(self._work, self._step, self._place, self._scope, name=name, extra=self._said())

    async def _call(self, name: str) -> StepResult | tuple[str, str]:
        """Call the step's function as a durable step; that it failed is durable, too."""
        work, step = self._work, self._step
        given = [step.name, self._scope.content, self._said()]
        done = await work.run.journal.run(FUNCTION_STEP, name, given=given, body=self._call_now)
        if "failure" in done:
            message, kind = done["failure"]
            return message, kind
        work.keep_state(done)
        return self._result(**done["output"], media=media_of(done))

    async def _call_now(self) -> dict[str, Any]:
        work, step = self._work, self._step
        assert step.run is not None
        faults.reach("in_tool_call", step.name)
        function, limit = step.run, asyncio.timeout(step.timeout_s)

        async def call(deps: RunDeps) -> StepOutput:
            return as_output(await call_function(function, await work.step_input(self._scope, deps, self._said())))

        try:
            async with limit:
                output, done = await work.call(self._key(), call)
            made = await work.media.keep(payload) if (payload := json_value(list(output.media))) else {}
        except BaseException as error:
            if is_fatal(error):
                raise
            text = f"It took longer than its {step.timeout_s:g} s." if limit.expired() else describe(error)
            return {"failure": [text, type(error).__name__]}
        kept = {"content": output.content, "success": output.success, "error": output.error, "stop": output.stop}
        return {"output": kept, **done, **made}

    def _say_completed(self, result: StepResult, nth: int) -> None:
        work, place, shown = self._work, self._place, result.shown()
        if self._step.component is None and place.parent_id is None:
            work.events.emit("StepOutput", place, nth=nth, media=result.media, step_output=shown)
        work.events.emit(
            "StepCompleted",
            place,
            nth=nth,
            content=result.content,
            content_type=content_type_of(result.content),
            step_response=shown,
            media=result.media,
            **shown_items(result.media),
        )

    async def _review(self, draft: StepResult) -> StepResult | None:
        """Have a person review the output, if the step wants that; None: it is to be done again."""
        work, step, place = self._work, self._step, self._place
        nth = work.memory.rounds.get(place.path, 0)
        if not await self._wants_review(draft, nth):
            return draft
        answer = work.find_answer(place, f"review|{nth}")
        if answer is None:
            wanted = output_review(place, step, draft, nth, self._shown_input())
            message = wanted["output_review_message"]
            work.events.emit(
                "StepOutputReview", place, nth=nth, output_review_message=message, requires_output_review=True
            )
            raise work.wait_for(place, f"review|{nth}", wanted)
        if answer.get("confirmed"):
            if (edited := answer.get("edited_output")) is not None:
                draft.content = edited
            return draft
        if step.on_reject != "retry":
            reject(place, step.on_reject, answer)
            return self._result(is_skipped=True)
        if nth >= step.review_max_retries:
            text = f"The output of step {step.name!r} was rejected {nth + 1} times."
            work.events.emit("StepError", place, nth=nth, error=text)
            raise StepFailedError(text, kind="rejected")
        work.memory.rounds[place.path] = nth + 1
        return None

    async def _wants_review(self, draft: StepResult, nth: int) -> bool:
        when = self._step.requires_output_review
        if not callable(when):
            return when

        async def decide(_deps: RunDeps) -> bool:
            (output,) = await self._work.outputs([draft])
            return bool(await call_function(when, output))

        return bool(await self._work.decide(self._place, f"review|{nth}", decide))

    def _key(self) -> str:
        """Return what the step is called in its idempotency key: the same in all attempts at one output."""
        path = self._place.path
        rejected = sum(question.startswith(f"{path}|review|") for question in self._work.memory.answers)
        return f"{path}#{rejected + 1}" if rejected else path

    def _said(self) -> dict[str, Any]:
        """Return what people said about this step."""
        return {name: value for name, value in self._extra.items() if value is not None}

    def _shown_input(self) -> dict[str, Any]:
        return shown_input(self._work.given.message, self._scope, self._work.given.dependencies)

    def _result(self, **members: Any) -> StepResult:
        step = self._step
        about = {"executor_type": step.executor_type, "executor_name": step.executor_name}
        return self._place.result(step.type, **about, **members)


def paused_members(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event of a pause before a step tells of its requirement."""
    names = ("requires_confirmation", "confirmation_message", "requires_user_input", "user_input_message")
    return {**{name: wanted[name] for name in names}, "user_input_schema": wanted["user_input_schema"]}


def reject(place: Place, on_reject: str, answer: Mapping[str, Any]) -> bool:
    """Return False: a person said no, and the step is not to be done.

    Raises:
        RunRejected: the run ends with it.
    """
    if on_reject == "cancel":
        why = answer.get("rejection_feedback")
        raise RunRejected(f"Step {place.name!r} was rejected{f': {why}' if why else ''}")
    return False
