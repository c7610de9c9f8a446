"""Followers of the same runs on two nodes, which note when each event reached them.

``python -m benchmarks.runs.followers FILE`` reads a pickled `Job` and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from benchmarks.load import post_form

_TIMEOUT_S = 120
Seen = dict[int, float]


class Job(NamedTuple):
    """The node that runs, the other one, how many runs at a time, and of how many chunks."""

    port: int
    other_port: int
    runs: int
    chunks: int


class Followed(NamedTuple):
    """A run: when each event, by its sequence number, reached a follower on its own node and on the other one."""

    run_id: str
    same: Seen
    other: Seen


async def run(job: Job) -> list[Followed]:
    """Begin the runs at the first node and follow them on both."""
    async with asyncio.timeout(_TIMEOUT_S):
        return await asyncio.gather(*(_follow_both(job) for _ in range(job.runs)))


async def _follow_both(job: Job) -> Followed:
    run_id, path = str(uuid4()), "/agents/paced/runs"
    form = {"message": str(job.chunks), "stream": "true", "run_id": run_id}
    same: Seen = {}
    begun = asyncio.Event()
    own = asyncio.create_task(_read(job.port, post_form(job.port, path, form), same, begun))
    await begun.wait()
    head = f"GET {path}/{run_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{job.other_port}\r\nAccept: */*\r\n\r\n"
    other: Seen = {}
    opened_at = time.time()
    await _read(job.other_port, head.encode(), other, asyncio.Event())
    await own
    # What was committed before the second follower came says nothing about it; that is sorted out by commit time.
    other[-1] = opened_at
    return Followed(run_id, same, other)


async def _read(port: int, request: bytes, seen: Seen, begun: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    while line := await reader.readline():
        if line.startswith(b"id:"):
            seen[int(line[3:])] = time.time()
            begun.set()
        elif line == b"0\r\n":
            break
    writer.close()
    if not seen:
        raise RuntimeError(f"nothing was seen of {request!r}")


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps({"runs": asyncio.run(run(job))}))


if __name__ == "__main__":
    main()
