"""Many streams at a model's pace, of some of which the lateness of every chunk is taken.

``python -m benchmarks.runs.slow_streams FILE`` reads a pickled `Job` and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, cast

import uvloop

from benchmarks.processes import raise_file_limit

WATCHED = 32
_CHUNK = re.compile(rb'"content":\s*"(\d+\.\d{4}) "')
_END = b"0\r\n\r\n"
_TIMEOUT_S = 300


class Job(NamedTuple):
    """Where to, the request, how many streams, and the seconds over which they begin."""

    port: int
    request: bytes
    streams: int
    begin_s: float


@dataclass
class Seen:
    """What came: chunks looked at, how late they were, streams that ended well, and how long it took."""

    chunks: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    ended: int = 0
    wall_s: float = 0.0


@dataclass
class _Trial:
    open: int
    ended: int = 0
    late_s: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class _Stream(asyncio.Protocol):
    def __init__(self, trial: _Trial, request: bytes, *, is_watched: bool) -> None:
        self._trial = trial
        self._request = request
        self._is_watched = is_watched
        self._last = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._is_watched:
            now = time.time()
            # A chunk cut in two by the network is passed over.
            self._trial.late_s.extend(now - float(due) for due in _CHUNK.findall(data))
        self._last = (self._last + data)[-256:] if len(data) < 256 else data[-256:]
        if self._last.endswith(_END):
            self._trial.ended += 1
            assert self._transport is not None
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._trial.open -= 1
        if self._trial.open == 0:
            self._trial.done.set()


async def run(job: Job) -> Seen:
    """Open the streams one after the other and read all to their end."""
    raise_file_limit()
    trial, loop, began = _Trial(open=job.streams), asyncio.get_running_loop(), time.perf_counter()
    every = max(1, job.streams // WATCHED)
    for number in range(job.streams):
        is_watched = number % every == 0

        def make(is_watched: bool = is_watched) -> _Stream:
            return _Stream(trial, job.request, is_watched=is_watched)

        await loop.create_connection(make, "127.0.0.1", job.port)
        await asyncio.sleep(max(0.0, began + job.begin_s * (number + 1) / job.streams - time.perf_counter()))
    async with asyncio.timeout(_TIMEOUT_S):
        await trial.done.wait()
    late_ms = [late * 1000 for late in trial.late_s]
    p95_ms = quantiles(late_ms, n=20)[-1] if len(late_ms) > 1 else 0.0
    return Seen(len(late_ms), median(late_ms or [0.0]), p95_ms, trial.ended, time.perf_counter() - began)


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(asdict(uvloop.run(run(job)))))


if __name__ == "__main__":
    main()
