"""The start of PostgreSQL, from "perhaps one runs" to "it answers". The caller holds the start lock."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage import postgres_process as process
from serai.storage.data_folder import DataFolder, is_held
from serai.storage.postgres_account import PostgresAccount
from serai.storage.postgres_binaries import PostgresBinaries
from serai.storage.postgres_config import write_configuration

_ORPHANS_PATIENCE_S = 60.0


class Launch:
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
        """Return when PostgreSQL answers.

        Raises:
            ConfigurationError: it ended instead, or something unknown holds its folder.
        """
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
        process.remove_stale_pid_files(self.cluster, self.socket_dir)
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
