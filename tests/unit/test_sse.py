"""Event streams: frames, heartbeats, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.server.sse import HEARTBEAT, EventStream, frame

SCOPE = {"type": "http", "method": "POST"}


def test_a_frame_has_id_event_and_one_line_of_data():
    assert frame("RunContent", b'{"a":1}', 7) == b'id: 7\nevent: RunContent\ndata: {"a":1}\n\n'


@given(st.text())
def test_a_frames_data_survives_a_splitter_of_unicode_lines(text: str):
    data = json.dumps({"content": text}, ensure_ascii=False).encode(errors="surrogatepass").decode(errors="replace")
    lines = frame("RunContent", data.encode(), 0).decode().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[2].removeprefix("data: ")) == json.loads(data)


class Exchange:
    """The two ends of an ASGI call, as a server holds them."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.ended = False
        self.gone = asyncio.Event()
        self._changed = asyncio.Event()

    async def receive(self) -> dict[str, object]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        else:
            self.sent.append(message["body"])
            self.ended = not message.get("more_body", False)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


async def test_all_pieces_are_sent_in_order_after_an_opening_comment():
    async def frames() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    exchange = Exchange()
    await EventStream(frames(), heartbeat_s=10)(SCOPE, exchange.receive, exchange.send)
    assert exchange.sent == [b": ok\n\n", b"a", b"b", b""]
    assert exchange.ended
    assert exchange.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert exchange.headers[b"cache-control"] == b"no-cache"
    assert exchange.headers[b"x-accel-buffering"] == b"no"


async def test_the_first_byte_goes_out_before_the_first_event_and_silence_brings_heartbeats():
    go_on = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        await go_on.wait()
        yield b"late"

    exchange = Exchange()
    task = asyncio.create_task(EventStream(frames(), heartbeat_s=0.01)(SCOPE, exchange.receive, exchange.send))
    await exchange.until(lambda: exchange.sent.count(HEARTBEAT) == 2)
    go_on.set()
    await task
    assert exchange.sent[0] == b": ok\n\n"
    assert exchange.sent[-2:] == [b"late", b""]


async def test_a_client_that_leaves_closes_the_iterator_and_nothing_else():
    closed = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    exchange = Exchange()
    task = asyncio.create_task(EventStream(frames(), heartbeat_s=10)(SCOPE, exchange.receive, exchange.send))
    await exchange.until(lambda: b"first" in exchange.sent)
    exchange.gone.set()
    await task
    assert closed.is_set()
    assert not exchange.ended


async def test_an_exception_of_the_source_reaches_the_caller():
    async def frames() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("lost the log")

    exchange = Exchange()
    with pytest.raises(RuntimeError, match="lost the log"):
        await EventStream(frames(), heartbeat_s=10)(SCOPE, exchange.receive, exchange.send)
    assert not exchange.ended


async def test_cancelling_the_response_stops_it_and_closes_the_iterator():
    closed = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    exchange = Exchange()
    task = asyncio.create_task(EventStream(frames(), heartbeat_s=10)(SCOPE, exchange.receive, exchange.send))
    await exchange.until(lambda: b"first" in exchange.sent)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
