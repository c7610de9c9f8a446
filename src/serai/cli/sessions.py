"""``serai sessions …``: list sessions, show, rename and remove them. ``sessions_work`` has what they do."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from serai.cli.lists import DEFAULT_LIMIT, Limit, Owner, OwnerOfEach, PageNumber, Part, User, Whole
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url
from serai.wire.choices import SessionType

app = typer.Typer(
    name="sessions",
    help="The sessions of a running server: list, show, rename, remove.\n\n"
    "Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)

Session = Annotated[str, typer.Argument(help="Id of the session.")]


@app.command("list")
def list_(  # noqa: PLR0913 - its flags
    *,
    user: User = None,
    kind: Annotated[
        SessionType | None, typer.Option("--type", help="Only with components of this kind.", show_default=False)
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="Only with this agent, team or workflow.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only with this in their name.", show_default=False)] = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List sessions, latest first: with what, whose, how many tokens."""
    filters = {"user_id": user, "session_type": kind, "component_id": component, "session_name": name}
    _work().list_sessions(url, key, Part(limit, page, whole), filters, as_json=as_json)


@app.command()
def show(
    session: Session, *, user: Owner = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Show a session, and its runs in short; as JSON the session comes first, then a line for each run."""
    _work().show_session(url, key, session, user, as_json=as_json)


@app.command()
def rename(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is called from now on.")],
    *,
    user: Owner = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Give a session another name."""
    _work().rename_session(url, key, session, name, user, as_json=as_json)


@app.command()
def rm(
    sessions: Annotated[list[str], typer.Argument(help="Ids of the sessions.")],
    *,
    user: OwnerOfEach = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Remove sessions and their runs; ids that nobody knows are passed over."""
    _work().remove_sessions(url, key, sessions, user)


def _work() -> ModuleType:
    from serai.cli import sessions_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return sessions_work
