"""Server processes and their CPU time, read from Linux's ``/proc``. Elsewhere CPU time is not measured (None)."""

from __future__ import annotations

import http.client
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

POLL_S = 0.005
_ROOT = Path(__file__).parent.parent
_APART_TIMEOUT_S = 900
_PROC = Path("/proc")


class ServerStartError(Exception):
    """The process ended, or did not answer in time; the message holds the end of its output."""


class ApartError(Exception):
    """A process of ours that was to measure something failed; the message holds the end of its output."""


def run_apart(module: str, job: Any) -> dict[str, Any]:
    """Run a module on a job in a process of its own, and return the JSON it prints.

    Args:
        module: its ``main`` reads the pickled job from the file it is given.
        job: what to do.

    Raises:
        ApartError: it failed.
    """
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(job))
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", module, file.name],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=_APART_TIMEOUT_S,
            check=False,
        )
    if done.returncode != 0:
        raise ApartError(f"{module} failed:\n{done.stderr[-3000:]}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def raise_file_limit() -> None:
    """Let this process and its children open as many files as the system allows them: a connection is one."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process(Protocol):
    """What a server process must be able to do, as `subprocess.Popen` is."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or None while it lives."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""

    def send_signal(self, sig: int) -> None:
        """Send a signal."""

    def kill(self) -> None:
        """Kill it with -9."""


class ServerProcess:
    """One HTTP server in a process of its own, on a loopback port chosen by us.

    Args:
        command: how to start it; ``{port}`` in an argument is replaced.
        env: its whole environment.
        log: file that gets its output.
        folder: its working folder.
        ready_path: answers with 200 when the server stands.

    Attributes:
        base_url: ``http://127.0.0.1:PORT``.
        started_in_s: seconds from the start of the process to the first answer of ``ready_path``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
        ready_path: str = "/health",
    ) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.started_in_s = 0.0
        self._command = [part.format(port=self.port) for part in command]
        self._env = dict(env)
        self._folder = folder
        self._ready_path = ready_path
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, timeout_s: float = 60) -> None:
        """Start the process and return when it answers with 200.

        Raises:
            ServerStartError: if it ends first, or takes longer than ``timeout_s``; it is stopped then.
        """
        began = time.perf_counter()
        with self.log.open("ab") as output:
            self._process = self._launch(output)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > timeout_s:
                self.stop()
                raise ServerStartError(f"{' '.join(self._command)} did not start:\n{self.output()}")
            time.sleep(POLL_S)
        self.started_in_s = time.perf_counter() - began

    def stop(self, *, timeout_s: float = 40) -> None:
        """Ask the process to end and wait for it; kill it when it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        """Return the last 4,000 characters the process wrote."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def _launch(self, output: IO[bytes]) -> Process:
        return subprocess.Popen(
            self._command, env=self._env, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self._ready_path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def tree_cpu_s(root: int, *, without: int | None = None) -> float | None:
    """Return the CPU seconds, user and system, that a process and its descendants have used.

    Children that have ended count, because their parent was charged with them. The kernel's clock has 10 ms steps.

    Args:
        root: process id at the top of the tree.
        without: top of a subtree to leave out.
    """
    stats = _process_stats()
    if stats is None:
        return None
    excluded = _descendants(without, stats) if without is not None else set()
    pids = _descendants(root, stats) - excluded
    return sum(stats[pid][1] for pid in pids) / os.sysconf("SC_CLK_TCK")


def tree_rss_mb(root: int, *, without: int | None = None) -> float | None:
    """Return the resident memory of a process and its descendants, in MB; None where there is no ``/proc``.

    Args:
        root: process id at the top of the tree.
        without: top of a subtree to leave out.
    """
    stats = _process_stats()
    if stats is None:
        return None
    excluded = _descendants(without, stats) if without is not None else set()
    pages = 0
    for pid in _descendants(root, stats) - excluded:
        try:
            pages += int((_PROC / str(pid) / "statm").read_text().split()[1])
        except OSError:
            continue  # it has ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def postgres_pid(data_dir: Path) -> int | None:
    """Return the process id of the PostgreSQL server whose cluster lies in ``data_dir`` or below, if one runs."""
    for pid_file in data_dir.rglob("postmaster.pid"):
        return int(pid_file.read_text().split()[0])
    return None


def _process_stats() -> dict[int, tuple[int, int]] | None:
    """Return parent and used clock ticks of every process; None where there is no ``/proc``."""
    if not (_PROC / "self/stat").exists():
        return None
    stats = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        # The command's name, in parentheses, may hold anything.
        fields = text.rpartition(")")[2].split()
        stats[int(folder.name)] = (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]))
    return stats


def _descendants(root: int, stats: Mapping[int, tuple[int, int]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = set(), [root] if root in stats else []
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting.extend(children.get(pid, []))
    return found
