"""``serai retention …``: how long data is kept, and removing what is older. ``retention_work`` has what they do."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="retention",
    help="How long a running server keeps data.\n\n"
    "Exit code: 0 done; 1 it failed; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)


@app.command()
def show(*, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Show how long each kind of data is kept."""
    _work().show_rules(url, key, as_json=as_json)


@app.command()
def apply(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Remove now what is older than the rules keep; the server does so by itself, too."""
    _work().apply_rules(url, key, dry_run=dry_run, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import retention_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return retention_work
