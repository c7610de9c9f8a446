"""``serai users …``: erase what is stored about a person. ``retention_work`` has what it does."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="users",
    help="The users of a running server.\n\n"
    "Exit code: 0 done; 1 it was called off; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    pass


@app.command()
def erase(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Remove all that is stored about a user, for good, after asking."""
    from serai.cli import retention_work as work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    work.erase_user(url, key, user, dry_run=dry_run, ask=not yes, as_json=as_json)
