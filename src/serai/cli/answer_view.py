"""How ``serai run`` shows a run: text as it comes, tool calls as dim lines; or everything as JSON lines."""

from __future__ import annotations

import json
import time
from typing import Any

from rich.console import Console
from rich.text import Text

from serai.cli.output import json_line
from serai.cli.pause_view import call_text, describe_pause
from serai.cli.remote import DEFAULT_URL, EXIT_FAILED, EXIT_PAUSED
from serai.cli.tables import printable, shortened

_DELTAS = ("RunContent", "RunIntermediateContent")
_ENDS = ("RunCompleted", "RunError", "RunCancelled", "RunPaused")


_EXIT_CODES = {"completed": 0, "paused": EXIT_PAUSED}


class AnswerView:
    """Prints a run for people.

    Attributes:
        exit_code: 0 once the run has completed.
        run_id: the run, once it is known.
    """

    def __init__(self, console: Console | None = None, *, url: str = DEFAULT_URL) -> None:
        self.exit_code = EXIT_FAILED
        self.run_id: str | None = None
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._url = url
        self._mid_line = False
        self._said_anything = False
        self._tools_started: dict[str, float] = {}
        self._pause: Any = None

    def show(self, item: Any) -> None:
        """Show one event of a stream, or the result of a run that was not streamed."""
        self.run_id = item.run_id or self.run_id
        kind = getattr(item, "event", None)
        self._pass_pause()
        if kind is None:
            self._show_result(item)
        elif kind in _DELTAS:
            self._say(item.content)
        elif kind == "ToolCallStarted":
            self._tools_started[item.tool.tool_call_id or ""] = time.monotonic()
        elif kind in ("ToolCallCompleted", "ToolCallError"):
            self._show_tool(item.tool, error=getattr(item, "error", None))
        elif kind == "CustomEvent" and getattr(item, "name", None) == "step_restarted":
            self._note("· the server was interrupted; this answer starts anew", style="dim")
        elif kind == "RunPaused":
            self._pause = item
        elif kind in _ENDS:
            self._end(item, status=kind.removeprefix("Run").lower())

    def close(self) -> None:
        """End the last line, and say what a run that is paused now waits for."""
        if self._pause is not None:
            self._end(self._pause, status="paused")
        self._break_line()

    def _pass_pause(self) -> None:
        """Note a pause of the past: the run has gone on."""
        if self._pause is not None:
            self._note("· paused, and continued", style="dim")
            self._pause = None

    def _show_result(self, run: Any) -> None:
        for tool in run.tools or ():
            if not tool.needs:
                self._show_tool(tool)
        status = _name_of(run.status) or "completed"
        if status == "paused" and run.content:
            self._say(run.content)
        self._end(run, status=status)

    def _say(self, content: Any) -> None:
        if content is None or content == "":
            return
        text = content if isinstance(content, str) else json.dumps(content, default=str, ensure_ascii=False)
        self._console.print(Text(printable(text)), end="")
        self._mid_line = not text.endswith("\n")
        self._said_anything = True

    def _show_tool(self, tool: Any, *, error: str | None = None) -> None:
        failed = error or tool.tool_call_error
        outcome = f"failed: {_short(error or tool.result)}" if failed else _outcome(tool)
        took_s = self._duration_s(tool)
        took = "" if took_s is None else f"  ({_duration_text(took_s)})"
        self._note(f"· {call_text(tool)} → {outcome}{took}", style="dim red" if failed else "dim")

    def _duration_s(self, tool: Any) -> float | None:
        if tool.metrics is not None and tool.metrics.duration is not None:
            return float(tool.metrics.duration)
        started = self._tools_started.pop(tool.tool_call_id or "", None)
        return None if started is None else time.monotonic() - started

    def _end(self, item: Any, *, status: str) -> None:
        self.exit_code = exit_code_of(status)
        if status == "completed" and not self._said_anything:
            self._say(item.content)
        if status == "paused":
            self._note(f"paused:\n{describe_pause(item, url=self._url)}", style="yellow")
        elif status != "completed":
            self._note(f"{status}: {item.content or getattr(item, 'reason', None) or ''}", style="red")
        metrics = getattr(item, "metrics", None)
        tokens = f"{metrics.input_tokens} tokens in, {metrics.output_tokens} out · " if metrics else ""
        self._note(f"{tokens}run {item.run_id}", style="dim")

    def _note(self, text: str, *, style: str) -> None:
        self._break_line()
        self._console.print(Text(printable(text), style=style))

    def _break_line(self) -> None:
        if self._mid_line:
            self._console.print()
            self._mid_line = False


class JsonView:
    """Prints a run for programs: one JSON object a line.

    Attributes:
        exit_code: 0 once the run has completed.
        run_id: the run, once it is known.
    """

    def __init__(self) -> None:
        self.exit_code = EXIT_FAILED
        self.run_id: str | None = None

    def show(self, item: Any) -> None:
        """Print one event of a stream, or the result of a run that was not streamed."""
        self.run_id = item.run_id or self.run_id
        print(json_line(item, exclude_none=True), flush=True)
        kind = getattr(item, "event", None)
        if kind in _ENDS or kind is None:
            status = kind.removeprefix("Run") if kind else item.status
            self.exit_code = exit_code_of(status)

    def close(self) -> None:
        """Do nothing: each line is complete."""


def exit_code_of(status: Any) -> int:
    """Return the exit code of a command that watched a run to this status."""
    return _EXIT_CODES.get(_name_of(status), EXIT_FAILED)


def status_text(run: Any) -> str:
    """Return a run's status as people read it."""
    return _name_of(run.status)


def _name_of(status: Any) -> str:
    return str(getattr(status, "value", status) or "").lower()


def _outcome(tool: Any) -> str:
    """Return a call's result; of one that was answered by a person and waits to be made, that answer."""
    if not tool.is_paused or tool.result is not None or tool.metrics is not None:
        return _short(tool.result)
    if tool.confirmed is None:
        return "answered, not made yet"
    return "approved, not made yet" if tool.confirmed else "refused"


def _duration_text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(seconds * 1000))} ms"


def _short(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))
