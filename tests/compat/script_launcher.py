"""The near side of clients/launcher.py: one interpreter of a client's environment, a fork for each script."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environments import clean_environment
from tests.compat.clients.roster import FOLDER


class Launcher:
    """Runs scripts, which find their imports loaded: that takes seconds for some clients.

    Args:
        python: the interpreter of the client's environment.
    """

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None

    def run(self, script: Path, arguments: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a script to its end.

        Raises:
            subprocess.TimeoutExpired: it takes longer; it is killed.
        """
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        command = [str(script), *arguments]
        with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
            process.stdin.write(json.dumps({"command": command, "outputs": [stdout.name, stderr.name]}) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], timeout_s)[0]:
                self.stop()
                raise subprocess.TimeoutExpired(command, timeout_s, stdout.read(), stderr.read())
            code = process.stdout.readline()
            assert code, f"the launcher of {script.name} has ended"
            return subprocess.CompletedProcess(command, int(code), stdout.read(), stderr.read())

    def stop(self) -> None:
        """End it, and the script that it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._python), str(FOLDER / "launcher.py")],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
