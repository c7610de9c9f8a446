"""Schedules on the wire, and the runs that they started."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from serai.wire.model import WireModel
from serai.wire.pages import Page
from serai.wire.status import Status


class ScheduleResponse(WireModel):
    """A schedule.

    Attributes:
        declared_by: the OS in whose code it stands; None: it was made over HTTP.
        kind: of the component that runs, ``component_id``.
        payload: what each run is given: ``message``, ``session_id`` and the like.
        misfire: what becomes of times at which no node was up: ``skip``, ``once`` or ``all``.
        enabled: whether it starts runs; else it is paused.
        next_run_at: when it starts the next one; None while it is paused.
        last_run_at: the time for which it started the last one.
        last_error: why the last firing started no run.
    """

    id: str
    name: str
    description: str | None = None
    user_id: str | None = None
    declared_by: str | None = None
    kind: str | None = None
    component_id: str | None = None
    endpoint: str | None = None
    payload: dict[str, Any] | None = None
    cron_expr: str | None = None
    timezone: str = "UTC"
    misfire: str | None = None
    misfire_grace_s: float | None = None
    enabled: bool = True
    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    last_run_id: str | None = None
    last_error: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def message(self) -> Any:
        """What the component is asked."""
        return (self.payload or {}).get("message")


class ScheduleRun(WireModel):
    """A run that a schedule started; ``triggered_at`` is the time it was started for."""

    id: str
    schedule_id: str
    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    status: Status | None = None
    is_manual: bool = False
    triggered_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None


SchedulePage = Page[ScheduleResponse]
"""A page of schedules."""

ScheduleRunPage = Page[ScheduleRun]
"""A page of runs that a schedule started."""
