"""The run object of a workflow's run, and what its last event says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serai.components.media import made_members
from serai.components.run_input import RunInput
from serai.components.workflow.results import StepResult, content_type_of, leaves, media_in, shown_results
from serai.domain.runs import RunRecord
from serai.domain.usage import cost_member, sum_cost


class RunObject:
    """What a run has so far.

    Args:
        record: the run.
        given: what it was asked.
        name: what people call its workflow.
        about: of a run inside another one: whose it is.
        worked_s: seconds of work in earlier segments.
        blobs: what earlier segments referred to.
    """

    def __init__(
        self,
        record: RunRecord,
        given: RunInput,
        *,
        name: str,
        about: Mapping[str, Any],
        worked_s: float = 0.0,
        blobs: Sequence[str] = (),
    ) -> None:
        self._record = record
        self._given = given
        self._name = name
        self._about = about
        self._worked_s = worked_s
        self._blobs = blobs
        self._began_at = time.perf_counter()

    def worked_s(self) -> float:
        """Return the seconds of work of the whole run; waiting for people is none."""
        return round(self._worked_s + time.perf_counter() - self._began_at, 6)

    def results(
        self,
        results: Sequence[StepResult],
        executor_runs: Iterable[Mapping[str, Any]],
        *,
        drafts: Iterable[StepResult] = (),
    ) -> dict[str, Any]:
        """Return the members that tell of the steps, as the last event has them; first the blobs that they refer to.

        Args:
            results: of the workflow's own steps.
            executor_runs: of agents, teams and workflows in steps.
            drafts: outputs that people review.
        """
        runs = [dict(run) for run in executor_runs]
        made = made_members(media_in(results))
        hashes = [*self._blobs, *made.pop("blobs", []), *(sha256 for run in runs for sha256 in run.pop("blobs", []))]
        blobs = dict.fromkeys([*hashes, *(item.sha256 for item in media_in(drafts) if item.sha256 is not None)])
        return {
            **({"blobs": list(blobs)} if blobs else {}),
            **made,
            "step_results": shown_results(results),
            "step_executor_runs": runs,
            "metadata": self._given.metadata,
        }

    def metrics(self, results: Sequence[StepResult]) -> dict[str, Any]:
        """Return what each agent, team and workflow cost by its step, and the seconds of the whole run."""
        steps: dict[str, dict[str, Any]] = {}
        for result in leaves(results):
            if result.run_id is None:
                continue
            known = steps.get(result.name)
            metrics = result.metrics if known is None else _sum(known["metrics"], result.metrics)
            steps[result.name] = {
                "step_name": result.name,
                "executor_type": result.executor_type,
                "executor_name": result.executor_name,
                "metrics": metrics,
            }
        cost = sum_cost(step["metrics"] or {} for step in steps.values())
        return {"steps": steps, **cost_member(cost), "duration": self.worked_s()}

    def members(
        self,
        results: Sequence[StepResult],
        executor_runs: Iterable[Mapping[str, Any]],
        *,
        content: Any,
        drafts: Iterable[StepResult] = (),
    ) -> dict[str, Any]:
        """Return the run object's members; `results` has what the arguments are."""
        record, shown = self._record, self.results(results, executor_runs, drafts=drafts)
        given = [item.sha256 for item in self._given.media if item.sha256 is not None]
        blobs = list(dict.fromkeys([*given, *shown.pop("blobs", [])]))
        return {
            **({"blobs": blobs} if blobs else {}),
            "run_id": record.id,
            "workflow_id": record.component_id,
            "workflow_name": self._name,
            "session_id": record.session_id,
            "user_id": record.user_id,
            "parent_run_id": self._about.get("parent_run_id"),
            "input": self._given.message,
            "content": content,
            "content_type": content_type_of(content),
            "created_at": int(record.created_at.timestamp()),
            "images": [],
            "videos": [],
            "audio": [],
            "files": [],
            **shown,
            "metrics": self.metrics(results),
        }


def _sum(known: Mapping[str, Any] | None, more: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the numbers of two runs of a step together."""
    if known is None or more is None:
        return None if known is more else dict(known or more or {})
    numbers = {name for name in (*known, *more) if isinstance(known.get(name, more.get(name)), int | float)}
    return {**known, **{name: known.get(name, 0) + more.get(name, 0) for name in sorted(numbers)}}
