"""``serai memories …``: what is remembered about users. ``memories_work`` has what the commands do."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from serai.cli.lists import DEFAULT_LIMIT, Limit, Owner, OwnerOfEach, PageNumber, Part, User, Whole
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="memories",
    help="What a running server remembers about users: list, show, add, update, remove; what came by itself.\n\n"
    "Exit code: 0 done; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)

Memory = Annotated[str, typer.Argument(help="Id of the memory.")]
Text = Annotated[str, typer.Argument(help="What is to be remembered.")]


@app.command("list")
def list_(  # noqa: PLR0913 - its flags
    *,
    user: User = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Only about this; may be repeated, then about all of them.", show_default=False),
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only with this in their text.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.", show_default=False)] = None,
    team: Annotated[str | None, typer.Option(help="Only of this team.", show_default=False)] = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List memories, last changed first."""
    filters = {"user_id": user, "topics": topic, "search_content": search, "agent_id": agent, "team_id": team}
    _work().list_memories(url, key, Part(limit, page, whole), filters, as_json=as_json)


@app.command()
def show(
    memory: Memory, *, user: Owner = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Show a memory: its whole text, and where it came from."""
    _work().show_memory(url, key, memory, user, as_json=as_json)


@app.command()
def add(
    text: Text,
    *,
    user: Annotated[str, typer.Option("--user", help="Whom it is about.")],
    topic: Annotated[list[str] | None, typer.Option(help="Topic; may be repeated.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Store a memory about a user."""
    _work().add_memory(url, key, text, user, topic, as_json=as_json)


@app.command()
def update(
    memory: Memory,
    text: Text,
    *,
    user: Owner = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="Topic; may be repeated.", show_default="those it has")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Replace the text of a memory, and its topics if they are given."""
    _work().update_memory(url, key, memory, text, user, topic, as_json=as_json)


@app.command()
def rm(
    memories: Annotated[list[str], typer.Argument(help="Ids of the memories.")],
    *,
    user: OwnerOfEach = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Remove memories; ids that nobody knows are passed over."""
    _work().remove_memories(url, key, memories, user)


@app.command()
def topics(*, user: User = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """List what memories are about, a topic a line."""
    _work().list_topics(url, key, user, as_json=as_json)


@app.command()
def stats(
    *,
    user: User = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List users with how much is remembered about each, last changed first."""
    _work().list_stats(url, key, Part(limit, page, whole), user, as_json=as_json)


@app.command()
def optimize(
    *,
    user: Annotated[str, typer.Option("--user", help="Whose memories.")],
    model: Annotated[
        str | None, typer.Option(help="Model, as provider:id.", show_default="the server's own choice")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would come of it.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Have a model condense all memories about a user into fewer."""
    _work().optimize_memories(url, key, user, model, preview=preview, as_json=as_json)


@app.command()
def changes(  # noqa: PLR0913 - its flags
    *,
    user: User = None,
    memory: Annotated[str | None, typer.Option(help="Only of this memory.", show_default=False)] = None,
    run: Annotated[str | None, typer.Option(help="Only what this run gave rise to.", show_default=False)] = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the changes that nobody made by hand, latest first."""
    filters = {"user_id": user, "memory_id": memory, "run_id": run}
    _work().list_changes(url, key, Part(limit, page, whole), filters, as_json=as_json)


@app.command()
def undo(
    change: Annotated[str, typer.Argument(help="Id of the change, as `changes` shows it.")],
    *,
    user: Owner = None,
    together: Annotated[
        bool, typer.Option("--together", help="Also undo the changes that were made together with it.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Put a memory back as it was before a change."""
    _work().undo_change(url, key, change, user, together=together, as_json=as_json)


@app.command()
def audit(*, user: User = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Tell what is noticeable about memories: how many came by themselves, which say the same."""
    _work().audit_memories(url, key, user, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import memories_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return memories_work
