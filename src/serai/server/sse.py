"""Server-sent events: prebuilt frames, heartbeats, and a response that only follows and never cancels what it follows.

Source: WHATWG HTML, 9.2 Server-sent events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEARTBEAT = b": heartbeat\n\n"
_OPENING = b": ok\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

# Published clients split lines at these three, too, and lose the event they stand in.
_NEL, _LS, _PS = "\x85".encode(), "\u2028".encode(), "\u2029".encode()
_LINE_SEPARATORS_START = b"\xe2\x80"


def frame(event: str, data: bytes, seq: int) -> bytes:
    """Return one event as it goes over the wire.

    Args:
        event: its name, without line breaks.
        data: one JSON value on one line.
        seq: its sequence number, sent as the event's id.
    """
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, event.encode(), escape_line_separators(data))


def escape_line_separators(data: bytes) -> bytes:
    """Return JSON with U+0085, U+2028 and U+2029 as escapes; they can only stand inside its strings."""
    if data.isascii():
        return data
    if _LINE_SEPARATORS_START in data:
        data = data.replace(_LS, b"\\u2028").replace(_PS, b"\\u2029")
    if _NEL in data:
        data = data.replace(_NEL, b"\\u0085")
    return data


class EventStream(Response):
    """Sends frames as they come, and a comment whenever nothing was sent for a while.

    Args:
        frames: bytes of whole frames, one or many in a piece; closed when the client leaves or the server stops.
        heartbeat_s: seconds of silence before a comment keeps the client's read timeout from running out.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes], *, heartbeat_s: float) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._frames = frames
        self._heartbeat_s = heartbeat_s
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the stream until it ends or the client leaves."""
        gone = asyncio.create_task(_wait_until_gone(receive))
        sending = asyncio.create_task(self._send_all(send))
        try:
            await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = sending.done()
            await _stop(gone)
            await _stop(sending)
            if isinstance(self._frames, AsyncGenerator):
                await self._frames.aclose()
        if ended:
            sending.result()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": _OPENING, "more_body": True})
        now = asyncio.get_running_loop().time
        self._sent_at = now()
        # A task of its own, not a timeout around each frame: that would cost ten times what a frame does.
        beating = asyncio.create_task(self._beat(send))
        try:
            async for piece in self._frames:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._sent_at = now()
        finally:
            await _stop(beating)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _beat(self, send: Send) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._sent_at + self._heartbeat_s - now())
            if now() - self._sent_at >= self._heartbeat_s:
                await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
                self._sent_at = now()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        # Asked for, so that asyncio does not complain; whoever wants it asks for the task's result.
        task.exception()
