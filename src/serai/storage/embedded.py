"""The PostgreSQL that Serai brings along: shared by all processes on a data folder, stopped by the last of them."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from serai.errors import ConfigurationError
from serai.storage import postgres_process as process
from serai.storage.data_folder import (
    DataFolder,
    alone,
    check_reachable,
    is_held,
    open_data_folder,
    open_lock,
    socket_folder,
    write_probe,
)
from serai.storage.postgres_account import PostgresAccount, can_reach, choose_account
from serai.storage.postgres_binaries import PostgresBinaries, find_binaries, run_tool
from serai.storage.postgres_config import PORT, write_configuration

DATABASE = "serai"
ROLE = "serai"
_ORPHANS_PATIENCE_S = 60.0
_log = logging.getLogger(__name__)


def default_data_dir() -> Path:
    """Return the data folder used when none is chosen: /var/lib/serai for root, else the user's data folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/serai")
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("serai", appauthor=False)


class EmbeddedPostgres:
    """One process's use of the PostgreSQL in a data folder.

    Any number of processes may use one folder. Each holds a shared ``flock`` while it does; whoever leaves last stops
    PostgreSQL. The kernel frees the lock of a killed process, so the count is never wrong, and PostgreSQL itself holds
    such a lock, so a process id that was given to another program is never mistaken for it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_version: str | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        """Describe the server; nothing is started or written yet.

        Args:
            data_dir: the data folder; created when missing.
            postgres_version: ``"16"`` or ``"18"``; the newest when absent.
            report: called with a line of progress when something takes longer than five seconds; default: the log.
        """
        self._path = data_dir
        self._version = postgres_version
        self._report = report or _log.info
        self._guard = threading.Lock()
        self._use: int | None = None
        self._running: tuple[DataFolder, Path] | None = None

    def start(self) -> str:
        """Start PostgreSQL, or adopt the one that runs on the folder. Waits for crash recovery as long as it takes.

        Returns:
            A URL for asyncpg and psql. Calling again on a started object restarts a server that has died.

        Raises:
            ConfigurationError: it cannot run here; the message is one paragraph that says what to change.
        """
        with self._guard:
            binaries = find_binaries(self._version)
            folder = open_data_folder(self._path)
            with alone(folder.start_lock, report=self._report):
                is_new_use = self._use is None
                if self._use is None:
                    self._use = _join(folder)
                try:
                    socket_dir = self._ensure_running(folder, binaries)
                except BaseException:
                    if is_new_use:
                        self._leave()
                    raise
            return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(socket_dir))}&port={PORT}"

    def stop(self) -> None:
        """Give up our use; the last user stops PostgreSQL. Does nothing when not started."""
        with self._guard:
            if self._use is None or self._running is None:
                return
            folder, cluster = self._running
            with alone(folder.start_lock, report=self._report):
                self._leave()
                if not is_held(folder.users_lock):
                    process.stop(folder, cluster, report=self._report)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _leave(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None

    def _ensure_running(self, folder: DataFolder, binaries: PostgresBinaries) -> Path:
        check_version(folder, binaries)
        cluster = folder.cluster(binaries.major)
        account = choose_account(cluster)
        self._running = (folder, cluster)
        process.reap()
        process.rotate_log(folder)
        if not is_held(folder.server_lock):
            if account.is_other_user:
                check_reachable(folder, account)
                binaries = _reachable_binaries(folder, binaries, account)
            write_probe(folder)
            if not cluster.exists():
                create_cluster(binaries, cluster, account)
        socket_dir = socket_folder(cluster, account)
        _Launch(folder, binaries, cluster, account, socket_dir, self._report).run()
        return socket_dir


class _Launch:
    """The wait from "perhaps nothing runs" to "it answers"."""

    def __init__(
        self,
        folder: DataFolder,
        binaries: PostgresBinaries,
        cluster: Path,
        account: PostgresAccount,
        socket_dir: Path,
        report: Callable[[str], None],
    ) -> None:
        self.folder, self.binaries, self.cluster = folder, binaries, cluster
        self.account, self.socket_dir, self.report = account, socket_dir, report
        self.child: subprocess.Popen[bytes] | None = None
        self.log_start = 0
        self.began = self.reported_at = time.monotonic()

    def run(self) -> None:
        pause_s = 0.002
        while True:
            pid_file = process.read_pid_file(self.cluster)
            if pid_file is not None and pid_file.is_ready and process.is_answering(self.socket_dir):
                return
            if not is_held(self.folder.server_lock):
                self._spawn_again()
            elif pid_file is None or not process.is_postgres_of(pid_file.pid, self.cluster):
                self._check_patience()
            self._report_progress()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.1, 0.1)

    def _spawn_again(self) -> None:
        """Start a server; a first attempt may fail because orphans of a killed one still hold the shared memory."""
        if self.child is not None:
            self.child.wait()
            said = process.log_tail(self.folder, since_byte=self.log_start)
            is_passing = "pre-existing shared memory block" in said
            if not is_passing or time.monotonic() - self.began > _ORPHANS_PATIENCE_S:
                raise ConfigurationError(
                    f"PostgreSQL did not start in {self.folder.root}. Its log {self.folder.log} ends: {said}"
                )
            time.sleep(0.2)
        process.remove_stale_pid_file(self.cluster)
        config_file = write_configuration(self.folder.root, socket_dir=self.socket_dir, system_user=self.account.name)
        self.log_start = self.folder.log.stat().st_size if self.folder.log.exists() else 0
        self.child = process.spawn(self.folder, self.binaries, self.cluster, config_file, self.account)

    def _check_patience(self) -> None:
        if time.monotonic() - self.began > _ORPHANS_PATIENCE_S:
            raise ConfigurationError(
                f"Processes of an earlier PostgreSQL on {self.cluster} are still alive, perhaps in another container, "
                "and do not answer. Stop them (or that container), then start Serai again."
            )

    def _report_progress(self) -> None:
        if time.monotonic() - self.reported_at > 5:
            self.reported_at = time.monotonic()
            waited_s = self.reported_at - self.began
            said = process.log_tail(self.folder, since_byte=self.log_start)
            self.report(f"waiting for PostgreSQL to become ready, {waited_s:.0f} s so far; its log ends: {said}")


def _join(folder: DataFolder) -> int:
    descriptor = open_lock(folder.users_lock)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


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

    Text sorts by code point on every platform and version, so an index never depends on the system's locale.

    Raises:
        ConfigurationError: initdb failed; quotes what it said.
    """
    unfinished = cluster.with_name(cluster.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account.is_other_user:
        os.chown(unfinished, account.uid, account.gid)
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    arguments = ["--username", ROLE, "--auth=peer", "--encoding=UTF8", "--locale=C", *builtin, "--data-checksums"]
    run_tool(binaries, "initdb", ["-D", str(unfinished), *arguments, "--no-instructions"], account=account)
    single = ["--single", "-D", str(unfinished), "postgres"]
    run_tool(binaries, "postgres", single, account=account, stdin=f"create database {DATABASE}\n")
    unfinished.rename(cluster)


def _reachable_binaries(folder: DataFolder, binaries: PostgresBinaries, account: PostgresAccount) -> PostgresBinaries:
    """Copy the programs into the data folder where PostgreSQL's user cannot reach ours, as below a private home."""
    original = binaries.tool("postgres")
    if can_reach(original, account):
        return binaries
    info = original.stat()
    copy = folder.root / "software" / f"postgresql-{binaries.major}-{info.st_size:x}-{int(info.st_mtime):x}"
    if not copy.exists():
        unfinished = copy.with_name("unfinished")
        shutil.rmtree(folder.root / "software", ignore_errors=True)
        unfinished.mkdir(parents=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(binaries.install / part, unfinished / part, symlinks=True)
        unfinished.rename(copy)
    return PostgresBinaries(binaries.major, copy)
