"""What steps answered as it is kept: in journals, in what a pause carries, and on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from serai.components.blob_references import StoredBytes
from serai.components.media import NAMES, MediaItem, content_of, shown_items
from serai.components.workflow.values import StepOutput, own_copy

_NO_MEDIA: Final[dict[str, Any]] = dict.fromkeys(NAMES.values())


class StepResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a step or construct answered.

    Attributes:
        content: for the step behind it.
        is_skipped: it was not done, or failed and may: the step behind it gets the content from before it.
        run_id: of its agent, team or workflow.
        metrics: of its run.
        media: what it made.
        steps: of a construct: what its steps answered, in order.
    """

    name: str
    id: str
    type: str
    executor_type: str | None = None
    executor_name: str | None = None
    content: Any = None
    success: bool = True
    error: str | None = None
    stop: bool = False
    is_skipped: bool = False
    run_id: str | None = None
    metrics: dict[str, Any] | None = None
    media: list[MediaItem] = []
    steps: list[StepResult] = []

    @property
    def is_shown(self) -> bool:
        """Whether people see it: not what was passed by."""
        return not self.is_skipped or self.error is not None or bool(self.steps)

    def shown(self) -> dict[str, Any]:
        """Return the result as the wire shows it: all members there, null when unset."""
        return {
            "step_name": self.name,
            "step_id": self.id,
            "step_type": self.type,
            "executor_type": self.executor_type,
            "executor_name": self.executor_name,
            "content": self.content,
            "step_run_id": self.run_id,
            **_NO_MEDIA,
            **shown_items(self.media),
            "metrics": self.metrics,
            "success": self.success,
            "error": self.error,
            "stop": self.stop,
            "is_paused": False,  # a step that waits has no result yet
            "steps": [step.shown() for step in self.steps] if self.steps else None,
        }


def shown_results(results: Iterable[StepResult]) -> list[dict[str, Any]]:
    """Return results as the wire shows them."""
    return [result.shown() for result in results if result.is_shown]


def media_in(results: Iterable[StepResult]) -> list[MediaItem]:
    """Return the media that steps made, in order."""
    return [item for result in results for item in result.media]


def output_of(result: StepResult, blobs: Mapping[str, StoredBytes]) -> StepOutput:
    """Return a result as the functions behind it see it."""
    return StepOutput(
        content=own_copy(result.content),
        success=result.success,
        error=result.error,
        stop=result.stop,
        media=[content_of(item, blobs) for item in result.media],
        step_name=result.name,
        step_id=result.id,
        step_type=result.type,
        executor_type=result.executor_type,
        executor_name=result.executor_name,
        step_run_id=result.run_id,
        steps=[output_of(step, blobs) for step in result.steps],
    )


class Outputs(Mapping[str, StepOutput]):
    """Results by name as a function sees them, the latest of each name; made when it looks, for most do not.

    Args:
        results: what was answered, oldest first.
        blobs: the bytes of its media.
    """

    def __init__(self, results: Iterable[StepResult], blobs: Mapping[str, StoredBytes]) -> None:
        self._results = {result.name: result for result in results}
        self._blobs = blobs
        self._made: dict[str, StepOutput] = {}

    def __getitem__(self, name: str) -> StepOutput:
        """Return a step's output."""
        if name not in self._made:
            self._made[name] = output_of(self._results[name], self._blobs)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the steps' names."""
        return iter(self._results)

    def __len__(self) -> int:
        """Return how many steps there are."""
        return len(self._results)

    def __repr__(self) -> str:
        """Show them as a dictionary."""
        return repr(dict(self))


def leaves(results: Iterable[StepResult]) -> Iterator[StepResult]:
    """Yield the steps that did something, those inside constructs among them, in order."""
    for result in results:
        if result.executor_type is not None:
            yield result
        yield from leaves(result.steps)


def content_type_of(content: Any) -> str:
    """Return how the wire names the type of a step's content."""
    return "str" if content is None else type(content).__name__
