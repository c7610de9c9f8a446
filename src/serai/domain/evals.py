"""An eval as values: what is measured of a component, and where its measuring stands. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EvalType(StrEnum):
    """What an eval measures."""

    ACCURACY = "accuracy"
    AGENT_AS_JUDGE = "agent_as_judge"
    PERFORMANCE = "performance"
    RELIABILITY = "reliability"


JUDGED_TYPES = frozenset({EvalType.ACCURACY, EvalType.AGENT_AS_JUDGE})
"""The types whose results are a model's opinion."""


class EvalStatus(StrEnum):
    """Where an eval stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows it."""
        return self not in (EvalStatus.PENDING, EvalStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEval:
    """An eval to be stored.

    Attributes:
        kind: of the component, with its id and name below.
        model_id: of the judge where there is one, else of the component; so is the provider.
        input: JSON of what was asked.
        iterations: how often the component is run.
    """

    project_id: str
    user_id: str | None
    name: str | None
    eval_type: EvalType
    kind: str
    component_id: str
    component_name: str
    model_id: str | None
    model_provider: str | None
    input: bytes
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRecord(NewEval):
    """An eval as stored.

    Attributes:
        finished: how many of its iterations have been done.
        results: those of the finished iterations, an object in JSON a line; empty once it has ended.
        data: what they came to, JSON; None until it ends.
        error: why nothing could be measured.
        job_id: of the background job that does it.
    """

    id: UUID
    finished: int
    results: bytes
    data: bytes | None
    status: EvalStatus
    error: str | None
    job_id: UUID
    created_at: datetime
    updated_at: datetime
