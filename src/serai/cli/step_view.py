"""How the steps of a workflow are shown: a line when one begins, a tick and its duration when it is done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from serai.cli.call_text import content_text, duration_text
from serai.cli.run_tree import Lane, RunTree
from serai.cli.tables import shortened
from serai.cli.tree_text import TreeText

_BEGINNINGS = ("StepStarted", "StepExecutorContinued")


class StepView:
    """Prints the events of steps, and of what groups them."""

    def __init__(self, text: TreeText, tree: RunTree, *, is_live: bool) -> None:
        self._text = text
        self._tree = tree
        self._is_live = is_live

    def show(self, event: Any) -> None:
        """Show an event of a step or of a construct."""
        kind = event.event
        if kind in _BEGINNINGS or kind.endswith("ExecutionStarted"):
            self._begin(event)
        elif kind == "StepCompleted" or kind.endswith("ExecutionCompleted"):
            self._complete(event)
        elif kind == "LoopIterationStarted":
            limit = "" if event.max_iterations is None else f" of at most {event.max_iterations}"
            self._text.note(self._tree.step_of(event), f"  round {event.iteration}{limit}", style="dim", is_named=False)
        elif kind == "StepProgress":
            lane = self._tree.step_of(event)
            self._text.note(lane, f"· {lane.name}: {_progress(event)}", style="dim", is_named=False)
        elif kind == "StepError":
            lane = self._tree.step_of(event)
            lane.is_open = False
            self._text.complete_line(lane, f"✗ {event.error}", f"✗ {lane.name}: {event.error}", style="red")

    def show_results(self, around: Lane, results: Sequence[Any]) -> None:
        """Show what the steps of a run answered that was not streamed."""
        for result in results:
            lane = Lane(result.step_name or "a step", around.depth + 1, around, speaks=False)
            failed = result.success is False
            text = shortened(content_text(result.error if failed and result.error else result.content))
            mark, style = ("✗", "dim red") if failed else ("✓", "dim")
            self._text.note(
                lane, f"{mark} {lane.name}{'' if result.steps else f' → {text}'}", style=style, is_named=False
            )
            self.show_results(lane, result.steps or ())

    def _begin(self, event: Any) -> None:
        lane = self._tree.begin_step(event)
        self._text.begin_line(lane, f"▸ {lane.name}{_about(event)}")

    def _complete(self, event: Any) -> None:
        lane = self._tree.step_of(event)
        lane.is_open = False
        is_seen = lane.inner or event.event != "StepCompleted" or event.content is None
        rounds = getattr(event, "total_iterations", None)
        parts = (
            self._took(lane, event),
            "" if rounds is None else f" in {rounds} round{'' if rounds == 1 else 's'}",
            "" if is_seen else f" → {shortened(content_text(event.content))}",
        )
        told = "".join(parts)
        self._text.complete_line(lane, f"✓{told}", f"✓ {lane.name}{told}", style="dim")

    def _took(self, lane: Lane, event: Any) -> str:
        """Return how long a step took; events of the past came all at once, and say it to the second."""
        if self._is_live:
            return f" {duration_text(time.monotonic() - lane.started_s)}"
        seconds = (event.created_at or 0) - (lane.started_at or event.created_at or 0)
        return f" {seconds} s" if seconds else ""


def _about(event: Any) -> str:
    """Return what a construct is going to do."""
    match event.event:
        case "StepExecutorContinued":
            return " goes on"
        case "ParallelExecutionStarted":
            return f": {event.parallel_step_count} branches at a time"
        case "ConditionExecutionStarted":
            return f": {'if' if event.condition_result else 'else'}"
        case "RouterExecutionStarted":
            return f" → {', '.join(event.selected_steps or ()) or 'nothing'}"
        case _:
            return ""


def _progress(event: Any) -> str:
    told = event.content if event.content is not None else event.data
    attempt = "" if event.attempt is None else f"attempt {event.attempt}"
    return ", ".join(part for part in (attempt, "" if told is None else shortened(content_text(told))) if part)
