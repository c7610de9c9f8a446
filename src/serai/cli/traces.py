"""``serai traces …``: what runs did, when, and what it cost. ``traces_work`` has what the commands do."""

from __future__ import annotations

from enum import StrEnum
from types import ModuleType
from typing import Annotated

import typer

from serai.cli.lists import DEFAULT_LIMIT, PageNumber, Part, User, Whole
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="traces",
    help="The traces of runs on a running server: what they did, when, how long it took, what it cost.\n\n"
    "Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused; 130 stopped by Ctrl-C.",
    no_args_is_help=True,
)


class Status(StrEnum):
    """The values of ``--status``."""

    ok = "ok"
    error = "error"
    unset = "unset"


Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="The most to list.")]
Run = Annotated[str | None, typer.Option(help="Only that of this run.", show_default=False)]
Session = Annotated[str | None, typer.Option(help="Only of this session.", show_default=False)]
Agent = Annotated[str | None, typer.Option(help="Only of this agent.", show_default=False)]
Team = Annotated[str | None, typer.Option(help="Only of this team.", show_default=False)]
Workflow = Annotated[str | None, typer.Option(help="Only of this workflow.", show_default=False)]
Since = Annotated[
    str | None,
    typer.Option(
        "--from", help="Only those that began then or later, such as 2026-11-20T23:00:00Z.", show_default=False
    ),
]
Until = Annotated[str | None, typer.Option("--until", help="Only those that ended then or before.", show_default=False)]


@app.command("list")
def list_(  # noqa: PLR0913 - its flags
    *,
    run: Run = None,
    session: Session = None,
    user: User = None,
    agent: Agent = None,
    team: Team = None,
    workflow: Workflow = None,
    status: Annotated[
        Status | None, typer.Option(help="Only with this status; cancelled ones are unset.", show_default=False)
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each that ends, until Ctrl-C; oldest first.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List traces, latest first."""
    filters = {
        "run_id": run,
        "session_id": session,
        "user_id": user,
        "agent_id": agent,
        "team_id": team,
        "workflow_id": workflow,
        "status": status and status.value.upper(),
        "start_time": since,
        "end_time": until,
    }
    _work().list_traces(url, key, Part(limit, page, whole), filters, follow=follow, as_json=as_json)


@app.command()
def show(
    trace: Annotated[
        str | None,
        typer.Argument(help="Id of the trace or its beginning, or id of a run.", show_default="the latest trace"),
    ] = None,
    *,
    span: Annotated[
        str | None, typer.Option(help="Only this span of it, with all that it was given.", show_default=False)
    ] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Also show what each span was given and answered.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Draw it anew as it grows, until it has ended.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Draw a trace as a tree: each span with a bar for when it was, how long it took, its tokens and its cost.

    Tokens are those that went in and those that came out. Green is well, red failed, blue goes on.
    """
    _work().show_trace(url, key, trace, span_id=span, follow=follow, texts=texts, as_json=as_json)


@app.command()
def stats(  # noqa: PLR0913 - its flags
    *,
    user: User = None,
    agent: Agent = None,
    team: Team = None,
    workflow: Workflow = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List sessions with how many traces each has, latest first."""
    filters = {
        "user_id": user,
        "agent_id": agent,
        "team_id": team,
        "workflow_id": workflow,
        "start_time": since,
        "end_time": until,
    }
    _work().show_stats(url, key, Part(limit, page, whole), filters, as_json=as_json)


@app.command()
def search(  # noqa: PLR0913 - its flags
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            help="What must hold, all of it: status=ERROR 'duration_ms>1000' name~research.", show_default=False
        ),
    ] = None,
    *,
    filter: Annotated[  # noqa: A002 - the protocol's word
        str | None,
        typer.Option(
            help='What must hold, as JSON: {"op": "NOT", "condition": {"op": "EQ", "key": "status", "value": "OK"}}.',
            show_default=False,
        ),
    ] = None,
    by_session: Annotated[bool, typer.Option("--by-session", help="List their sessions instead.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the traces that conditions keep, latest first.

    A condition is KEY OP VALUE without blanks. OP is one of = != > >= < <=, ~ for texts that hold the value and ^= for
    those that begin with it; after = several values may stand, with commas between. Keys are trace_id, name, status,
    start_time, end_time, duration_ms, run_id, session_id, user_id, agent_id, team_id, workflow_id and created_at.
    """
    part = Part(limit, page, whole)
    _work().search_traces(url, key, part, conditions or (), filter, by_session=by_session, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import traces_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return traces_work
