"""A server on a socket that answers each request as a test scripted it, byte by byte if need be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import parse_qs


@dataclass
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


Behaviour = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedServer:
    """What the server has received, and where it is."""

    base_url: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def scripted_server(*script: Behaviour) -> AsyncIterator[ScriptedServer]:
    """Serve one behaviour a request, in order; a request beyond the script is a 500."""
    server = ScriptedServer()
    left = list(script)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        tasks.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            while request := await read_request(reader):
                server.received.append(request)
                await (left.pop(0) if left else answer(500, b"{}"))(request, reader, writer)
                if writer.is_closing():
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)


def answer(status: int, body: bytes, **headers: str) -> Behaviour:
    """Answer in full and keep the connection."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "content-type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return behave


def drop() -> Behaviour:
    """Close the connection without a word."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return behave


def silence() -> Behaviour:
    """Give no answer until the client hangs up."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    return behave


def stream(*chunks: bytes, end: Literal["whole", "dropped", "silent"] = "whole") -> Behaviour:
    """Send an event stream chunk by chunk, and then end it, drop the connection in the middle, or fall silent."""

    async def behave(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for chunk in chunks:
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
            await asyncio.sleep(0)
        if end == "whole":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        elif end == "dropped":
            writer.close()
        else:
            await reader.read()

    return behave
