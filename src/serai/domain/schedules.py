"""Schedules as values: what starts a run when, and which of its times are due. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from serai.domain.cron import CronTimes

MOST_MADE_UP: Final = 100
"""Missed times for which `Misfire.ALL` starts runs; of more the oldest are dropped."""

DEFAULT_GRACE_S: Final = 60.0


class Misfire(StrEnum):
    """What becomes of times at which no node was there to fire."""

    SKIP = "skip"
    """Nothing, unless the last of them is within the grace."""
    ONCE = "once"
    """One run for all of them."""
    ALL = "all"
    """One run for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """What a person says about a schedule.

    Attributes:
        name: unique in its project.
        kind: of the component that runs; `component_id` is the rest of its address.
        input: JSON for the component.
        session_id: the session of all its runs, which take turns there; None is a new one each time.
        misfire_grace_s: how late `Misfire.SKIP` still fires.
    """

    name: str
    description: str | None
    kind: str
    component_id: str
    cron: str
    timezone: str
    input: bytes
    session_id: str | None
    user_id: str | None
    misfire: Misfire
    misfire_grace_s: float
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord(ScheduleSpec):
    """A schedule as stored.

    Attributes:
        declared_by: the id of the OS in whose code it stands; None: it was made over HTTP.
        declared_paused: whether the code has it paused, which a person may have changed since.
        next_fire_at: None while it is paused, or when its times are not known any more.
        last_fire_at: the time it fired for, not when it did.
        last_error: why the last firing started no run.
    """

    id: UUID
    project_id: str
    declared_by: str | None
    declared_paused: bool | None
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    last_run_id: str | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime

    def spec(self) -> ScheduleSpec:
        """Return what a person has said about it."""
        return ScheduleSpec(**{member.name: getattr(self, member.name) for member in fields(ScheduleSpec)})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule does now: the times it starts a run for, and when it is due next."""

    times: list[datetime]
    next_at: datetime


def plan_firing(record: ScheduleRecord, *, due_at: datetime, now: datetime) -> Plan:
    """Return for which times a due schedule starts runs now.

    Args:
        record: the schedule.
        due_at: the first time that it has not fired for.
        now: the same moment or a later one.

    Raises:
        ValueError: the expression or the time zone is not understood any more.
    """
    cron = CronTimes(record.cron, record.timezone)
    limit = MOST_MADE_UP if record.misfire is Misfire.ALL else 1
    times = cron.between(due_at, now, limit=limit) or [due_at]
    if record.misfire is Misfire.SKIP and (now - times[-1]).total_seconds() > record.misfire_grace_s:
        times = []
    return Plan(times, cron.after(now))


def next_fire(spec: ScheduleSpec, *, kept: ScheduleRecord | None, now: datetime) -> datetime | None:
    """Return when a schedule that was just made or changed is due; what it missed before a change stays missed.

    Args:
        spec: the schedule as it is to be.
        kept: as it has been, None for a new one.
        now: by the database's clock.
    """
    if spec.is_paused:
        return None
    if kept is not None and kept.next_fire_at and (kept.cron, kept.timezone) == (spec.cron, spec.timezone):
        return kept.next_fire_at
    return CronTimes(spec.cron, spec.timezone).after(now)


def redeclare(spec: ScheduleSpec, *, kept: ScheduleRecord) -> ScheduleSpec:
    """Return a declared schedule as it is to be stored: what a person paused or resumed stays so."""
    is_as_before = kept.declared_paused == spec.is_paused
    return replace(spec, is_paused=kept.is_paused) if is_as_before else spec


def run_id_at(schedule_id: UUID, time: datetime) -> str:
    """Return the id of the run that a schedule starts for a time: the same on every node, however often it is asked."""
    return str(uuid5(schedule_id, time.astimezone(UTC).isoformat()))
