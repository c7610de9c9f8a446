"""What became of a run: how commands end that watched it."""

from __future__ import annotations

from typing import Any

from serai.cli.remote import EXIT_FAILED, EXIT_PAUSED
from serai.wire.events import ENDINGS, is_of_inner_run

_EXIT_CODES = {"completed": 0, "paused": EXIT_PAUSED}


class Outcome:
    """Learns from a run's events, or from its result, how it ended; runs inside it do not count.

    Attributes:
        exit_code: 0 once the run has completed.
        run_id: the run, once it is known.
    """

    def __init__(self) -> None:
        self.exit_code = EXIT_FAILED
        self.run_id: str | None = None
        self._is_cancelled = False

    def learn(self, item: Any) -> str | None:
        """Take the next event, or the result; return the status if this is how the run ends or pauses."""
        kind = getattr(item, "event", None)
        if kind is None:
            self.run_id = item.run_id or self.run_id
            status: str | None = status_text(item) or "completed"
        else:
            if self.run_id is None and not is_of_inner_run(item):
                self.run_id = item.run_id
            status = ENDINGS.get(kind) if item.run_id in (None, self.run_id) else None
        if status is None or self._is_cancelled:
            return None  # agno's own server reports a run as completed after it has reported it as cancelled
        self._is_cancelled = status == "cancelled"
        self.exit_code = exit_code_of(status)
        return status


def exit_code_of(status: Any) -> int:
    """Return the exit code of a command that watched a run to this status."""
    return _EXIT_CODES.get(_name_of(status), EXIT_FAILED)


def status_text(run: Any) -> str:
    """Return a run's status as people read it."""
    return _name_of(run.status)


def _name_of(status: Any) -> str:
    return str(getattr(status, "value", status) or "").lower()
