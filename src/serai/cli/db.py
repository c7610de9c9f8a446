"""``serai db …``: look at the database, migrate, back up, restore, upgrade. ``db_work`` has what they do."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

app = typer.Typer(name="db", help="The database: status, migrations, backups, upgrades.", no_args_is_help=True)

# Without `envvar`: a folder named on the command line must win over a URL from the environment.
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of Serai's own PostgreSQL. Also SERAI_DATA_DIR.", show_default=False),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", help="A PostgreSQL of yours instead. Also SERAI_DATABASE_URL.", show_default=False),
]


@app.command()
def url(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print the database's URL, as psql takes it: psql "$(serai db url)". Starts nothing."""
    _work().show_url(data_dir, database_url)


@app.command()
def status(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Show where the database is, its version and size, who uses it, and which migrations it has."""
    _work().show_status(data_dir, database_url)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to this release's schema. Servers do the same when they start."""
    _work().apply_migrations(data_dir, database_url)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write, in pg_dump's custom format.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the whole database to a file. Servers may go on working."""
    _work().write_backup(file, data_dir, database_url)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `serai db backup` wrote.")],
    clean: Annotated[bool, typer.Option("--clean", help="First drop everything that the database holds.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Fill an empty database from a backup: all of it, or nothing changes. Stop the servers first."""
    _work().restore_backup(file, data_dir, database_url, replace=clean)


@app.command()
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Move Serai's own PostgreSQL to the newest version that Serai brings. The old data is kept."""
    _work().upgrade_postgres(data_dir, database_url)


def _work() -> ModuleType:
    from serai.cli import db_work  # noqa: PLC0415 - asyncpg and the settings take 100 ms

    return db_work
