"""The programs that read and write backups: which build fits a server, and how they get the password."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from serai.errors import ConfigurationError
from serai.storage.postgres_binaries import BUNDLED_MAJORS, clean_environment, find_binaries

_ENCRYPTED = {"require", "verify-ca", "verify-full"}


@dataclass(frozen=True)
class ClientPrograms:
    """pg_dump, pg_restore and psql of one build.

    Attributes:
        folder: where they lie.
        url: the database, without its password.
        environment: carries the password, which other users could read in a command line.
    """

    folder: Path
    url: str
    environment: dict[str, str]

    def tool(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.folder / name)


def find_client_programs(dsn: str, server_major: int) -> ClientPrograms:
    """Find programs that can talk to a server: those that Serai brings, else those on the PATH.

    Args:
        dsn: the database's URL.
        server_major: the server's major version; the programs must not be older.

    Raises:
        ConfigurationError: none fits; names the version to install.
    """
    url, password, is_encrypted = split_password(dsn)
    environment = clean_environment() | ({"PGPASSWORD": password} if password else {})
    fitting = [major for major in BUNDLED_MAJORS if major >= server_major]
    if fitting and not is_encrypted:
        folder = find_binaries(str(min(fitting))).tool("pg_dump").parent
        return ClientPrograms(folder, url, environment)
    installed = shutil.which("pg_dump")
    if installed is not None and _major_of(installed) >= server_major:
        return ClientPrograms(Path(installed).parent, url, environment)
    reason = "asks for an encrypted connection, which the programs that Serai brings cannot make"
    raise ConfigurationError(
        f"The server is PostgreSQL {server_major} and {reason if is_encrypted else 'newer than those Serai brings'}. "
        f"Install the client programs of PostgreSQL {server_major} (pg_dump, pg_restore, psql) so that they are on the "
        "PATH, then run the command again."
    )


def split_password(dsn: str) -> tuple[str, str | None, bool]:
    """Take the password out of a URL.

    Returns:
        The URL without it, the password, and whether the URL insists on encryption.
    """
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    password = query.pop("password", None) or (unquote(parts.password) if parts.password else None)
    credentials, _, host = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    netloc = f"{user}@{host}" if user else host
    url = urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, quote_via=quote, safe="/"), ""))
    return url, password, query.get("sslmode") in _ENCRYPTED


def _major_of(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"(\d+)(\.\d+|devel|beta|rc)", said)
    return int(found.group(1)) if found else 0
