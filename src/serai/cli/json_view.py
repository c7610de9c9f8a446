"""How ``--json`` shows a run: one JSON object a line."""

from __future__ import annotations

from typing import Any

from serai.cli.outcome import Outcome
from serai.cli.output import json_line


class JsonView:
    """Prints a run for programs.

    Attributes:
        outcome: how the run ended.
    """

    def __init__(self) -> None:
        self.outcome = Outcome()

    def show(self, item: Any) -> None:
        """Print one event of a stream, or the result of a run that was not streamed."""
        self.outcome.learn(item)
        print(json_line(item, exclude_none=True), flush=True)

    def close(self) -> None:
        """Do nothing: each line is complete."""
