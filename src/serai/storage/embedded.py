"""The PostgreSQL that Serai brings along: shared by all processes on a data folder, stopped by the last of them."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

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
from serai.storage.postgres_account import choose_account
from serai.storage.postgres_binaries import PostgresBinaries, find_binaries
from serai.storage.postgres_cluster import DATABASE, ROLE, check_version, create_cluster, reachable_binaries
from serai.storage.postgres_config import PORT
from serai.storage.postgres_launch import Launch

_log = logging.getLogger(__name__)


def default_data_dir() -> Path:
    """Return the data folder used when none is chosen: /var/lib/serai for root, else the user's data folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/serai")
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("serai", appauthor=False)


def socket_url(socket_dir: Path) -> str:
    """Return the URL of Serai's database behind a unix socket, for asyncpg and psql."""
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(socket_dir))}&port={PORT}"


@dataclass(frozen=True)
class ServerState:
    """What is going on in a data folder.

    Attributes:
        is_initialised: whether it holds a database.
        is_running: whether PostgreSQL runs on it.
        is_used: whether a Serai process uses it just now.
        url: where the database is when it runs; None when there is none.
    """

    is_initialised: bool
    is_running: bool
    is_used: bool
    url: str | None


def inspect(data_dir: Path, *, report: Callable[[str], None] | None = None) -> ServerState:
    """Look at a data folder; starts and creates nothing.

    Args:
        data_dir: the data folder; may be missing.
        report: called with a line when another process is just starting or stopping PostgreSQL.

    Raises:
        ConfigurationError: the folder is not ours to read, or of a version that this Serai does not run.
    """
    if not data_dir.exists():
        return ServerState(is_initialised=False, is_running=False, is_used=False, url=None)
    binaries = find_binaries()
    folder = open_data_folder(data_dir)
    check_version(folder, binaries)
    cluster = folder.cluster(binaries.major)
    if not cluster.exists():
        return ServerState(is_initialised=False, is_running=False, is_used=False, url=None)
    url = socket_url(socket_folder(cluster, choose_account(cluster)))
    with alone(folder.start_lock, report=report or _log.info):
        return ServerState(True, is_held(folder.server_lock), is_held(folder.users_lock), url)


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
                        self._leave_and_stop(folder)
                    raise
            return socket_url(socket_dir)

    def stop(self) -> None:
        """Give up our use; the last user stops PostgreSQL. Does nothing when not started."""
        with self._guard:
            if self._use is None or self._running is None:
                return
            folder = self._running[0]
            with alone(folder.start_lock, report=self._report):
                self._leave_and_stop(folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _leave_and_stop(self, folder: DataFolder) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None
        if self._running is not None and not is_held(folder.users_lock):
            process.stop(folder, self._running[1], report=self._report)

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
                binaries = reachable_binaries(folder, binaries, account)
            write_probe(folder)
            if not cluster.exists():
                create_cluster(binaries, cluster, account)
        socket_dir = socket_folder(cluster, account)
        Launch(folder, binaries, cluster, account, socket_dir, self._report).run()
        return socket_dir


def _join(folder: DataFolder) -> int:
    descriptor = open_lock(folder.users_lock)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
