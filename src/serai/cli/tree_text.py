"""Puts the texts of runs that speak at the same time on one terminal: each line begins with the name of its run."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from serai.cli.run_tree import Lane
from serai.cli.tables import printable


class TreeText:
    """Prints text of lanes; a line that is begun is remembered, and ended before another lane says something."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: Lane | None = None

    def say(self, lane: Lane, text: str, *, is_alone: bool) -> None:
        """Print a piece of a run's text: at once while it is the only one to speak, else by whole lines."""
        lane.said += text
        text, lane.held = lane.held + text, ""
        if not is_alone:
            text, ended, lane.held = text.rpartition("\n")
            text += ended
        self._stream(lane, text)

    def finish(self, lane: Lane) -> None:
        """Print what was held back of a run that ends."""
        text, lane.held = lane.held, ""
        if text:
            self._stream(lane, text)
            self.end_line()

    def note(self, lane: Lane | None, text: str, *, style: str, is_named: bool = True) -> None:
        """Print lines about a run or a step, below what it said."""
        self.end_line()
        margin = _margin(lane) if lane is not None else ""
        name = f"{_label(lane)} " if lane is not None and lane.parent is not None and is_named else ""
        self._console.print(Text(printable(f"{margin}{name}{text}"), style=style))

    def begin_line(self, lane: Lane, text: str) -> None:
        """Print the beginning of a line that `complete_line` may end."""
        self.end_line()
        self._console.print(Text(printable(f"{_margin(lane)}{text}"), style="dim"), end="")
        self._open = lane

    def complete_line(self, lane: Lane, rest: str, whole: str, *, style: str) -> None:
        """End the line that was begun for this lane with its rest; print a whole one when something came between."""
        if self._open is lane:
            self._console.print(Text(printable(f" {rest}"), style=style))
            self._open = None
        else:
            self.note(lane, whole, style=style, is_named=False)

    def end_line(self) -> None:
        """End the line that is begun."""
        if self._open is not None:
            self._console.print()
            self._open = None

    def _stream(self, lane: Lane, text: str) -> None:
        for line in _lines(text) if lane.parent is not None else [text]:
            if self._open is not lane:
                self.end_line()
                if lane.parent is not None:
                    self._console.print(Text(f"{_margin(lane)}{printable(_label(lane))} │ ", style="dim"), end="")
            self._console.print(Text(printable(line)), end="")
            self._open = None if line.endswith("\n") else lane


def _label(lane: Lane) -> str:
    """Return a run's name; beside other branches, of which each may have such a run, with that of its step."""
    around = lane.parent
    is_told_apart = around is not None and not around.speaks and lane.has_siblings
    return f"{around.name}: {lane.name}" if around is not None and is_told_apart else lane.name


def _lines(text: str) -> list[str]:
    *whole, rest = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([rest] if rest else [])]


def _margin(lane: Lane) -> str:
    return "  " * max(lane.depth, 0)
