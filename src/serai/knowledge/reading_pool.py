"""The processes that read and cut documents for this one. Threads take their answers, never the event loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from serai.errors import ConfigurationError
from serai.knowledge.passages import Passage, ReadDocument, ReadLimits, UnreadableError
from serai.knowledge.reading_frames import Block, Job, Outcome, decode_answer, encode, read_frame, write_frame

_COMMAND: Final = (sys.executable, "-P", "-m", "serai.knowledge.reading_process")


class _Process:
    """One reading process."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, process_group=0)  # noqa: S603 - our own
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._requests, self._answers = self._popen.stdin, self._popen.stdout
        self.is_used = self.is_late = False
        try:
            read_frame(self._answers)
        except EOFError as error:
            self.close()
            raise ConfigurationError(
                f"The process that reads documents does not start; see what `{' '.join(_COMMAND)}` says."
            ) from error

    def ask(self, job: Job, blocks: Iterable[Block]) -> tuple[list[Passage], Outcome]:
        """Return the answer to one request.

        Raises:
            EOFError, BrokenPipeError: the process ended before it had answered.
        """
        timer = threading.Timer(job.limits.seconds, self._run_out)
        timer.daemon = True
        self.is_late = False
        timer.start()
        try:
            for block in (encode(job), *blocks, b""):
                write_frame(self._requests, block)
            self._requests.flush()
            passages: list[Passage] = []
            while not isinstance(frame := decode_answer(read_frame(self._answers)), Outcome):
                passages += frame
            return passages, frame
        finally:
            timer.cancel()
            self.is_used = True

    def kill(self) -> None:
        """End it at once; whoever waits for its answer is told."""
        self._popen.kill()

    def close(self) -> int:
        """End it, and return how it ended."""
        with suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._popen.wait(0.1 if self.is_used else 0)
        except subprocess.TimeoutExpired:
            self.kill()
        self._answers.close()
        return self._popen.wait()

    def explain(self, limits: ReadLimits) -> str:
        """Return why it ended in mid-work."""
        code = self.close()
        if self.is_late or code == -getattr(signal, "SIGXCPU", signal.SIGTERM):
            return f"The document takes more than {limits.seconds:g} seconds to read; upload it in parts."
        return "The document makes its reader fail: it is damaged or too large. Save it anew, or upload it in parts."

    def _run_out(self) -> None:
        self.is_late = True
        self.kill()


@dataclass(eq=False)
class _Turn:
    """A request, and the process that has it."""

    job: Job
    blocks: Callable[[], Iterable[Block]]
    process: _Process | None = None
    is_given_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def give_to(self, process: _Process | None) -> bool:
        """Note which process has it, if any; return whether its answer is still wanted."""
        with self.lock:
            self.process = process
            return not self.is_given_up

    def give_up(self) -> None:
        """End the process that has it, now or as soon as there is one."""
        with self.lock:
            self.is_given_up = True
            if self.process is not None:
                self.process.kill()


class ReadingPool:
    """Reading processes, at most so many at a time. They are kept for the next document, and end by themselves."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="serai-reading")
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        atexit.register(self.close)

    async def do(self, job: Job, blocks: Callable[[], Iterable[Block]]) -> ReadDocument:
        """Return what a process answers; it is killed when the limit is reached or the caller is cancelled.

        Args:
            job: what it does.
            blocks: gives what follows in further frames; called in a thread, and once more for another process.

        Raises:
            UnreadableError: the document cannot be read within its limits.
            ConfigurationError: no process can be started.
        """
        turn = _Turn(job, blocks)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, turn)
        except asyncio.CancelledError:
            turn.give_up()
            raise

    def close(self) -> None:
        """End the processes that wait for work."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    def _work(self, turn: _Turn) -> ReadDocument:
        while True:
            process = self._take()
            was_used = process.is_used
            try:
                if not turn.give_to(process):
                    raise EOFError
                passages, outcome = process.ask(turn.job, turn.blocks())
            except (EOFError, OSError):
                reason = process.explain(turn.job.limits)
                if was_used and not process.is_late and not turn.is_given_up:
                    continue  # it may have gone to rest just then
                raise UnreadableError(reason) from None
            except BaseException:
                process.close()
                raise
            turn.give_to(None)
            self._put_back(process, outcome)
            if outcome.refusal is not None:
                raise UnreadableError(outcome.refusal)
            return ReadDocument(passages, outcome.chunker)

    def _take(self) -> _Process:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Process()

    def _put_back(self, process: _Process, outcome: Outcome) -> None:
        if outcome.is_last:
            process.close()
            return
        with self._lock:
            self._idle.append(process)


POOL: Final = ReadingPool(min(4, os.cpu_count() or 1))
"""The one of this process; it starts nothing before it is used."""
