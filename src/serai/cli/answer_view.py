"""How ``serai run`` shows a run: text as it comes, tool calls as dim lines; or everything as JSON lines."""

from __future__ import annotations

import json
import time
from typing import Any

from rich.console import Console
from rich.text import Text

_LONGEST_VALUE = 80
_DELTAS = ("RunContent", "RunIntermediateContent")
_ENDS = ("RunCompleted", "RunError", "RunCancelled", "RunPaused")


class AnswerView:
    """Prints a run for people.

    Attributes:
        succeeded: whether the run has completed.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.succeeded = False
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._mid_line = False
        self._said_anything = False
        self._tools_started: dict[str, float] = {}

    def show(self, item: Any) -> None:
        """Show one event of a stream, or the result of a run that was not streamed."""
        kind = getattr(item, "event", None)
        if kind is None:
            self._show_result(item)
        elif kind in _DELTAS:
            self._say(item.content)
        elif kind == "ToolCallStarted":
            self._tools_started[item.tool.tool_call_id or ""] = time.monotonic()
        elif kind in ("ToolCallCompleted", "ToolCallError"):
            self._show_tool(item.tool, error=getattr(item, "error", None))
        elif kind in _ENDS:
            self._end(item, status=kind.removeprefix("Run").lower())

    def close(self) -> None:
        """End the last line; say so if the stream ended without an end of the run."""
        self._break_line()

    def _show_result(self, run: Any) -> None:
        for tool in run.tools or ():
            self._show_tool(tool)
        status = str(getattr(run.status, "value", run.status) or "completed").lower()
        self._end(run, status=status)

    def _say(self, content: Any) -> None:
        if content is None or content == "":
            return
        text = content if isinstance(content, str) else json.dumps(content, default=str, ensure_ascii=False)
        self._console.print(Text(printable(text)), end="")
        self._mid_line = not text.endswith("\n")
        self._said_anything = True

    def _show_tool(self, tool: Any, *, error: str | None = None) -> None:
        arguments = ", ".join(
            f"{name}={_short(json.dumps(value, ensure_ascii=False))}" for name, value in (tool.tool_args or {}).items()
        )
        failed = error or tool.tool_call_error
        outcome = f"failed: {_short(error or tool.result)}" if failed else _short(tool.result)
        took_s = self._duration_s(tool)
        took = "" if took_s is None else f"  ({_duration_text(took_s)})"
        self._note(f"· {tool.tool_name}({arguments}) → {outcome}{took}", style="dim red" if failed else "dim")

    def _duration_s(self, tool: Any) -> float | None:
        if tool.metrics is not None and tool.metrics.duration is not None:
            return float(tool.metrics.duration)
        started = self._tools_started.pop(tool.tool_call_id or "", None)
        return None if started is None else time.monotonic() - started

    def _end(self, item: Any, *, status: str) -> None:
        self.succeeded = status == "completed"
        if self.succeeded and not self._said_anything:
            self._say(item.content)
        if not self.succeeded:
            self._note(f"{status}: {printable(str(item.content or getattr(item, 'reason', None) or ''))}", style="red")
        metrics = getattr(item, "metrics", None)
        tokens = f"{metrics.input_tokens} tokens in, {metrics.output_tokens} out · " if metrics else ""
        self._note(f"{tokens}run {item.run_id}", style="dim")

    def _note(self, text: str, *, style: str) -> None:
        self._break_line()
        self._console.print(Text(text, style=style))

    def _break_line(self) -> None:
        if self._mid_line:
            self._console.print()
            self._mid_line = False


class JsonView:
    """Prints a run for programs: one JSON object a line.

    Attributes:
        succeeded: whether the run has completed.
    """

    def __init__(self) -> None:
        self.succeeded = False

    def show(self, item: Any) -> None:
        """Print one event of a stream, or the result of a run that was not streamed."""
        print(item.model_dump_json(exclude_none=True), flush=True)
        kind = getattr(item, "event", None)
        if kind in _ENDS or kind is None:
            status = getattr(item, "status", None)
            self.succeeded = kind == "RunCompleted" or (kind is None and status == "COMPLETED")

    def close(self) -> None:
        """Do nothing: each line is complete."""


def printable(text: str) -> str:
    """Return a text without the control characters by which it could steer the terminal."""
    return "".join(c if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") else "\ufffd" for c in text)


def _duration_text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(seconds * 1000))} ms"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(printable(text).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
