"""The load of background runs: submits some, waits until they rest, and reads the answer of each once.

``python -m benchmarks.runs.background FILE`` reads a pickled `Job` and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import uvloop

from benchmarks.load import Seen, post_form

_FIRST_PAUSE_S = 0.02
_LAST_PAUSE_S = 0.25
_TIMEOUT_S = 300


class Job(NamedTuple):
    """Where to, and how many runs, of which so many are submitted at a time."""

    port: int
    path: str
    message: str
    runs: int
    concurrency: int


class _Answers:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> dict[str, Any]:
        """Send a request and return the JSON of its answer."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(size)
        if head[9:12] not in (b"200", b"202"):
            raise RuntimeError(f"{request!r} was answered {head!r} {body[:500]!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def close(self) -> None:
        self._writer.close()


async def run(job: Job) -> Seen:
    """Do the job; a run that failed ends it."""
    seen = Seen()
    submitted: list[dict[str, Any]] = []
    began, used = time.perf_counter(), time.process_time()
    connections = [_Answers(*await asyncio.open_connection("127.0.0.1", job.port)) for _ in range(job.concurrency)]
    numbers = iter(range(job.runs))
    latencies_s: list[float] = []
    await asyncio.gather(*(_submit(job, one, numbers, submitted, latencies_s) for one in connections))
    # Only the last one is asked for until it rests: asking for all of them again and again would be a load of its own.
    for answer in (submitted[-1], *submitted):
        pause_s = _FIRST_PAUSE_S
        while (status := str((await _read(job, connections[0], answer))["status"]).upper()) != "COMPLETED":
            if status not in ("PENDING", "RUNNING"):
                raise RuntimeError(f"a background run ended as {status}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LAST_PAUSE_S)
    for one in connections:
        one.close()
    seen.requests = job.runs
    seen.wall_s = time.perf_counter() - began
    seen.busy = (time.process_time() - used) / seen.wall_s
    seen.p50_ms = median(latencies_s) * 1000
    return seen


async def _submit(
    job: Job, connection: _Answers, numbers: Iterator[int], submitted: list[dict[str, Any]], latencies_s: list[float]
) -> None:
    request = post_form(job.port, job.path, {"message": job.message, "stream": "false", "background": "true"})
    for _ in numbers:
        began = time.perf_counter()
        submitted.append(await connection.ask(request))
        latencies_s.append(time.perf_counter() - began)


async def _read(job: Job, connection: _Answers, run: dict[str, Any]) -> dict[str, Any]:
    path = f"{job.path}/{run['run_id']}?session_id={run['session_id']}"
    return await connection.ask(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n\r\n".encode())


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(asdict(uvloop.run(asyncio.wait_for(run(job), _TIMEOUT_S)))))


if __name__ == "__main__":
    main()
