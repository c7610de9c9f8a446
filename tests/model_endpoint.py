"""Endpoints of embedding models and rerankers in the test's own process. Not a test itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Answer: TypeAlias = tuple[int, Any]
"""A status and a JSON value."""


@dataclass
class Endpoint:
    """What was asked, and how it is answered.

    Attributes:
        answer: for the body of a request, the status and the body of its answer.
        asked: the paths and bodies of requests, in order.
        keys: what stood in their header Authorization.
        at_once: the most requests that were open at a time.
    """

    answer: Callable[[dict[str, Any]], Answer]
    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    at_once: int = 0
    _open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().splitlines()
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.asked.append((first.split()[1], body))
        self.keys.append(headers.get("authorization"))
        self._open += 1
        self.at_once = max(self.at_once, self._open)
        await asyncio.sleep(0.005)
        self._open -= 1
        status, value = self.answer(body)
        text = json.dumps(value).encode()
        about = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        writer.write(about.encode() + b"Connection: close\r\n\r\n" + text)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def endpoint(answer: Callable[[dict[str, Any]], Answer]) -> AsyncIterator[Endpoint]:
    """Serve for the length of the block."""
    served = Endpoint(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield served


def embeddings(body: dict[str, Any], *, dimensions: int = 3) -> Answer:
    """Return what an OpenAI-compatible endpoint answers: a vector that follows from the length of each text."""
    vectors = [[float(len(text)), *[1.0] * (dimensions - 1)] for text in body["input"]]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return 200, {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
