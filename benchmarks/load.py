"""The load generator: repeats one HTTP request over kept-alive connections, in a process that is not measured.

``python -m benchmarks.load URL --requests N --concurrency C [--form TEXT] [--count MARK] --expect TEXT`` prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

_STREAM_LIMIT_BYTES = 16 * 1024 * 1024


class LoadError(Exception):
    """An answer was not what the benchmark expects; nothing is measured then."""


@dataclass(frozen=True)
class Job:
    """What to send, how often, and what each answer must hold.

    Attributes:
        url: where to.
        form: the urlencoded body of a POST; empty for a GET.
        requests: number of requests in all.
        concurrency: connections, each with one request under way.
        expect: text that each answer must contain.
        count: text whose occurrences in the answers are counted; empty for none.
    """

    url: str
    form: str
    requests: int
    concurrency: int
    expect: str
    count: str = ""

    def request(self) -> bytes:
        """Return the request's bytes."""
        parts = urlsplit(self.url)
        if not self.form:
            return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(self.form)}\r\n\r\n"
        )
        return (head + self.form).encode()


@dataclass
class LoadResult:
    """What was seen: seconds of each request, seconds in all, and the marks counted."""

    wall_s: float = 0.0
    counted: int = 0
    latencies_s: list[float] = field(default_factory=list)


async def run_job(job: Job) -> LoadResult:
    """Send all requests of a job.

    Raises:
        LoadError: an answer is not 200 or lacks what is expected.
    """
    result = LoadResult()
    waiting = iter(range(job.requests))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as connections:
        for _ in range(min(job.concurrency, job.requests)):
            connections.create_task(_use_connection(job, waiting, result))
    result.wall_s = time.perf_counter() - began
    return result


async def _use_connection(job: Job, waiting: Iterator[int], result: LoadResult) -> None:
    parts = urlsplit(job.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_STREAM_LIMIT_BYTES)
    request, expect, count = job.request(), job.expect.encode(), job.count.encode()
    try:
        for _ in waiting:
            began = time.perf_counter()
            writer.write(request)
            status, body = await _read_answer(reader)
            result.latencies_s.append(time.perf_counter() - began)
            if status != 200 or expect not in body:
                raise LoadError(f"{job.url} answered {status}: {body[:500]!r}")
            result.counted += body.count(count) if count else 0
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    _, is_sized, rest = head.partition(b"\r\ncontent-length:")
    if is_sized:
        return status, await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(pieces)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--form", default="")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--expect", required=True)
    parser.add_argument("--count", default="")
    print(json.dumps(asdict(asyncio.run(run_job(Job(**vars(parser.parse_args())))))))


if __name__ == "__main__":
    main()
