"""What a step's function is given, and what it may return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import UserContent

from serai.components.deps import RunDeps
from serai.domain.json_text import dump_json, load_json


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What the workflow knows of a step's output; a function leaves it out."""

    step_name: str | None = None
    step_id: str | None = None
    step_type: str | None = None
    executor_type: str | None = None
    executor_name: str | None = None
    step_run_id: str | None = None
    steps: list[StepOutput] = field(default_factory=list)


@dataclass(slots=True)
class StepOutput(_Facts):
    """What a step answered.

    Attributes:
        content: any JSON value, pydantic model or dataclass.
        success, error: whether it did what it should, and why not; the workflow goes on in any case.
        stop: the workflow ends here, well, with this content.
        media: what it made, as pydantic-ai knows it: ``BinaryContent``, ``ImageUrl`` …
        step_name, step_id, step_type, executor_type, executor_name, step_run_id: filled in by the workflow.
        steps: of a construct: the outputs of its steps.
    """

    content: Any = None
    success: bool = True
    error: str | None = None
    stop: bool = False
    media: Sequence[UserContent] = ()


@dataclass(slots=True, kw_only=True)
class StepInput:
    """What a step is given, all of it a copy of its own: only what it returns and does to the session state is kept.

    Attributes:
        input: the run's message; with an ``input_type``, the value made of it.
        previous_step_content: what the step before answered; None for the first. After a `Parallel` a dictionary of the
            branches' contents by name.
        previous_step_outputs: of all finished steps by name, oldest first; constructs hold those of their steps.
        additional_data: the run's ``dependencies``; ``user_input`` when a person filled in this step's fields, and
            ``rejection_feedback`` when a person sent its output back.
        media: images, audio, videos and files that came with the run or were made since.
        run: the run: ids, session state, metadata, and an ``idempotency_key`` that names this step for ever.
    """

    input: Any
    previous_step_content: Any = None
    previous_step_outputs: Mapping[str, StepOutput] = field(default_factory=dict)
    additional_data: dict[str, Any] = field(default_factory=dict)
    media: Sequence[UserContent] = ()
    run: RunDeps

    @property
    def session_state(self) -> dict[str, Any]:
        """The session's state; what a step changes in it is kept, member by member."""
        return self.run.session_state

    def get_step_output(self, name: str) -> StepOutput | None:
        """Return what the latest step of this name answered, also one inside a construct; None when there is none."""
        return _find(reversed(list(self.previous_step_outputs.values())), name)

    def get_step_content(self, name: str) -> Any:
        """Return the content of the latest step of this name, also of one inside a construct, or None."""
        output = self.get_step_output(name)
        return None if output is None else output.content

    def get_last_step_content(self) -> Any:
        """Return what the step before answered, or None."""
        return self.previous_step_content

    def get_all_previous_content(self) -> str:
        """Return all that was answered so far as one text, each step under its name."""
        outputs = self.previous_step_outputs.items()
        return "\n\n".join(
            f"=== {name} ===\n{text_of(out.content)}" for name, out in outputs if out.content is not None
        )


def own_copy(content: Any) -> Any:
    """Return a content for one function alone: what it changes in there changes nothing for the steps behind it."""
    return load_json(dump_json(content)) if isinstance(content, dict | list) else content


def text_of(content: Any) -> str:
    """Return a content as text, what is no text as JSON: a step's is what an agent behind it is asked."""
    if isinstance(content, str):
        return content
    return "" if content is None else dump_json(content).decode()


def _find(outputs: Iterable[StepOutput], name: str) -> StepOutput | None:
    for output in outputs:
        if output.step_name == name:
            return output
        if (inner := _find(reversed(output.steps), name)) is not None:
            return inner
    return None
