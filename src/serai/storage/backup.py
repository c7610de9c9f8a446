"""Backups of a whole database in pg_dump's custom format, and their way back. Works for any PostgreSQL we can reach."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import asyncpg

from serai.errors import ConfigurationError
from serai.storage.client_programs import ClientPrograms, find_client_programs
from serai.storage.migrate import connected
from serai.storage.postgres_binaries import last_lines

_CHUNK_BYTES = 1024 * 1024
_COUNT_RELATIONS = """
select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
"""
_COUNT_SESSIONS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
_DROP_EVERYTHING = """
set client_min_messages = warning;
do $$
declare name text;
begin
    for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        execute format('drop schema %I cascade', name);
    end loop;
    create schema public;
end $$
"""


async def back_up(dsn: str, file: Path) -> int:
    """Write a consistent copy of the database to a file while servers go on working.

    Args:
        dsn: the database.
        file: where to; appears only when complete. Readable by its owner alone.

    Returns:
        The file's size in bytes.

    Raises:
        ConfigurationError: the database cannot be reached, no fitting pg_dump is there, it failed, or the file
            cannot be written.
    """
    async with connected(dsn) as connection:
        programs = find_client_programs(dsn, connection.get_server_version().major)
    return await asyncio.to_thread(_dump, programs, file)


async def restore(dsn: str, file: Path, *, replace: bool = False) -> None:
    """Fill a database from a backup, in one transaction: all of it, or nothing changes.

    Args:
        dsn: the database; must be empty, and used by nobody else.
        file: what ``back_up`` wrote.
        replace: drop everything that the database holds, in the same transaction.

    Raises:
        ConfigurationError: the file is missing or no backup, the database is not empty or in use, the backup was made
            by a newer PostgreSQL, or PostgreSQL refused a part (quotes its words).
    """
    async with connected(dsn) as connection:
        await _check_target(connection, replace=replace)
        programs = find_client_programs(dsn, connection.get_server_version().major)
    await asyncio.to_thread(_load, programs, file, replace=replace)


async def _check_target(connection: asyncpg.Connection[asyncpg.Record], *, replace: bool) -> None:
    sessions = await connection.fetchval(_COUNT_SESSIONS)
    if sessions:
        raise ConfigurationError(
            f"{sessions} other sessions use the database. Stop every Serai server on it (and psql), then restore again."
        )
    if not replace and await connection.fetchval(_COUNT_RELATIONS):
        raise ConfigurationError(
            "The database is not empty. Restore into an empty one, or pass --clean to drop everything that it holds."
        )


def _dump(programs: ClientPrograms, file: Path) -> int:
    target = file.expanduser().absolute()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ConfigurationError(f"The backup cannot be written to {target}: {error.strerror}.") from error
    unfinished = Path(name)
    try:
        os.close(descriptor)
        # Not through its standard output: there pg_dump appends a second table of contents and fills in no offsets.
        options = [
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={unfinished}",
            f"--dbname={programs.url}",
        ]
        dumped = subprocess.run(  # noqa: S603
            [programs.tool("pg_dump"), *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=programs.environment,
            check=False,
        )
        _check("pg_dump", dumped.returncode, dumped.stderr.decode("utf-8", "replace"))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def _load(programs: ClientPrograms, file: Path, *, replace: bool) -> None:
    source = file.expanduser().absolute()
    if not source.is_file():
        raise ConfigurationError(f"There is no backup {source}.")
    read_command = [programs.tool("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(source)]
    apply_command = [
        programs.tool("psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--dbname={programs.url}",
    ]
    with tempfile.TemporaryFile() as read_said, tempfile.TemporaryFile() as apply_said:
        with (
            subprocess.Popen(  # noqa: S603
                read_command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=read_said
            ) as read,
            subprocess.Popen(  # noqa: S603
                apply_command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=apply_said,
                env=programs.environment,
            ) as apply,
        ):
            assert read.stdout is not None
            assert apply.stdin is not None
            _pump(read, read.stdout, apply.stdin, before=_DROP_EVERYTHING if replace else "")
        # A torn file may leave half a line for psql, which then fails as well; whom we killed has failed at nothing.
        _check("pg_restore", max(read.returncode, 0), _text(read_said))
        _check("psql", apply.returncode, _text(apply_said))
        _check("pg_restore", read.returncode, _text(read_said))


def _pump(read: subprocess.Popen[bytes], script: IO[bytes], target: IO[bytes], *, before: str) -> None:
    """Hand the script on; commit only when pg_restore has read the whole file, else the end of input rolls back."""
    try:
        target.write(f"begin;\n{before};\n".encode())
        shutil.copyfileobj(script, target, _CHUNK_BYTES)
        if read.wait() == 0:
            target.write(b"\ncommit;\n")
        target.close()
    except BrokenPipeError:
        read.kill()
        with suppress(BrokenPipeError):
            target.close()


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")


def _check(program: str, exit_code: int, said: str) -> None:
    if exit_code != 0:
        raise ConfigurationError(
            f"{program} failed with exit code {exit_code}; the database and the file are as they were. It said: "
            f"{last_lines(said)}"
        )
