"""The states a run can be in, as they go over the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator


class RunStatus(StrEnum):
    """A run's state. Compares equal to its name in either case: ``RunStatus.PAUSED == "paused"``."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    PAUSED = "PAUSED"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"
    REGENERATED = "REGENERATED"

    @classmethod
    def _missing_(cls, value: object) -> RunStatus | None:
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.value == other.upper()

    def __hash__(self) -> int:
        return hash(self.value)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens to the run unless somebody continues it."""
        return self not in UNDER_WAY


UNDER_WAY = (RunStatus.PENDING, RunStatus.RUNNING)
"""The states of what waits for its turn or works."""


def _read_status(value: Any) -> Any:
    try:
        return RunStatus(value)
    except ValueError:
        return value


Status = Annotated[RunStatus | str, BeforeValidator(_read_status)]
"""A run's status; one that this version does not know stays a plain string."""
