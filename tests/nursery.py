"""A process that has all of Serai loaded and becomes a node by forking: a tenth of what a new interpreter takes.

A node from here is a process like any other: it can be killed, frozen and waited for. Linux. Not a test itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Protocol, Self

from benchmarks.environments import clean_environment
from benchmarks.processes import Process, ServerProcess

_ROOT = Path(__file__).parent.parent
_LARGEST_REQUEST = 1 << 17
_NUMBER_SIZE = 8
# What `serai serve` and `serai worker` load when they run.
_PRELOADED = (
    "serai.cli",
    "serai.cli.banner",
    "serai.cli.node",
    "serai.cli.target",
    "serai.demo",
    "serai.server.logs",
    "serai.server.runtime",
    "serai.testing",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)


class Launch(Protocol):
    """A way to start ``serai``."""

    def __call__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], folder: Path, stdout: IO[Any], stderr: IO[Any]
    ) -> Process:
        """Start it.

        Args:
            arguments: what follows ``serai``.
            env: its whole environment.
            folder: its working folder.
            stdout: gets what it prints.
            stderr: gets its log.
        """


def launch(
    arguments: Sequence[str], *, env: Mapping[str, str], folder: Path, stdout: IO[Any], stderr: IO[Any]
) -> Process:
    """Start ``python -m serai``."""
    command = [sys.executable, "-m", "serai", *arguments]
    return subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def run_command(arguments: Sequence[str], *, launch: Launch) -> subprocess.CompletedProcess[str]:
    """Run a ``serai`` command to its end; at most a minute."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = launch(arguments, env=clean_environment(), folder=Path.cwd(), stdout=stdout, stderr=stderr)
        try:
            code = process.wait(60)
        finally:
            process.kill()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, stdout.read(), stderr.read())


class LaunchedServer(ServerProcess):
    """A `serai serve` process.

    Args:
        arguments: what follows ``serai serve --port PORT``.
        launch: how to start it.
        env: its whole environment.
        log: file that gets its output.
        folder: its working folder.
    """

    def __init__(
        self, arguments: Sequence[str], *, launch: Launch, env: Mapping[str, str], log: Path, folder: Path
    ) -> None:
        super().__init__(["serve", "--port", "{port}", *arguments], env=env, log=log, folder=folder)
        self._start_by = launch

    def _launch(self, output: IO[bytes]) -> Process:
        assert self._folder is not None
        return self._start_by(self._command, env=self._env, folder=self._folder, stdout=output, stderr=output)


class NurseryNode:
    """A node made by a nursery; like `subprocess.Popen` as far as tests need it."""

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        self.pid = _receive_number(report)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it lives."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still lives after ``timeout`` seconds.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"node {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it with -9."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], timeout_s)[0]:
            self.returncode = os.waitstatus_to_exitcode(_receive_number(self._report))
            self._report.close()
        return self.returncode


class Nursery:
    """Starts nodes; the process behind it ends with the block, those it has started do not."""

    def __enter__(self) -> Self:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery"], stdin=theirs.fileno(), cwd=_ROOT, env=clean_environment()
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.close()
        self._process.wait(10)

    def launch(
        self, arguments: Sequence[str], *, env: Mapping[str, str], folder: Path, stdout: IO[Any], stderr: IO[Any]
    ) -> Process:
        """Start ``serai`` by a fork."""
        request = json.dumps({"arguments": list(arguments), "env": dict(env), "folder": str(folder)}).encode()
        assert len(request) <= _LARGEST_REQUEST
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._requests, [request], [stdout.fileno(), stderr.fileno(), theirs.fileno()])
        return NurseryNode(ours)


def _receive_number(report: socket.socket) -> int:
    data = report.recv(_NUMBER_SIZE)
    assert data, "the nursery has ended"
    return int.from_bytes(data)


def _wait_for_request(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request, and tell the end of each child; returns the request in a child, None at the end."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, _ignore)
    reports: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report_ends(reports)
            continue
        data, descriptors, _, _ = socket.recv_fds(requests, _LARGEST_REQUEST, 3)
        if not data:
            return None
        *outputs, reporting = descriptors
        report = socket.socket(fileno=reporting)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for kept in (requests, woken, wake, report, *reports.values()):
                kept.close()
            for number, output in enumerate(outputs, start=1):
                os.dup2(output, number)
                os.close(output)
            request: dict[str, Any] = json.loads(data)
            return request
        for output in outputs:
            os.close(output)
        report.sendall(pid.to_bytes(_NUMBER_SIZE))
        reports[pid] = report


def _report_ends(reports: dict[int, socket.socket]) -> None:
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with reports.pop(pid) as report:
            report.sendall(status.to_bytes(_NUMBER_SIZE))


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _main() -> None:
    gc.disable()
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    request = _wait_for_request(socket.socket(fileno=os.dup(0)))
    if request is None:
        return
    gc.enable()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    # What they lead to now may be of another sort: a pipe cannot be rewound.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["serai", *request["arguments"]]
    sys.path[0] = request["folder"]
    importlib.reload(importlib.import_module("serai.engine.faults"))  # it has read another environment
    runpy.run_module("serai", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
