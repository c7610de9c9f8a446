"""A node of Serai in a process of its own, for tests that kill it and look at its output. Not a test itself."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.nursery import Launch, launch

_KEPT_OUT = ("SERAI_", "OPENAI_", "PYTHON")


class NodeProcess:
    """``python -m serai …``, started with the block and stopped with it.

    Args:
        arguments: what follows ``serai``, for example ``["serve", "--port", "0"]``.
        env: variables beside those of the tests; SERAI_…, OPENAI_… and PYTHON… are not passed on otherwise.
        launch: how to start it.

    Attributes:
        url: where it listens; empty for a worker.
        lines: what it has printed so far.
    """

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, launch: Launch = launch
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_OUT)}
        marked = {name: os.environ[name] for name in ("SERAI_TEST_RUN",) if name in os.environ}
        self._env = {**kept, **marked, **(env or {})}
        self._arguments = arguments
        self._launch = launch
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self.url = ""
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        said, says = os.pipe()
        with os.fdopen(says, "wb") as output:
            self.process = self._launch(self._arguments, env=self._env, folder=Path.cwd(), stdout=output, stderr=output)
        self._output = os.fdopen(said, encoding="utf-8", errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()
        self._reader.join(10)
        self._output.close()

    def wait_for(self, text: str, *, timeout_s: float = 60) -> str:
        """Return the first line that holds ``text``, printed before or after now.

        Raises:
            AssertionError: the process ended or fell silent without it; the message holds what it printed.
        """
        for line in self.lines:
            if text in line:
                return line
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                arrived = self._arrived.get(timeout=left_s)
            except queue.Empty:
                break
            if arrived is None:
                break
            self.lines.append(arrived)
            if text in arrived:
                return arrived
        raise AssertionError(f"serai {' '.join(self._arguments)} never printed {text!r}:\n" + "\n".join(self.lines))

    def wait_until_listening(self) -> str:
        """Return the base URL once the server accepts connections."""
        self.url = self.wait_for("listening on ").removeprefix("listening on ")
        return self.url

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def wait(self, *, timeout_s: float = 60) -> int:
        """Return its exit code once it has ended; what it printed until then is in ``lines``."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        while (line := self._arrived.get(timeout=timeout_s)) is not None:
            self.lines.append(line)
        self._arrived.put(None)
        return code

    def _read(self) -> None:
        for line in self._output:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)
