"""How ``serai run`` shows a run: text as it comes, tool calls as dim lines, and what is inside the run as a tree."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from serai.cli.call_text import call_text, content_text, duration_text, outcome_text
from serai.cli.outcome import Outcome
from serai.cli.pause_view import describe_pause
from serai.cli.remote import DEFAULT_URL
from serai.cli.run_tree import Lane, OpenCall, RunTree
from serai.cli.step_view import StepView
from serai.cli.tables import dollars, shortened
from serai.cli.tree_text import TreeText
from serai.wire.events import ENDINGS

_DELTAS = ("RunContent", "RunIntermediateContent")


class AnswerView:
    """Prints a run for people.

    Attributes:
        outcome: how the run ended.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        url: str = DEFAULT_URL,
        component: str | None = None,
        is_live: bool = True,
    ) -> None:
        """Begin a view.

        Args:
            console: where to print; standard output by default.
            url: the server, for commands to be copied.
            component: how these name the component; by its id by default.
            is_live: whether events come as they happen; else they tell no durations by their coming.
        """
        self.outcome = Outcome()
        self._text = TreeText(console or Console(highlight=False, soft_wrap=True))
        self._tree = RunTree()
        self._steps = StepView(self._text, self._tree, is_live=is_live)
        self._url = url
        self._component = component
        self._last_said = ""
        self._pause: Any = None

    def show(self, item: Any) -> None:
        """Show one event of a stream, or the result of a run that was not streamed."""
        status = self.outcome.learn(item)
        kind = getattr(item, "event", None)
        self._pass_pause()
        if kind is None:
            self._show_result(item, status or "completed")
        elif status == "paused":
            self._pause = item
        elif status is not None:
            self._end(item, status)
        elif kind.startswith(("Step", "Parallel", "Condition", "Loop", "Router")):
            self._steps.show(item)
        else:
            self._show_event(item, kind.removeprefix("Team"))

    def close(self) -> None:
        """End the last line, and say what a run that is paused now waits for."""
        if self._pause is not None:
            self._end(self._pause, "paused")
        self._text.end_line()

    def _pass_pause(self) -> None:
        """Note a pause of the past: the run has gone on."""
        if self._pause is not None:
            self._text.note(self._tree.root, "· paused, and continued", style="dim")
            self._pause = None

    def _show_event(self, item: Any, kind: str) -> None:
        """Show what an agent or a team does, in the run that was asked for or inside it."""
        lane = self._tree.run_of(item)
        if lane.parent is not None and kind in ("RunStarted", "RunContinued"):
            lane.is_open = True
            self._tell_calls_around(lane)
        if kind in _DELTAS:
            self._say(lane, item.content)
        elif kind == "ToolCallStarted":
            lane.calls[item.tool.tool_call_id or ""] = OpenCall(item.tool)
        elif kind == "ToolCallCompleted" or (kind == "ToolCallError" and (item.tool.tool_call_id or "") in lane.calls):
            self._show_tool(lane, item.tool, error=getattr(item, "error", None))
        elif kind == "CustomEvent" and getattr(item, "name", None) == "step_restarted":
            lane.said = lane.held = ""
            self._text.note(lane, "· the server was interrupted; this answer starts anew", style="dim")
        elif kind in ENDINGS and lane.parent is not None:
            self._end_inner(lane, item, ENDINGS[kind])

    def _say(self, lane: Lane, content: Any) -> None:
        if content is not None and content != "":
            self._text.say(lane, content_text(content), is_alone=self._tree.talks_alone(lane))

    def _tell_calls_around(self, lane: Lane) -> None:
        """Show the calls inside which a run begins, since what it says comes before their results."""
        around = lane.parent
        for call in around.calls.values() if around is not None else ():
            if not call.is_told:
                call.is_told = True
                self._text.note(around, f"· {call_text(call.tool)}", style="dim")

    def _show_tool(self, lane: Lane, tool: Any, *, error: str | None = None) -> None:
        call = lane.calls.pop(tool.tool_call_id or "", None)
        failed = error or tool.tool_call_error
        if call is not None and call.is_told and not failed:
            return  # its result is what was said inside it
        outcome = f"failed: {shortened(content_text(error or tool.result))}" if failed else outcome_text(tool)
        took_s = _duration_s(tool, call)
        took = "" if took_s is None else f"  ({duration_text(took_s)})"
        self._text.note(lane, f"· {call_text(tool)} → {outcome}{took}", style="dim red" if failed else "dim")

    def _end_inner(self, lane: Lane, item: Any, status: str) -> None:
        lane.is_open = False
        if status == "completed" and not lane.said and lane.speaks and not self._was_relayed(lane, item.content):
            self._say(lane, item.content)
        self._text.finish(lane)
        if lane.speaks:
            self._last_said = lane.said
        if status == "error":
            self._text.note(lane, f"✗ {_reason(item)}", style="red")
        elif status in ("cancelled", "paused"):
            self._text.note(lane, f"· {status}", style="dim")

    def _was_relayed(self, lane: Lane, content: Any) -> bool:
        """Say whether a team has said as its own what its member answered."""
        return content is not None and lane.parent is not None and content_text(content).strip() in lane.parent.said

    def _show_result(self, run: Any, status: str) -> None:
        lane = self._tree.run_of(run)
        for member in getattr(run, "member_responses", None) or ():
            self._show_inner_result(member)
        self._steps.show_results(lane, getattr(run, "step_results", None) or ())
        for tool in getattr(run, "tools", None) or ():
            waits_inside = status == "paused" and tool.result is None and not tool.is_paused
            if not tool.needs and not waits_inside:
                self._show_tool(lane, tool)
        if status == "paused" and run.content and lane.speaks:
            self._say(lane, run.content)
        self._end(run, status)

    def _show_inner_result(self, run: Any) -> None:
        lane = self._tree.run_of(run)
        for member in getattr(run, "member_responses", None) or ():
            self._show_inner_result(member)
        for tool in run.tools or ():
            if not tool.needs:
                self._show_tool(lane, tool)
        self._end_inner(lane, run, str(getattr(run.status, "value", run.status) or "completed").lower())

    def _end(self, item: Any, status: str) -> None:
        root = self._tree.run_of(item)
        self._text.finish(root)
        if status == "completed" and not self._was_said(root, item.content):
            self._say_answer(root, item.content)
        if status == "paused":
            told = describe_pause(item, url=self._url, component=self._component)
            self._text.note(root, f"paused:\n{told}", style="yellow")
        elif status != "completed":
            self._text.note(root, f"{status}: {_reason(item)}", style="red")
        self._text.note(root, f"{_cost(getattr(item, 'metrics', None))}run {item.run_id}", style="dim")

    def _was_said(self, root: Lane, content: Any) -> bool:
        """Say whether an answer is on the screen: of a workflow it may be what its last agent said."""
        return bool(root.said) or (bool(self._last_said) and content_text(content).strip() == self._last_said.strip())

    def _say_answer(self, root: Lane, content: Any) -> None:
        if content is not None and content != "":
            self._text.say(root, content_text(content), is_alone=True)


def _reason(item: Any) -> str:
    members = ("content", "error", "reason")
    return next((content_text(value) for name in members if (value := getattr(item, name, None))), "")


def _duration_s(tool: Any, call: OpenCall | None) -> float | None:
    if tool.metrics is not None and tool.metrics.duration is not None:
        return float(tool.metrics.duration)
    return None if call is None else time.monotonic() - call.started_s


def _cost(metrics: Any) -> str:
    """Return the tokens and dollars of a run; of a workflow those of its steps together."""
    steps = getattr(metrics, "steps", None)
    parts = [metrics] if steps is None else [step.metrics for step in steps.values() if step.metrics is not None]
    if metrics is None or not parts:
        return ""
    tokens = f"{sum(part.input_tokens for part in parts)} tokens in, {sum(part.output_tokens for part in parts)} out · "
    return tokens if metrics.cost is None else f"{tokens}{dollars(metrics.cost)} · "
