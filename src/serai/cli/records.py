"""``serai records …``: look at collections, export, delete. ``records_work`` has what they do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from serai.cli.remote import DEFAULT_URL, AsJson, Key, Url

app = typer.Typer(
    name="records",
    help="The records of a running server: collections, indexes, exports, deletes.\n\n"
    "Without a key LLAMA_CLOUD_API_KEY is sent, as by the clients.\n\n"
    "Exit code: 0 done; 1 it failed here; 2 an argument is wrong; 3 no server answers; 4 the server refused.",
    no_args_is_help=True,
)


class ExportFormat(StrEnum):
    """The forms of ``--format``."""

    ndjson = "ndjson"
    csv = "csv"


Project = Annotated[
    str | None,
    typer.Option(
        help="Project; the server's default one without it.", envvar="LLAMA_DEPLOY_PROJECT_ID", show_default=False
    ),
]
AnyDeployment = Annotated[
    str | None, typer.Option("--deployment", help="One deployment only; all without it.", show_default=False)
]
Deployment = Annotated[str, typer.Option("--deployment", help="Deployment.", envvar="LLAMA_DEPLOY_DEPLOYMENT_NAME")]
Collection = Annotated[str, typer.Argument(help="Name of the collection.")]
FilterText = Annotated[
    str | None,
    typer.Option("--filter", help='Which records, as JSON: {"age": {"gte": 21}}; all without it.', show_default=False),
]


@app.command()
def collections(
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    project: Project = None,
    deployment: AnyDeployment = None,
    fields: Annotated[bool, typer.Option("--fields", help="Also list all fields, each with its types.")] = False,
    as_json: AsJson = False,
) -> None:
    """List collections: how many records, how large, which fields and how many indexes."""
    work = _work()
    found = work.fetch_collections(work.Server(url, key, project), deployment)
    work.show_collections(found, fields=fields, as_json=as_json)


@app.command()
def indexes(
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    project: Project = None,
    deployment: AnyDeployment = None,
    as_json: AsJson = False,
) -> None:
    """List the indexes of collections: what each is for, its state and size, and how much it is used."""
    work = _work()
    work.show_indexes(work.fetch_collections(work.Server(url, key, project), deployment), as_json=as_json)


@app.command()
def export(  # noqa: PLR0913 - its flags
    collection: Collection,
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    project: Project = None,
    deployment: Deployment = "_public",
    filter: FilterText = None,  # noqa: A002 - the protocol's word
    order_by: Annotated[
        str | None,
        typer.Option(help="Paths with asc or desc: data.name desc, created_at.", show_default="newest first"),
    ] = None,
    format: Annotated[  # noqa: A002 - the protocol's word
        ExportFormat, typer.Option(help="A JSON object a line, or a table with a line of names.")
    ] = ExportFormat.ndjson,
    field: Annotated[
        list[str] | None,
        typer.Option(help="Path of a column of the table; may be repeated.", show_default="all members"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File to write; it is there when it is whole.", show_default="standard output"
        ),
    ] = None,
) -> None:
    """Write the records of a collection, all as of one moment, to a file or to standard output."""
    work = _work()
    question = work.Export(filter, order_by, format.value, field or None)
    work.export_records(work.Server(url, key, project), deployment, collection, question, output)


@app.command()
def delete(
    collection: Collection,
    *,
    filter: Annotated[  # noqa: A002 - the protocol's word
        str, typer.Option(help='Which records, as JSON: {"age": {"gte": 21}}; {} is the whole collection.')
    ],
    url: Url = DEFAULT_URL,
    key: Key = None,
    project: Project = None,
    deployment: Deployment = "_public",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the records of a collection that match, all or none, after asking."""
    work = _work()
    work.delete_records(work.Server(url, key, project), deployment, collection, filter, ask=not yes)


def _work() -> ModuleType:
    from serai.cli import records_work  # noqa: PLC0415 - pydantic and httpx take 150 ms

    return records_work
