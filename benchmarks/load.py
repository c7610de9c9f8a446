"""The load generator: sends given requests over kept connections, in a process that is not measured.

``python -m benchmarks.load FILE`` reads a pickled `Load` and prints what it saw as JSON; without a file it does that
with one `Load` after the other from standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import cast
from urllib.parse import urlencode

import uvloop

from benchmarks.processes import ApartError, run_apart

LEAST = 5
_ACCEPTED = (b"200", b"201", b"202", b"204")
_WITHOUT_BODY = b"204"
_STALL_S = 60
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Load:
    """What to send.

    Attributes:
        port: of the server, on the loopback interface.
        requests: as they go over the connection.
        is_cycled: start again after the last one.
        concurrency: connections, each with one request under way.
        most: requests in all, at most.
        seconds: no request is begun later than this, but for the first ones: a median needs some.
        expect: what each answer must hold.
        count: what is counted in the answers; empty for nothing.
    """

    port: int
    requests: list[bytes]
    is_cycled: bool
    concurrency: int
    most: int
    seconds: float
    expect: bytes = b""
    count: bytes = b""


@dataclass
class Seen:
    """What came back.

    Attributes:
        requests: those that came to an end.
        failures: answers that refuse or lack what is expected, and requests whose connection was lost.
        wall_s: from the first request to the last answer.
        p50_ms: of one request.
        busy: the share of one core that the load generator itself used.
        failed: an example of a failure.
        counted: marks in all answers.
        received_bytes: of all answers, with their heads.
        database_cpu_s: of PostgreSQL meanwhile, where the sender itself looks at it.
    """

    requests: int = 0
    failures: int = 0
    wall_s: float = 0.0
    p50_ms: float = 0.0
    busy: float = 0.0
    failed: str = ""
    counted: int = 0
    received_bytes: int = 0
    database_cpu_s: float | None = None


def post_form(port: int, path: str, fields: dict[str, str]) -> bytes:
    """Return a POST of an urlencoded form, as it goes over a connection that is kept."""
    body = urlencode(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


@dataclass
class Run:
    """The state that all connections of one load share."""

    load: Load
    seen: Seen = field(default_factory=Seen)
    begun: int = 0
    open: int = 0
    ends_at: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Wait until all connections have nothing more to do.

        Raises:
            TimeoutError: no answer has come for a minute.
        """
        while not self.done.is_set():
            before = self.seen.requests
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STALL_S):
                    await self.done.wait()
            if not self.done.is_set() and self.seen.requests == before:
                raise TimeoutError(f"no answer has come for {_STALL_S} s, after {before} requests")

    def next(self) -> bytes | None:
        """Return the next request, None when it is enough."""
        load, index = self.load, self.begun
        if index >= load.most or (not load.is_cycled and index >= len(load.requests)):
            return None
        if time.perf_counter() >= self.ends_at and index >= max(load.concurrency, LEAST):
            return None
        self.begun += 1
        return load.requests[index % len(load.requests)]

    def answered(self, began: float, answer: bytes) -> None:
        """Note an answer."""
        self.latencies_s.append(time.perf_counter() - began)
        self.seen.requests += 1
        self.seen.received_bytes += len(answer)
        if answer[9:12] not in _ACCEPTED or self.load.expect not in answer:
            self.failed(answer.decode(errors="replace"))
        elif self.load.count:
            self.seen.counted += answer.count(self.load.count)

    def failed(self, why: str) -> None:
        """Note a failure."""
        self.seen.failures += 1
        self.seen.failed = self.seen.failed or why[:2000]

    def closed(self) -> None:
        """Note that a connection has nothing more to do."""
        self.open -= 1
        if self.open == 0:
            self.done.set()


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._size: int | None = None
        self._request: bytes | None = None
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; when it is whole, send the next request."""
        self._received = received = self._received + data if self._received else data
        if self._size is None:
            self._size = self._size_of(received)
        if self._size is None or len(received) < self._size:
            return
        self._run.answered(self._began, received)
        self._received, self._size, self._request = b"", None, None
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Open another connection, unless there is nothing more to do."""
        if self._request is None:
            self._run.closed()
            return
        # Some servers close a kept connection now and then; it is opened again, and the request counts as failed.
        self._run.seen.requests += 1
        self._run.failed(f"connection lost: {error or 'closed'}")
        self._received, self._size, self._request = b"", None, None
        asyncio.get_running_loop().create_task(connect(self._run))

    def _send(self) -> None:
        assert self._transport is not None
        self._request = self._run.next()
        if self._request is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def _size_of(self, received: bytes) -> int | None:
        """Return the size of head and body; None until it is known."""
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return None
        assert self._request is not None
        if self._request.startswith(b"HEAD") or received[9:12] == _WITHOUT_BODY:
            return end + 4
        head = received[:end].lower() + b"\r\n"
        _, is_sized, rest = head.partition(b"\r\ncontent-length:")
        if is_sized:
            return end + 4 + int(rest.split(b"\r\n", 1)[0])
        return len(received) if received.endswith(b"0\r\n\r\n") else None


async def connect(run: Run) -> None:
    """Open one connection, which then works by itself."""
    try:
        await asyncio.get_running_loop().create_connection(lambda: Connection(run), "127.0.0.1", run.load.port)
    except OSError as error:
        run.failed(str(error))
        run.closed()


async def send(load: Load) -> Seen:
    """Send a load and return what was seen."""
    run = Run(load)
    run.open = min(load.concurrency, load.most)
    began, used = time.perf_counter(), time.process_time()
    run.ends_at = began + load.seconds
    for _ in range(run.open):
        await connect(run)
    await run.wait()
    seen = run.seen
    seen.wall_s = time.perf_counter() - began
    seen.busy = (time.process_time() - used) / seen.wall_s
    seen.p50_ms = median(run.latencies_s) * 1000 if run.latencies_s else 0.0
    return seen


def send_apart(load: Load) -> Seen:
    """Send a load from a process of its own."""
    return Seen(**run_apart("benchmarks.load", load))


class LoadProcess:
    """A load generator that stays, for many small loads."""

    def __init__(self) -> None:
        self._process = self._start()

    def send(self, load: Load) -> Seen:
        """Send a load and return what was seen.

        Raises:
            ApartError: the load failed; why is on standard error.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(pickle.dumps(load))
        asked.flush()
        if not (answer := answers.readline()):
            self.stop()
            self._process = self._start()
            raise ApartError("the load generator has failed")
        return Seen(**json.loads(answer))

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.load"]
        return subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def main() -> None:
    if sys.argv[1:]:
        _answer(pickle.loads(Path(sys.argv[1]).read_bytes()))
        return
    with contextlib.suppress(EOFError):
        while True:
            _answer(pickle.load(sys.stdin.buffer))


def _answer(load: Load) -> None:
    print(json.dumps(asdict(uvloop.run(send(load)))), flush=True)


if __name__ == "__main__":
    main()
