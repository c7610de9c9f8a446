"""``serai schedules …``: look at schedules, pause, resume and fire them. ``schedules_work`` has what they do."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="schedules",
    help="The schedules of a running server: list, pause, resume, fire.\n\n"
    "Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)

Schedule = Annotated[str, typer.Argument(help="Name or id of the schedule.")]


@app.command("list")
def list_(*, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """List the schedules: what they start and when, and what keeps them from it."""
    work = _work()
    work.show_schedules(work.fetch_schedules(url, key), as_json=as_json)


@app.command()
def pause(schedule: Schedule, *, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Have a schedule start no runs until it is resumed, also over restarts."""
    _work().pause_schedule(url, key, schedule, as_json=as_json)


@app.command()
def resume(schedule: Schedule, *, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Have a schedule start runs again, from its next time on."""
    _work().resume_schedule(url, key, schedule, as_json=as_json)


@app.command()
def fire(schedule: Schedule, *, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Start a run of a schedule now, paused or not; its times stay as they are."""
    _work().fire_schedule(url, key, schedule, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import schedules_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return schedules_work
