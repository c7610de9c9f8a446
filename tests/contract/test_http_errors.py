"""Errors of the HTTP core: published shapes, and the connection stays usable after each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request

from tests.hosting import Wire, connected, make_os, serving

LIMIT = 2048


def base_app() -> FastAPI:
    app = FastAPI()

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    return app


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    os = make_os(base_app=base_app(), settings={"max_body_bytes": LIMIT})
    async with serving(os.app) as url, connected(url) as wire:
        yield wire
        # Whatever the test provoked, the same connection still serves.
        assert (await wire.ask("GET", "/health")).status == 200


async def test_an_unknown_path_is_404_as_json(wire: Wire):
    answer = await wire.ask("GET", "/no/such/path")
    assert (answer.status, answer.body) == (404, b'{"detail":"Not Found"}')


async def test_a_wrong_method_is_405_with_all_that_are_allowed(wire: Wire):
    answer = await wire.ask("DELETE", "/agents/my-agent/")
    assert (answer.status, answer.body) == (405, b'{"detail":"Method Not Allowed"}')
    assert answer.headers["allow"] == "GET, HEAD"


async def test_an_exception_in_a_users_route_is_500_without_its_text(wire: Wire, caplog: pytest.LogCaptureFixture):
    answer = await wire.ask("GET", "/broken")
    assert (answer.status, answer.body) == (500, b'{"detail":"Internal server error (RuntimeError)"}')
    assert "connection" not in answer.headers
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [True]


async def test_a_body_over_the_limit_is_413_before_it_is_read(wire: Wire):
    answer = await wire.ask("POST", "/echo", body=b"x" * (LIMIT + 1))
    assert answer.status == 413
    assert "SERAI_MAX_BODY_BYTES" in json.loads(answer.body)["detail"]


async def test_a_chunked_body_over_the_limit_is_413_as_it_streams_in(wire: Wire):
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    answer = await wire.ask("POST", "/echo", headers={"Transfer-Encoding": "chunked"}, body=chunk * 3 + b"0\r\n\r\n")
    assert answer.status == 413


async def test_a_body_at_the_limit_is_taken_in_either_coding(wire: Wire):
    assert (await wire.ask("POST", "/echo", body=b"x" * LIMIT)).body == b'{"length":2048}'
    chunked = b"800\r\n" + b"x" * LIMIT + b"\r\n0\r\n\r\n"
    answer = await wire.ask("POST", "/echo", headers={"Transfer-Encoding": "chunked"}, body=chunked)
    assert answer.body == b'{"length":2048}'


async def test_every_answer_carries_a_request_id(wire: Wire):
    first, second = await wire.ask("GET", "/health"), await wire.ask("GET", "/nope")
    assert len(first.headers["x-request-id"]) == 16
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_a_sane_request_id_is_kept_and_another_replaced(wire: Wire):
    kept = await wire.ask("GET", "/health", headers={"X-Request-Id": "job-7/step:2"})
    assert kept.headers["x-request-id"] == "job-7/step:2"
    replaced = await wire.ask("GET", "/health", headers={"X-Request-Id": "a b" + "c" * 200})
    assert replaced.headers["x-request-id"] != "a b" + "c" * 200


async def test_a_body_announced_with_expect_and_refused_ends_the_connection():
    async with serving(make_os(settings={"max_body_bytes": LIMIT}).app) as url, connected(url) as wire:
        headers = {"Expect": "100-continue", "Content-Length": str(LIMIT + 1)}
        answer = await wire.ask("POST", "/agents", headers=headers)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_routes_that_need_the_runtime_are_503_until_the_lifespan_has_run():
    import httpx

    transport = httpx.ASGITransport(make_os().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/api/v1/beta/agent-data/x")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "lifespan" in response.json()["detail"]
