"""``serai knowledge …``: what agents can look up. ``knowledge_upload`` and ``knowledge_work`` have what they do."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from serai.cli.lists import DEFAULT_LIMIT, Limit, PageNumber, Part, Whole
from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="knowledge",
    help="The knowledge bases of a running server: add documents, list, search, remove them.\n\n"
    "Exit code: 0 done; 1 a document failed; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)

Base = Annotated[
    str | None, typer.Option("--base", help="Knowledge base, where the server has several.", show_default=False)
]
Content = Annotated[str, typer.Argument(help="Id of the content.")]


@app.command()
def add(  # noqa: PLR0913 - its flags
    sources: Annotated[list[str], typer.Argument(help="Files, folders, URLs; - is standard input.")],
    *,
    base: Base = None,
    name: Annotated[
        str | None, typer.Option(help="What it is called, if it is one.", show_default="name of the file")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What is in it.", show_default=False)] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(help="key=text, or key:=JSON; a search can filter by it. May be repeated.", show_default=False),
    ] = None,
    reader: Annotated[str | None, typer.Option(help="What reads it.", show_default="by its type")] = None,
    chunker: Annotated[str | None, typer.Option(help="How it is cut.", show_default="as its reader says")] = None,
    chunk_size: Annotated[
        int | None, typer.Option(min=1, help="The most characters of a chunk.", show_default="as the base has it")
    ] = None,
    chunk_overlap: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many of these the next chunk begins with again.", show_default="as the base has it"
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of what is called the same; fetch a URL again.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it can be found, or has failed.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Add documents. Of folders all files are taken whose types the server can read.

    Hidden ones are left out, and what links lead to outside of the folder.
    """
    from serai.cli import knowledge_upload  # noqa: PLC0415 - pydantic and httpx take 150 ms

    options = {
        "description": description,
        "metadata": _work().read_pairs("--metadata", metadata),
        "reader_id": reader,
        "chunker": chunker,
        "chunk_size": chunk_size,
        "chunk_overlap": chunk_overlap,
        "knowledge_id": base,
        "replace": replace,
    }
    knowledge_upload.add(url, key, knowledge_upload.Wanted(sources, name, options), waits=wait, as_json=as_json)


@app.command("list")
def list_(
    *,
    base: Base = None,
    limit: Limit = DEFAULT_LIMIT,
    page: PageNumber = 1,
    whole: Whole = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List contents, latest first: what they are, and where they stand."""
    _work().list_contents(url, key, Part(limit, page, whole), base, as_json=as_json)


@app.command()
def search(  # noqa: PLR0913 - its flags
    query: Annotated[str, typer.Argument(help='Words or a question; "a phrase", -without.')],
    *,
    base: Base = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most to find.")] = 5,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", help="key=text, or key:=JSON, that the metadata must have. May be repeated.", show_default=False
        ),
    ] = None,
    search_type: Annotated[
        str | None, typer.Option("--type", help="keyword, vector or hybrid.", show_default="as the base has it")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print the whole text of what is found.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Search contents as agents do, best first."""
    work = _work()
    question = {
        "query": query,
        "filters": work.read_pairs("--filter", filters),
        "search_type": search_type,
        "max_results": limit,
        "limit": limit,
        "knowledge_id": base,
    }
    work.search(url, key, question, full=full, as_json=as_json)


@app.command()
def status(
    content: Content,
    *,
    base: Base = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it can be found, or has failed.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a content: what it is, and where it stands; after --wait exit code 1 says that it has failed."""
    _work().show_content(url, key, content, base, waits=wait, as_json=as_json)


@app.command()
def rm(
    contents: Annotated[list[str] | None, typer.Argument(help="Ids of the contents.", show_default=False)] = None,
    *,
    base: Base = None,
    whole: Annotated[bool, typer.Option("--all", help="Remove all contents of the base, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Remove contents: they are no more found."""
    work = _work()
    if whole:
        work.remove_all(url, key, base, contents, ask=not yes)
    else:
        work.remove_contents(url, key, contents or [], base)


@app.command()
def config(*, base: Base = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Show what the server can read, how it cuts that, and how it is searched."""
    _work().show_config(url, key, base, as_json=as_json)


def _work() -> ModuleType:
    from serai.cli import knowledge_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return knowledge_work
