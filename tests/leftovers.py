"""The safety net of the test run: whatever it started and left behind is stopped, and named. Not a test itself."""

from __future__ import annotations

import os
import signal
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_VARIABLE = "SERAI_TEST_RUN"
_PATIENCE_S = 5.0


@dataclass(eq=False)
class Leftovers:
    """A pytest plugin that marks the environment of child processes and stops those that outlive the run (Linux)."""

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    stopped: list[str] = field(default_factory=list)

    def pytest_sessionstart(self) -> None:
        os.environ[_VARIABLE] = self.mark

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if not self._wait_until_gone():
            self.stopped = [_command_of(process_id) for process_id in self._find()]
            self._signal(signal.SIGTERM)
            if not self._wait_until_gone():
                self._signal(signal.SIGKILL)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for command in self.stopped:
            terminalreporter.write_line(f"LEFT BEHIND by a test, and stopped: {command}", red=True)

    def _wait_until_gone(self) -> bool:
        deadline = time.monotonic() + _PATIENCE_S
        while self._find():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _signal(self, number: signal.Signals) -> None:
        for process_id in self._find():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process_id, number)

    def _find(self) -> list[int]:
        wanted = f"{_VARIABLE}={self.mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found


def _command_of(process_id: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process_id}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return f"process {process_id}"
