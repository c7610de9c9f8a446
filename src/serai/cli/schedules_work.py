"""What the commands of ``serai schedules`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

from collections.abc import Sequence

from serai.cli.lists import Columns, print_list
from serai.cli.output import json_line
from serai.cli.pause_view import follow_command
from serai.cli.remote import asked
from serai.cli.tables import printable, shortened, time_text
from serai.wire.schedules import ScheduleResponse

_LONGEST_CELL = 40


def fetch_schedules(url: str, key: str | None) -> list[ScheduleResponse]:
    """Return all schedules."""
    found: list[ScheduleResponse] = []
    with asked(url, key) as client:
        page = client.list_schedules()
        found += page.data
        for number in range(2, page.meta.total_pages + 1):
            found += client.list_schedules(page=number).data
    return found


def show_schedules(schedules: Sequence[ScheduleResponse], *, as_json: bool) -> None:
    """Print schedules as a table, or as JSON."""
    print_list(schedules, _SCHEDULES, as_json=as_json)


def pause_schedule(url: str, key: str | None, name: str, *, as_json: bool) -> None:
    """Pause a schedule and say so."""
    with asked(url, key) as client:
        schedule = client.pause_schedule(name)
    _tell(schedule, "is paused", as_json=as_json)


def resume_schedule(url: str, key: str | None, name: str, *, as_json: bool) -> None:
    """Resume a schedule and say when it starts a run."""
    with asked(url, key) as client:
        schedule = client.resume_schedule(name)
    _tell(schedule, f"starts its next run at {time_text(schedule.next_run_at)} UTC", as_json=as_json)


def fire_schedule(url: str, key: str | None, name: str, *, as_json: bool) -> None:
    """Start a run of a schedule and say how to watch it."""
    with asked(url, key) as client:
        started = client.fire_schedule(name)
        schedule = client.get_schedule(name)
    if as_json:
        print(json_line(started, exclude_none=True))
        return
    print(printable(f"Run {started.run_id} has begun, session {started.session_id}."))
    if started.run_id:
        component = f"{schedule.kind}:{schedule.component_id}"
        print(f"Watch it with: {follow_command(component, started.run_id, url=url)}")


def _tell(schedule: ScheduleResponse, what: str, *, as_json: bool) -> None:
    print(json_line(schedule, exclude_none=True) if as_json else printable(f"Schedule {schedule.name} {what}."))


def _row(schedule: ScheduleResponse) -> Sequence[str]:
    return (
        schedule.name,
        f"{schedule.kind} {schedule.component_id}",
        f"{schedule.cron_expr} {schedule.timezone}",
        time_text(schedule.next_run_at) if schedule.enabled else "paused",
        time_text(schedule.last_run_at),
        shortened(schedule.last_error or "", _LONGEST_CELL),
    )


_SCHEDULES = Columns(
    ("SCHEDULE", "STARTS", "WHEN", "NEXT (UTC)", "LAST (UTC)", "ERROR"), _row, "There are no schedules."
)
