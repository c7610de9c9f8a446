"""The rows of the table that are about schedules. Sends nothing.

Pausing, resuming and firing go to the addresses that agno's own server has, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from serai.client._calls import NOTHING, Answer, Arguments, Headers
from serai.client._rows import Rows, given

if TYPE_CHECKING:
    from serai.wire.schedules import SchedulePage, ScheduleResponse, ScheduleRun, ScheduleRunPage

SCHEDULE: Answer[ScheduleResponse] = Answer("schedules:ScheduleResponse")
SCHEDULES: Answer[SchedulePage] = Answer("schedules:SchedulePage")
STARTED: Answer[ScheduleRun] = Answer("schedules:ScheduleRun")
RUNS: Answer[ScheduleRunPage] = Answer("schedules:ScheduleRunPage")

Kind = Literal["agent", "team", "workflow"]
Misfire = Literal["skip", "once", "all"]

_ONE = "/schedules/{schedule_id}"
_TEXTS = {
    "schedule_id": "the schedule's id or name; unknown is status 404.",
    "cron_expr": "minute, hour, day of month, month, day of week, as in `0 7 * * 1-5`; or `@daily` and the like.",
    "component_id": "the agent, team or workflow that runs.",
    "kind": "of the component; needed when several have the id.",
    "name": "unique in the project; by default made of component and expression.",
    "description": "one line about what it is for.",
    "timezone": "in which the expression is read, as in `Europe/Berlin`; UTC by default.",
    "session_id": "the session of all its runs, which take turns there; by default each has a session of its own.",
    "misfire": "what becomes of times at which no node was up: `skip` them, one run for all (`once`, as by default), "
    "or one for each (`all`).",
    "misfire_grace_s": "how many seconds late `skip` still starts a run.",
    "enabled": "whether it starts runs; else it is paused.",
}

_row = Rows(_TEXTS)


@_row("GET", "/schedules", SCHEDULES, enabled="only those that are enabled, or that are paused.")
def list_schedules(
    enabled: bool | None = None,
    limit: int = 100,
    page: int = 1,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the schedules, by name."""
    return Arguments(query={"enabled": enabled, "limit": limit, "page": page}, headers=headers)


@_row("POST", "/schedules", SCHEDULE)
def create_schedule(  # noqa: PLR0913 - what may be said about a schedule
    cron_expr: str,
    component_id: str,
    message: str | Mapping[str, Any] | Sequence[Any],
    *,
    name: str | None = None,
    kind: Kind | None = None,
    description: str | None = None,
    timezone: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    session_state: Mapping[str, Any] | None = None,
    dependencies: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    knowledge_filters: Mapping[str, Any] | Sequence[Any] | None = None,
    misfire: Misfire | None = None,
    misfire_grace_s: float | None = None,
    enabled: bool | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Make a schedule that starts runs of a component; Serai servers only.

    Raises:
        RemoteServerUnavailableError: the server could not be reached.
        ServerStatusError: the server refused; 409 when another schedule has the name, 422 when an argument is wrong.
    """
    members = given(
        name=name,
        cron_expr=cron_expr,
        timezone=timezone,
        kind=kind,
        component_id=component_id,
        description=description,
        misfire=misfire,
        misfire_grace_s=misfire_grace_s,
        enabled=enabled,
    )
    payload = given(
        message=message,
        session_id=session_id,
        user_id=user_id,
        session_state=session_state,
        dependencies=dependencies,
        metadata=metadata,
        knowledge_filters=knowledge_filters,
    )
    return Arguments(json={**members, "payload": payload}, headers=headers)


@_row("GET", _ONE, SCHEDULE)
def get_schedule(schedule_id: str, headers: Headers | None = None) -> Arguments:
    """Return a schedule."""
    return Arguments(path={"schedule_id": schedule_id}, headers=headers)


@_row("PATCH", _ONE, SCHEDULE, timezone="in which the expression is read.", session_id="the session of all its runs.")
def update_schedule(  # noqa: PLR0913 - what may be said about a schedule
    schedule_id: str,
    *,
    cron_expr: str | None = None,
    component_id: str | None = None,
    message: str | Mapping[str, Any] | Sequence[Any] | None = None,
    name: str | None = None,
    kind: Kind | None = None,
    description: str | None = None,
    timezone: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    session_state: Mapping[str, Any] | None = None,
    dependencies: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    knowledge_filters: Mapping[str, Any] | Sequence[Any] | None = None,
    misfire: Misfire | None = None,
    misfire_grace_s: float | None = None,
    enabled: bool | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Change a schedule: what is left out stays as it is. Of one declared in code only `enabled` may change.

    Raises:
        RemoteServerUnavailableError: the server could not be reached.
        ServerStatusError: the server refused; 409 when it is declared in code, or another one has the new name.
    """
    arguments = create_schedule.arrange(
        cron_expr,
        component_id,
        message,
        name=name,
        kind=kind,
        description=description,
        timezone=timezone,
        session_id=session_id,
        user_id=user_id,
        session_state=session_state,
        dependencies=dependencies,
        metadata=metadata,
        knowledge_filters=knowledge_filters,
        misfire=misfire,
        misfire_grace_s=misfire_grace_s,
        enabled=enabled,
        headers=headers,
    )
    return replace(arguments, path={"schedule_id": schedule_id})


@_row("DELETE", _ONE, NOTHING)
def delete_schedule(schedule_id: str, headers: Headers | None = None) -> Arguments:
    """Remove a schedule; its runs stay. One declared in code is status 409."""
    return Arguments(path={"schedule_id": schedule_id}, headers=headers)


@_row("POST", f"{_ONE}/disable", SCHEDULE)
def pause_schedule(schedule_id: str, headers: Headers | None = None) -> Arguments:
    """Have a schedule start no runs until it is resumed."""
    return Arguments(path={"schedule_id": schedule_id}, headers=headers)


@_row("POST", f"{_ONE}/enable", SCHEDULE)
def resume_schedule(schedule_id: str, headers: Headers | None = None) -> Arguments:
    """Have a schedule start runs again, from its next time on."""
    return Arguments(path={"schedule_id": schedule_id}, headers=headers)


@_row("POST", f"{_ONE}/trigger", STARTED)
def fire_schedule(schedule_id: str, headers: Headers | None = None) -> Arguments:
    """Start a run of a schedule now, paused or not, and return what to find it by; its times stay as they are."""
    return Arguments(path={"schedule_id": schedule_id}, headers=headers)


@_row("GET", f"{_ONE}/runs", RUNS)
def list_schedule_runs(schedule_id: str, limit: int = 100, page: int = 1, headers: Headers | None = None) -> Arguments:
    """Return a page of the runs that a schedule has started, newest first."""
    return Arguments(path={"schedule_id": schedule_id}, query={"limit": limit, "page": page}, headers=headers)
