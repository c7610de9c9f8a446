"""Where a step stands in one run of its workflow, and what was there before it came to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from serai.components.media import MediaItem
from serai.components.workflow.results import StepResult, media_in
from serai.components.workflow.values import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One step or construct in one run; in a loop each iteration has its own.

    Attributes:
        path: names it inside its run: ``1:prepare/0:search``; in the second iteration of a loop ``0:loop/2/0:search``.
        id: the step id of the wire, made of it.
        index: its number; inside constructs a list, the outer ones first.
        top: number and name of the step of the workflow itself that it is, or is in.
    """

    run_key: UUID
    path: str
    name: str
    index: int | list[int]
    top: tuple[int, str]
    parent_id: str | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        # The runs inside are named by paths alone; a step and its run have ids of their own.
        object.__setattr__(self, "id", str(uuid5(self.run_key, f"step:{self.path}")))

    @classmethod
    def of(cls, run_key: UUID, number: int, name: str) -> Place:
        """Return the place of a step of the workflow itself."""
        return cls(run_key=run_key, path=f"{number}:{name}", name=name, index=number, top=(number, name))

    def inside(self, number: int, name: str, *, iteration: int | None = None) -> Place:
        """Return the place of a step inside this construct."""
        start = self.path if iteration is None else f"{self.path}/{iteration}"
        outer = self.index if isinstance(self.index, list) else [self.index]
        return Place(
            run_key=self.run_key,
            path=f"{start}/{number}:{name}",
            name=name,
            index=[*outer, number],
            top=self.top,
            parent_id=self.id,
        )

    def result(self, kind: str, **members: Any) -> StepResult:
        """Return what the step here answered."""
        return StepResult(name=self.name, id=self.id, type=kind, **members)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step finds.

    Attributes:
        content: what the step before answered, and `text`, the same for an agent.
        results: of all steps before.
        media: what came with the run, and what these steps made.
    """

    content: Any = None
    text: str | None = None
    results: tuple[StepResult, ...] = ()
    media: tuple[MediaItem, ...] = ()

    def after(self, result: StepResult) -> Scope:
        """Return what the next step finds."""
        results, media = (*self.results, result), (*self.media, *result.media)
        if result.is_skipped:
            return replace(self, results=results, media=media)
        return Scope(content=result.content, text=text_of_result(result), results=results, media=media)


def text_of_result(result: StepResult) -> str:
    """Return what an agent behind a step is asked: of parallel branches each answer under its name."""
    if result.type == "Parallel":
        return "\n\n".join(f"## {step.name}\n\n{text_of_result(step)}" for step in result.steps if not step.is_skipped)
    done = [step for step in result.steps if not step.is_skipped]
    return text_of_result(done[-1]) if done else text_of(result.content)


def of_construct(place: Place, kind: str, results: Sequence[StepResult], **members: Any) -> StepResult:
    """Return what a construct answered: what the last of its steps did that was not skipped."""
    done = [result for result in results if not result.is_skipped]
    given = {"content": done[-1].content if done else None, "is_skipped": not done, **members}
    return place.result(
        kind,
        success=all(result.success for result in results),
        stop=any(result.stop for result in results),
        media=media_in(results),
        steps=[result for result in results if result.is_shown],
        **given,
    )
