"""Brings a database to the schema of this release: numbered SQL files, forward only, recorded with checksums."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import asyncpg

from serai.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_MAJOR = 16
_NO_TRANSACTION = "-- serai: no transaction"
_LOCK_KEY = 0x5E2A1
_LOCK_PAUSE_S = 0.05
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_READ_LEDGER = "select name, checksum from schema_migrations order by name"
_HAS_LEDGER = "select to_regclass('schema_migrations') is not null"
_CREATE_LEDGER = """
create table if not exists schema_migrations (
    name text collate "C" primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
)
"""
_RECORD = "insert into schema_migrations (name, checksum) values ($1, $2)"
_READ_VECTOR = """
select (select installed_version from pg_available_extensions where name = 'vector') as installed,
       exists (select from pg_available_extensions where name = 'vector') as available
"""

Vector: TypeAlias = Literal["installed", "available", "missing"]


@dataclass(frozen=True)
class Migration:
    """One SQL file.

    Attributes:
        name: the file's name without ``.sql``; migrations run in the order of their names.
        sql: its text.
        checksum: of the text, the same whatever the line ends.
    """

    name: str
    sql: str
    checksum: str

    @property
    def is_transactional(self) -> bool:
        """False when the first line is ``-- serai: no transaction``: one statement that can be repeated."""
        return not self.sql.startswith(_NO_TRANSACTION)


@dataclass(frozen=True)
class MigrationStatus:
    """What a database holds, against what this release brings.

    Attributes:
        server_version: PostgreSQL's version, for example ``18.4``.
        applied: names of the migrations in the ledger, in order.
        pending: names that this release would apply.
        vector: whether the extension ``vector`` is in the database, could be, or is not on the server.
    """

    server_version: str
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    vector: Vector


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Read the migrations of a folder in the order they run in."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        sql = path.read_text(encoding="utf-8")
        found.append(Migration(path.stem, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return found


async def migrate(dsn: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing. Safe when many processes call it at once: one applies, the others wait for it.

    Each file runs in a transaction with its ledger row, so a crash leaves a file applied or not. A file that begins
    with ``-- serai: no transaction`` (for ``create index concurrently``) holds one statement that can be repeated.
    The extension ``vector`` is created where the server has it and lets us.

    Args:
        dsn: a ``postgresql://`` URL.
        folder: where the files lie.

    Returns:
        The names newly applied by this call, in order.

    Raises:
        ConfigurationError: the server is unreachable, refuses us or is older than PostgreSQL 16; an applied file has
            changed since; the database was written by a newer Serai; or a file fails (quotes PostgreSQL's words).

    Cost when nothing is pending: one connection and one query.
    """
    migrations = read_migrations(folder)
    async with connected(dsn) as connection:
        if not _pending(migrations, await _read_ledger(connection)):
            return []
        async with _locked(connection):
            await connection.execute(_CREATE_LEDGER)
            await _create_vector(connection)
            pending = _pending(migrations, await _read_ledger(connection))
            for migration in pending:
                await _apply(connection, migration)
            return [migration.name for migration in pending]


async def migration_status(dsn: str, *, folder: Path = MIGRATIONS) -> MigrationStatus:
    """Read what is applied and pending; changes nothing.

    Raises:
        ConfigurationError: as ``migrate`` raises it.
    """
    async with connected(dsn) as connection:
        ledger = await _read_ledger(connection)
        version = connection.get_server_version()
        return MigrationStatus(
            server_version=f"{version.major}.{version.micro}",
            applied=tuple(ledger),
            pending=tuple(migration.name for migration in _pending(read_migrations(folder), ledger)),
            vector=await _read_vector(connection),
        )


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[_Connection]:
    """Connect for one administrative act, to a server that is checked to be new enough.

    Raises:
        ConfigurationError: unreachable, refused or too old; one paragraph that says what to change.
    """
    connection = await _connect(dsn)
    try:
        version = connection.get_server_version()
        if version.major < OLDEST_MAJOR:
            raise ConfigurationError(
                f"The PostgreSQL behind SERAI_DATABASE_URL is version {version.major}.{version.micro}; Serai needs "
                f"{OLDEST_MAJOR} or newer. Upgrade it, or unset SERAI_DATABASE_URL to run on the one that Serai brings."
            )
        yield connection
    finally:
        await connection.close(timeout=10)


async def _connect(dsn: str) -> _Connection:
    try:
        return await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "serai migrate"})
    except (OSError, TimeoutError) as error:
        raise ConfigurationError(
            f"PostgreSQL cannot be reached: {str(error) or 'no answer within 10 seconds'}. Check that it runs and that "
            "SERAI_DATABASE_URL names its host and port, or unset it to run on the PostgreSQL that Serai brings."
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise ConfigurationError(
            f"PostgreSQL refuses the connection: {error}. Check the user, password and database in SERAI_DATABASE_URL."
        ) from error


@asynccontextmanager
async def _locked(connection: _Connection) -> AsyncIterator[None]:
    # Polled, never waited for: a waiting statement holds a snapshot, and `create index concurrently` waits for that.
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK_KEY):  # noqa: ASYNC110
        await asyncio.sleep(_LOCK_PAUSE_S)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK_KEY)


async def _read_ledger(connection: _Connection) -> dict[str, str]:
    if not await connection.fetchval(_HAS_LEDGER):
        return {}
    return {row["name"]: row["checksum"] for row in await connection.fetch(_READ_LEDGER)}


def _pending(migrations: list[Migration], ledger: dict[str, str]) -> list[Migration]:
    known = {migration.name: migration for migration in migrations}
    unknown = [name for name in ledger if name not in known]
    if unknown:
        raise ConfigurationError(
            f"The database holds the migration {unknown[-1]}, which this Serai does not know: a newer release wrote "
            "it. Install that release, or restore a backup made by this one."
        )
    for name, checksum in ledger.items():
        if known[name].checksum != checksum:
            raise ConfigurationError(
                f"The migration {name} was changed after it had been applied to this database (checksum "
                f"{known[name].checksum[:12]}, applied {checksum[:12]}). Install an unmodified release of Serai."
            )
    return [migration for migration in migrations if migration.name not in ledger]


async def _apply(connection: _Connection, migration: Migration) -> None:
    try:
        if migration.is_transactional:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(_RECORD, migration.name, migration.checksum)
        else:
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        raise ConfigurationError(
            f"The migration {migration.name} failed and nothing of it was kept: {error}. "
            "Earlier migrations stay applied; the next start tries this one again."
        ) from error


async def _create_vector(connection: _Connection) -> None:
    if await _read_vector(connection) != "available":
        return
    try:
        await connection.execute("create extension if not exists vector")
    except asyncpg.InsufficientPrivilegeError:
        return


async def _read_vector(connection: _Connection) -> Vector:
    row = await connection.fetchrow(_READ_VECTOR)
    assert row is not None
    if row["installed"] is not None:
        return "installed"
    return "available" if row["available"] else "missing"
