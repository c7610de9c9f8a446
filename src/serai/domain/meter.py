"""What the parts of a server have counted and measured, wherever that goes; by itself it goes nowhere. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serai.domain.run_state import RunStatus


class Meter:
    """Takes what is measured, in a few microseconds and without waiting; this one drops it."""

    def database_used(self, waited_s: float, used_s: float) -> None:
        """Note that a connection was waited for, and lent for so long."""

    def batch_written(self, what: str, items: int) -> None:
        """Note that so many of something were written together."""

    def events_committed(self, lag_s: float) -> None:
        """Note how long the oldest of a run's events waited for the commit that it is now in."""

    def run_begun(self, kind: str, waited_s: float) -> None:
        """Note that a run has waited in the queue for so long."""

    def run_rested(self, kind: str, component_id: str, status: RunStatus, worked_s: float | None) -> None:
        """Note how a run came to rest, and how long this node worked on it; None: nobody did."""

    def usage_counted(self, usage: Iterable[Mapping[str, Any]]) -> None:
        """Note what models were used, as a `Usage` says it."""

    def model_asked(self, model: str | None, provider: str | None, took_s: float, *, is_ok: bool) -> None:
        """Note how long a model took to answer."""

    def tool_called(self, name: str, took_s: float, *, is_ok: bool) -> None:
        """Note how long a tool took."""

    def job_ended(self, kind: str, outcome: str, took_s: float) -> None:
        """Note how an attempt at a background job ended: completed, failed, retried, or let go."""
