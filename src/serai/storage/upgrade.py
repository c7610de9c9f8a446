"""The way of a data folder from one major version of PostgreSQL to the next, by pg_upgrade. The old one is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage import postgres_process as process
from serai.storage.data_folder import (
    DataFolder,
    alone,
    check_reachable,
    is_held,
    open_data_folder,
    short_socket_folder,
    socket_folder,
)
from serai.storage.postgres_account import PostgresAccount, choose_account
from serai.storage.postgres_binaries import PostgresBinaries, find_binaries, run_tool
from serai.storage.postgres_cluster import ROLE, initialise, reachable_binaries
from serai.storage.postgres_config import write_configuration
from serai.storage.postgres_launch import Launch


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did.

    Attributes:
        old_major: the version the folder had.
        new_major: the version it has; equal to ``old_major`` when there was nothing to do.
        kept: the old version's folder, to be deleted when all is well; None when there was nothing to do.
    """

    old_major: int
    new_major: int
    kept: Path | None


def upgrade(data_dir: Path, *, report: Callable[[str], None]) -> Upgrade:
    """Upgrade a data folder to the newest PostgreSQL that Serai brings.

    The data is copied; the old version's folder is not changed and stays. The new one takes its place by one rename at
    the very end, so an upgrade that is interrupted at any point can simply be run again.

    Args:
        data_dir: the data folder; no server may use it.
        report: called with a line at each step.

    Returns:
        The versions, and where the old data lies.

    Raises:
        ConfigurationError: the folder is empty, in use or of an unknown version, there is no room for the copy, or
            pg_upgrade refused (quotes its words).
    """
    if not data_dir.exists():
        raise ConfigurationError(f"There is no data folder {data_dir}, so there is nothing to upgrade.")
    folder = open_data_folder(data_dir)
    new = find_binaries()
    with alone(folder.start_lock, report=report):
        found = folder.newest_major()
        if found is None:
            raise ConfigurationError(
                f"The data folder {folder.root} holds no database, so there is nothing to upgrade."
            )
        if found == new.major:
            return Upgrade(found, found, None)
        _check_unused(folder)
        old = find_binaries(str(found))
        _Move(folder, old, new, report).run()
    return Upgrade(found, new.major, _set_aside(folder.cluster(found)))


def _check_unused(folder: DataFolder) -> None:
    if is_held(folder.users_lock):
        raise ConfigurationError(
            f"Serai servers are using {folder.root}. Stop them all, then run `serai db upgrade` again."
        )


def _set_aside(cluster: Path) -> Path:
    kept = cluster.with_name(f"{cluster.name}.old")
    shutil.rmtree(kept, ignore_errors=True)
    return cluster.rename(kept)


class _Move:
    def __init__(
        self, folder: DataFolder, old: PostgresBinaries, new: PostgresBinaries, report: Callable[[str], None]
    ) -> None:
        self.folder, self.report = folder, report
        self.source, self.target = folder.cluster(old.major), folder.cluster(new.major)
        self.unfinished = self.target.with_name(self.target.name + ".new")
        self.work = folder.root / "upgrade"
        self.account: PostgresAccount = choose_account(self.source)
        if self.account.is_other_user:
            check_reachable(folder, self.account)
            old, new = (reachable_binaries(folder, binaries, self.account) for binaries in (old, new))
        self.old, self.new = old, new

    def run(self) -> None:
        self._check_room()
        self.report(f"checking the data of PostgreSQL {self.old.major} in {self.source}")
        has_checksums = self._settle_source()
        self.report(f"preparing PostgreSQL {self.new.major}")
        initialise(self.new, self.unfinished, self.account, has_checksums=has_checksums)
        self.report(f"copying the data to PostgreSQL {self.new.major}; this takes as long as a copy of the folder")
        self._copy()
        self.unfinished.rename(self.target)
        shutil.rmtree(self.work)

    def _check_room(self) -> None:
        size_bytes = sum(entry.lstat().st_size for entry in self.source.rglob("*"))
        free_bytes = shutil.disk_usage(self.folder.root).free
        if free_bytes < size_bytes * 1.1:
            raise ConfigurationError(
                f"The upgrade copies {size_bytes / 1e9:.1f} GB and {self.folder.root} has {free_bytes / 1e9:.1f} GB "
                "free. Make room, then run it again."
            )

    def _settle_source(self) -> bool:
        """Start and stop the old version, so that a crash is recovered from; return whether it keeps checksums."""
        socket_dir = socket_folder(self.source, self.account)
        Launch(self.folder, self.old, self.source, self.account, socket_dir, self.report).run()
        process.stop(self.folder, self.source, report=self.report)
        facts = run_tool(self.old, "pg_controldata", ["-D", str(self.source)], account=self.account)
        return not any(
            line.startswith("Data page checksum version") and line.endswith(" 0") for line in facts.splitlines()
        )

    def _copy(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o700)
        write_configuration(self.work, socket_dir=self.work, system_user=self.account.name)
        if self.account.is_other_user:
            os.chown(self.work, self.account.uid, self.account.gid)
        socket_dir = short_socket_folder(self.work, self.account)
        clusters = ["--old-datadir", str(self.source), "--new-datadir", str(self.unfinished)]
        programs = ["--old-bindir", str(self.old.tool("")), "--new-bindir", str(self.new.tool(""))]
        # Relative, since pg_upgrade hands these options through two shells; it and its servers start in `work`.
        options = [f"--{which}-options=-c config_file=postgresql.conf" for which in ("old", "new")]
        arguments = [*clusters, *programs, *options, "--username", ROLE, "--socketdir", str(socket_dir)]
        try:
            run_tool(self.new, "pg_upgrade", arguments, account=self.account, folder=self.work)
        finally:
            shutil.rmtree(socket_dir)
