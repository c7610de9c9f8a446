"""The middleware by itself: what it adds, what it logs, what it swallows."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serai.errors import BodyTooLargeError
from serai.server.access import LoopbackGuard, SecurityKey
from serai.server.logs import ACCESS_LOGGER
from serai.server.middleware import BodyLimit, RequestContext


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def call(app: ASGIApp, *, headers: dict[str, str] | None = None, chunks: tuple[bytes, ...] = ()) -> list[Message]:
    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/x\ny",
        "raw_path": b"/x%0Ay",
        "query_string": b"key=secret",
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "app": FastAPI(),
    }
    await app(scope, receive, send)
    return sent


async def test_an_access_line_has_method_encoded_path_status_and_duration(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, ACCESS_LOGGER):
        await call(RequestContext(echo))
    [record] = caplog.records
    fields = record.__dict__["access"]
    assert (fields["method"], fields["path"], fields["status"], fields["client"]) == (
        "POST",
        "/x%0Ay",
        200,
        "127.0.0.1",
    )
    assert fields["duration_ms"] >= 0


async def test_an_exception_after_the_start_is_logged_and_not_answered_twice(caplog: pytest.LogCaptureFixture):
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in mid-stream")

    sent = await call(RequestContext(breaks))
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert "in mid-stream" in caplog.text


async def test_a_client_that_left_is_no_error(caplog: pytest.LogCaptureFixture):
    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert await call(RequestContext(left)) == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("length", ["11", "abc", "-1", "99999999999999999999"])
async def test_a_declared_length_over_the_limit_or_senseless_is_refused(length: str):
    sent = await call(BodyLimit(echo, max_bytes=10), headers={"content-length": length})
    assert sent[0]["status"] == 413


async def test_an_app_that_swallows_the_refusal_cannot_answer_in_its_place():
    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
        except BodyTooLargeError:
            await PlainTextResponse("fine", 200)(scope, receive, send)

    limited = BodyLimit(stubborn, max_bytes=10)
    sent = await call(limited, headers={"transfer-encoding": "chunked"}, chunks=(b"123456", b"123456"))
    assert [message.get("status") for message in sent] == [413, None]


async def test_a_stream_within_the_limit_passes():
    limited = BodyLimit(echo, max_bytes=12)
    sent = await call(limited, headers={"transfer-encoding": "chunked"}, chunks=(b"123456", b"123456"))
    assert sent[1]["body"] == b"12"


async def test_the_guard_and_the_key_close_a_websocket_that_may_not_open():
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("reached")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    headers = [(b"host", b"localhost"), (b"origin", b"https://evil.example")]
    page = {"type": "websocket", "path": "/ws", "headers": headers}
    guards: list[ASGIApp] = [
        LoopbackGuard(never, allowed_hosts=(), allowed_origins=()),
        SecurityKey(never, key="k", open_paths=()),
    ]
    for guard in guards:
        sent: list[Message] = []

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        await guard(dict(page), receive, send)
        assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
