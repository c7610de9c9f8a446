"""The demo's workflow ``qa-workflow``: gathers facts, writes until the answer is short enough, has it reviewed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from serai.components.workflow.component import Workflow
from serai.components.workflow.definition import Condition, Loop, Parallel, Step
from serai.components.workflow.values import StepInput, StepOutput
from serai.demo import library
from serai.demo.script import NO_LLM
from serai.demo.team import SHORTEN, build_searcher, build_writer

_MOST_WORDS: Final = 40
_REVIEW: Final = re.compile(r"\b(review|check it|approv\w+)\b", re.IGNORECASE)


def build_workflow(model: str | None = None) -> Workflow:
    """Return the workflow.

    Args:
        model: a pydantic-ai model string for its agents; None for scripted models.

    Raises:
        ConfigurationError: the model string is unknown, or its provider lacks a key or a package.
    """

    def finish(step: StepInput) -> str:
        return f"{step.previous_step_content}\n\n{NO_LLM}" if model is None else str(step.previous_step_content)

    return Workflow(
        "QA Workflow",
        [
            Parallel(Step("look-up", agent=build_searcher(model)), Step("keywords", run=find_keywords), name="gather"),
            Step("brief", run=make_brief),
            Loop(
                [Step("draft", agent=build_writer(model)), Step("check", run=check_length)],
                until=is_short_enough,
                max_iterations=3,
                forward_iteration_output=True,
                name="write",
            ),
            Condition(
                [
                    Step(
                        "review",
                        run=show_draft,
                        requires_output_review=True,
                        output_review_message="May this answer go out?",
                        on_reject="cancel",
                    )
                ],
                if_=is_review_wanted,
                name="on-request",
            ),
            Step("answer", run=finish),
        ],
        description="Answers a question in a few sentences; with “review” in it, a person sees the answer first.",
    )


def find_keywords(step: StepInput) -> list[str]:
    """Return what the question is about."""
    return sorted(library.words_of(step.input))


def make_brief(step: StepInput) -> str:
    """Return what the writer is asked: the question, and the facts behind it."""
    step.session_state["keywords"] = step.get_step_content("keywords")
    return f"{step.input}\n\n{step.get_step_content('look-up')}"


def check_length(step: StepInput) -> str:
    """Return the draft, or with a request in front of it to shorten it."""
    draft = str(step.previous_step_content)
    if len(draft.split()) <= _MOST_WORDS:
        return draft
    return f"{SHORTEN} {_MOST_WORDS} words.\n\n{draft}"


def is_short_enough(outputs: Sequence[StepOutput]) -> bool:
    """Return whether an iteration of the loop answered with a draft rather than a request."""
    return not str(outputs[-1].content).startswith(SHORTEN)


def is_review_wanted(step: StepInput) -> bool:
    """Return whether the question asks that a person looks at the answer."""
    return _REVIEW.search(str(step.input)) is not None


def show_draft(step: StepInput) -> Any:
    """Return the draft as it is: the person who reviews it may put another one in its place."""
    return step.previous_step_content
