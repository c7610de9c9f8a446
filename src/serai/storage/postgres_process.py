"""PostgreSQL as a process: start it detached, see whether it lives and answers, stop it. Takes no locks of Serai's."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage.data_folder import DataFolder, is_held, open_lock, open_own_file
from serai.storage.postgres_account import PostgresAccount
from serai.storage.postgres_binaries import PostgresBinaries, clean_environment, last_lines
from serai.storage.postgres_config import PORT

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_LARGEST_LOG_BYTES = 8 * 1024 * 1024
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class PidFile:
    """What PostgreSQL says of itself in postmaster.pid."""

    pid: int
    is_ready: bool


def read_pid_file(cluster: Path) -> PidFile | None:
    """Read postmaster.pid, or None when it is missing or not yet written out."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return PidFile(abs(int(lines[0])), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def is_answering(socket_dir: Path) -> bool:
    """Tell whether a PostgreSQL takes connections on the socket: it answers the first bytes of a handshake."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(str(socket_dir / f".s.PGSQL.{PORT}"))
            client.sendall(_SSL_REQUEST)
            return client.recv(1) in {b"N", b"S", b"E"}
        except OSError:
            return False


def is_postgres_of(pid: int, cluster: Path) -> bool:
    """Tell whether a process lives and is a PostgreSQL started on this folder, by command line or working folder."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        listed = ["/bin/ps", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(listed, capture_output=True, check=False).stdout  # noqa: S603
    except OSError:
        return False
    return b"postgres" in command and (os.fsencode(cluster) in command or _works_in(pid, cluster))


def _works_in(pid: int, cluster: Path) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", cluster)  # noqa: PTH121
    except OSError:
        return False


def spawn(
    folder: DataFolder, binaries: PostgresBinaries, cluster: Path, config_file: Path, account: PostgresAccount
) -> subprocess.Popen[bytes]:
    """Start PostgreSQL in a session of its own, so that no Ctrl-C of ours reaches it.

    It inherits a shared hold on ``server.lock``, as do its own children: the kernel then knows whether any of them is
    alive, whatever became of their process ids.
    """
    lock = open_lock(folder.server_lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with os.fdopen(open_own_file(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
            command = [str(binaries.tool("postgres")), "-D", str(cluster), "-c", f"config_file={config_file}"]
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                cwd="/",
                env=clean_environment(),
                start_new_session=True,
                **account.process_options(),
            )
    finally:
        os.close(lock)
    _children[process.pid] = process
    return process


def reap() -> None:
    """Collect servers of ours that have ended, so that none stays a zombie."""
    for pid in [pid for pid, process in _children.items() if process.poll() is not None]:
        del _children[pid]


def stop(folder: DataFolder, cluster: Path, *, report: Callable[[str], None]) -> None:
    """Stop PostgreSQL: sessions are disconnected, the data is written out; wait until its last process is gone."""
    if not is_held(folder.server_lock):
        return
    pid_file = read_pid_file(cluster)
    if pid_file is None or not is_postgres_of(pid_file.pid, cluster):
        report(f"PostgreSQL on {cluster} is left running: its process is not visible here, perhaps in a container")
        return
    for request, patience_s in ((signal.SIGINT, 90.0), (signal.SIGQUIT, 20.0)):
        with suppress(ProcessLookupError):
            os.kill(pid_file.pid, request)
        if _wait_until_gone(folder, patience_s):
            if (child := _children.pop(pid_file.pid, None)) is not None:
                child.wait()
            return
        report(f"PostgreSQL (pid {pid_file.pid}) has not stopped after {patience_s:.0f} s; see {folder.log}")


def _wait_until_gone(folder: DataFolder, patience_s: float) -> bool:
    give_up_at = time.monotonic() + patience_s
    pause_s = 0.002
    while is_held(folder.server_lock):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
        reap()
    return True


def rotate_log(folder: DataFolder) -> None:
    """Keep the log below its limit: copy it aside and empty it in place, since PostgreSQL holds it open.

    Raises:
        ConfigurationError: the log is a symbolic link.
    """
    try:
        log = os.fdopen(open_own_file(folder.log, os.O_RDWR), "r+b")
    except FileNotFoundError:
        return
    with log:
        if os.fstat(log.fileno()).st_size < _LARGEST_LOG_BYTES:
            return
        aside = folder.log.with_suffix(".log.1")
        aside.unlink(missing_ok=True)
        with os.fdopen(open_own_file(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as copy:
            shutil.copyfileobj(log, copy)
        log.truncate(0)


def log_tail(folder: DataFolder, *, since_byte: int = 0) -> str:
    """Return the last lines of the log, from a position on."""
    try:
        with folder.log.open("rb") as log:
            log.seek(max(since_byte, folder.log.stat().st_size - 8192))
            return last_lines(log.read().decode("utf-8", "replace"))
    except FileNotFoundError:
        return "(no log)"


def remove_stale_pid_files(cluster: Path, socket_dir: Path) -> None:
    """Remove postmaster.pid and the socket's lock file, which PostgreSQL would believe by the bare process number.

    Only while ``server.lock`` is free.

    Raises:
        ConfigurationError: a PostgreSQL that Serai did not start runs on this folder and does not answer.
    """
    pid_file = read_pid_file(cluster)
    if pid_file is not None and is_postgres_of(pid_file.pid, cluster) and not _is_zombie(pid_file.pid):
        raise ConfigurationError(
            f"A PostgreSQL that Serai did not start (pid {pid_file.pid}) runs on {cluster} and does not answer on its "
            "socket. Stop it, then start Serai again."
        )
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    (socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1][1] == "Z"
    except OSError:
        return False
