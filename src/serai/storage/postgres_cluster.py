"""PostgreSQL's own folder: is it of the right version, how a new one is made. The caller holds the start lock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage.data_folder import DataFolder
from serai.storage.postgres_account import PostgresAccount, can_reach
from serai.storage.postgres_binaries import PostgresBinaries, run_tool

DATABASE = "serai"
ROLE = "serai"


def check_version(folder: DataFolder, binaries: PostgresBinaries) -> None:
    """Check that the folder is new or of the version that would be started.

    Raises:
        ConfigurationError: it is of another major version.
    """
    found = folder.newest_major()
    if found is None or found == binaries.major:
        return
    advice = (
        f"Run `serai db upgrade --data-dir {folder.root}` while no server uses it"
        if found < binaries.major
        else "Use the release of Serai that wrote it, or another data folder"
    )
    raise ConfigurationError(
        f"The data folder {folder.root} holds data of PostgreSQL {found}, and this Serai runs PostgreSQL "
        f"{binaries.major}. {advice}."
    )


def create_cluster(binaries: PostgresBinaries, cluster: Path, account: PostgresAccount) -> None:
    """Initialise PostgreSQL's own folder with the role and the database; all of it appears at once, or nothing.

    Raises:
        ConfigurationError: initdb failed; quotes what it said.
    """
    unfinished = cluster.with_name(cluster.name + ".new")
    initialise(binaries, unfinished, account)
    single = ["--single", "-D", str(unfinished), "postgres"]
    run_tool(binaries, "postgres", single, account=account, stdin=f"create database {DATABASE}\n")
    unfinished.rename(cluster)


def initialise(
    binaries: PostgresBinaries, unfinished: Path, account: PostgresAccount, *, has_checksums: bool = True
) -> None:
    """Run initdb on a new folder; whatever lay there is removed first.

    Text sorts by code point on every platform and version, so an index never depends on the system's locale.

    Raises:
        ConfigurationError: initdb failed; quotes what it said.
    """
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account.is_other_user:
        os.chown(unfinished, account.uid, account.gid)
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    arguments = ["--username", ROLE, "--auth=peer", "--encoding=UTF8", "--locale=C", *builtin]
    checksums = "--data-checksums" if has_checksums else "--no-data-checksums"
    run_tool(binaries, "initdb", ["-D", str(unfinished), *arguments, checksums, "--no-instructions"], account=account)


def reachable_binaries(folder: DataFolder, binaries: PostgresBinaries, account: PostgresAccount) -> PostgresBinaries:
    """Copy the programs into the data folder where PostgreSQL's user cannot reach ours, as below a private home.

    Only while no server runs on the folder: copies of earlier builds are removed.
    """
    original = binaries.tool("postgres")
    if can_reach(original, account):
        return binaries
    info = original.stat()
    name = f"postgresql-{binaries.major}-{info.st_size:x}-{int(info.st_mtime):x}"
    copy = folder.root / "software" / name
    if not copy.exists():
        for earlier in copy.parent.glob(f"postgresql-{binaries.major}-*"):
            shutil.rmtree(earlier)
        unfinished = copy.with_name(f"postgresql-{binaries.major}-unfinished")
        _copy_programs(binaries.install, unfinished)
        unfinished.rename(copy)
    return PostgresBinaries(binaries.major, copy / binaries.install.parent.name / binaries.install.name)


def _copy_programs(install: Path, target: Path) -> None:
    """Copy an installation with the libraries beside it, which the programs find by their relative place."""
    package = install.parent
    for source in (install, package / ".dylibs", package.with_name(f"{package.name}.libs")):
        if source.exists():
            leave_out = shutil.ignore_patterns("include")
            shutil.copytree(source, target / source.relative_to(package.parent), symlinks=True, ignore=leave_out)
