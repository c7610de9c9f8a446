"""What the commands of ``serai db`` do. Errors of ours go up to ``serai.cli.main``, which tells them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from serai.cli.flags import read_settings
from serai.cli.tables import size_text
from serai.errors import ConfigurationError
from serai.settings import Settings
from serai.storage.backup import back_up, restore
from serai.storage.client_programs import split_password
from serai.storage.database_facts import DatabaseFacts, read_facts
from serai.storage.embedded import EmbeddedPostgres, ServerState, default_data_dir, inspect
from serai.storage.migrate import MigrationStatus, Vector, migrate, migration_status
from serai.storage.upgrade import upgrade

_VECTOR: dict[Vector, str] = {
    "installed": "installed",
    "available": "on the server, not yet in the database: `serai db migrate` creates it where its role may",
    "missing": "not on this server: vector search answers an error, keyword search works",
}


def show_url(data_dir: Path | None, database_url: str | None) -> None:
    """Print the URL; a note on standard error when nothing runs there."""
    settings = _settings(data_dir, database_url)
    if settings.database_url is not None:
        print(settings.database_url.get_secret_value())
        return
    state = _existing(settings)
    if not state.is_running:
        _tell("PostgreSQL is not running in this folder; it runs while a Serai server does.")
    print(state.url)


def show_status(data_dir: Path | None, database_url: str | None) -> None:
    """Print the facts, starting Serai's own PostgreSQL for the moment when it does not run."""
    settings = _settings(data_dir, database_url)
    if settings.database_url is not None:
        print("PostgreSQL   your own (SERAI_DATABASE_URL)")
    else:
        state = inspect(_folder(settings), report=_tell)
        print(f"PostgreSQL   Serai's own, in {_folder(settings)}: {_state_text(state)}")
        if not state.is_initialised:
            return
    with _database(settings) as dsn:
        _print_status(dsn, asyncio.run(migration_status(dsn)), asyncio.run(read_facts(dsn)))


def apply_migrations(data_dir: Path | None, database_url: str | None) -> None:
    """Apply what is missing and name it."""
    with _database(_settings(data_dir, database_url)) as dsn:
        _print_applied(asyncio.run(migrate(dsn)))


def write_backup(file: Path, data_dir: Path | None, database_url: str | None) -> None:
    """Write a backup and print its size."""
    settings = _settings(data_dir, database_url)
    if settings.database_url is None:
        _existing(settings)
    with _database(settings) as dsn:
        size_bytes = asyncio.run(back_up(dsn, file))
    print(f"Wrote {file} ({size_text(size_bytes)}).")


def restore_backup(file: Path, data_dir: Path | None, database_url: str | None, *, replace: bool) -> None:
    """Restore a backup and bring it to this release's schema."""
    with _database(_settings(data_dir, database_url)) as dsn:
        asyncio.run(restore(dsn, file, replace=replace))
        print(f"Restored {file}.")
        _print_applied(asyncio.run(migrate(dsn)))


def upgrade_postgres(data_dir: Path | None, database_url: str | None) -> None:
    """Upgrade Serai's own PostgreSQL, printing each step.

    Raises:
        ConfigurationError: the database is not Serai's own, or the upgrade failed.
    """
    settings = _settings(data_dir, database_url)
    if settings.database_url is not None:
        raise ConfigurationError(
            "`serai db upgrade` is for the PostgreSQL that Serai brings along. The one in SERAI_DATABASE_URL is "
            "yours: upgrade it as its maker says."
        )
    done = upgrade(_folder(settings), report=print)
    if done.kept is None:
        print(f"Nothing to do: {_folder(settings)} is of PostgreSQL {done.new_major} already.")
    else:
        print(f"Upgraded from PostgreSQL {done.old_major} to {done.new_major}. When all is well, delete {done.kept}.")


def _settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Read the settings; a folder named on the command line wins over a URL from the environment."""
    settings = read_settings()
    if database_url is not None:
        return settings.model_copy(update={"database_url": SecretStr(database_url)})
    if data_dir is not None:
        return settings.model_copy(update={"data_dir": data_dir, "database_url": None})
    return settings


def _folder(settings: Settings) -> Path:
    return settings.data_dir or default_data_dir()


def _existing(settings: Settings) -> ServerState:
    state = inspect(_folder(settings), report=_tell)
    if not state.is_initialised:
        raise ConfigurationError(f"There is no database in {_folder(settings)} yet; `serai serve` creates it.")
    return state


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Yield a URL that can be connected to; Serai's own PostgreSQL runs at least as long as the block."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    embedded = EmbeddedPostgres(_folder(settings), report=_tell)
    dsn = embedded.start()
    try:
        yield dsn
    finally:
        embedded.stop()


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _print_status(dsn: str, migrations: MigrationStatus, facts: DatabaseFacts) -> None:
    sessions = ", ".join(f"{program} {count}" for program, count in facts.sessions.items())
    print(f"URL          {split_password(dsn)[0]}")
    print(f"Version      {migrations.server_version}")
    print(f"Size         {size_text(facts.size_bytes)}")
    print(f"Sessions     {sessions or 'none'}")
    print(f"Migrations   {len(migrations.applied)} applied, {len(migrations.pending)} pending")
    for name in migrations.pending:
        print(f"             pending: {name}")
    print(f"vector       {_VECTOR[migrations.vector]}")


def _state_text(state: ServerState) -> str:
    if not state.is_initialised:
        return "no database yet; `serai serve` creates it"
    if not state.is_running:
        return "not running (started for this look)"
    return "running, in use" if state.is_used else "running, not in use; the next server adopts and stops it"


def _print_applied(names: list[str]) -> None:
    print("\n".join(f"applied {name}" for name in names) or "The database has every migration of this release.")
