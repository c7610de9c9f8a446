"""``serai metrics``: what has happened on each day, as a table or as JSON, and counting it anew."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, EXIT_MISUSED, AsJson, Key, Url, fail


class Action(StrEnum):
    """What may be done with metrics beside looking at them."""

    refresh = "refresh"


def metrics(
    action: Annotated[
        Action | None, typer.Argument(help="Count what is stored anew and list the days that were.", show_default=False)
    ] = None,
    *,
    starting: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in UTC.", show_default="the very first"),
    ] = None,
    ending: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, in UTC.", show_default="today")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only what this user has caused.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List what has happened on each day: sessions, runs, users, tokens, models.

    Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused.
    """
    from serai.cli import metrics_work as work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    if action is None:
        work.list_days(url, key, starting, ending, user, as_json=as_json)
    elif starting or ending or user:
        fail(EXIT_MISUSED, "--from, --to and --user say what to list; refresh counts all days.")
    else:
        work.refresh_days(url, key, as_json=as_json)
