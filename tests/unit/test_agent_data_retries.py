"""Requests of the Agent Data clients that get lost: three in all, and a write happens once."""

from __future__ import annotations

import httpx
import pytest

from serai.agent_data import AsyncAgentDataClient, AsyncLlamaCloud
from serai.exceptions import RemoteServerUnavailableError
from tests.unit.both_clients import QUICK, Recorder, result_of
from tests.unit.scripted_server import answer, drop, scripted_server, silence
from tests.unit.test_agent_data_client import BOTH, Person, connect, record

ADA = Person(name="Ada", age=36)


@BOTH
@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silence"),
        httpx.ReadError("cut"),
        httpx.RemoteProtocolError("cut"),
        *(httpx.Response(status) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
    ids=repr,
)
async def test_a_create_is_sent_again_with_the_same_key(kind, trouble):
    server = Recorder(trouble, record())
    await result_of(connect(kind, server).create_item(ADA))
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert (len(server.requests), len(keys)) == (2, 1)
    assert server.requests[0].content == server.requests[1].content


@BOTH
async def test_every_write_has_its_own_key(kind):
    server = Recorder(record())
    client = connect(kind, server)
    await result_of(client.create_item(ADA))
    await result_of(client.update_item("x", ADA))
    await result_of(client.delete_item("x"))
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 3


@BOTH
async def test_after_three_requests_the_caller_gets_the_cause(kind):
    server = Recorder(httpx.ReadTimeout("silence"))
    with pytest.raises(RemoteServerUnavailableError, match="did not answer in time: silence") as caught:
        await result_of(connect(kind, server).get_item("x"))
    assert isinstance(caught.value.original_error, httpx.ReadTimeout)
    assert len(server.requests) == 3


@BOTH
async def test_after_three_error_answers_the_caller_gets_the_last(kind):
    server = Recorder(*[httpx.Response(503) for _ in range(3)])
    with pytest.raises(httpx.HTTPStatusError, match="503"):
        await result_of(connect(kind, server).get_item("x"))
    assert len(server.requests) == 3


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422])
async def test_a_refusal_is_final(kind, status):
    server = Recorder(httpx.Response(status, json={"detail": "no"}))
    with pytest.raises(httpx.HTTPStatusError):
        await result_of(connect(kind, server).create_item(ADA))
    assert len(server.requests) == 1


@BOTH
async def test_a_delete_whose_first_answer_was_lost_has_worked_when_the_record_is_gone(kind):
    server = Recorder(httpx.ReadError("cut"), httpx.Response(404, json={"detail": "not found"}))
    await result_of(connect(kind, server).delete_item("x"))
    assert len(server.requests) == 2


@BOTH
async def test_a_delete_that_never_arrived_and_finds_nothing_is_a_404(kind):
    server = Recorder(httpx.ConnectError("refused"), httpx.Response(404, json={"detail": "not found"}))
    with pytest.raises(httpx.HTTPStatusError, match="not found"):
        await result_of(connect(kind, server).delete_item("x"))


async def test_the_timeout_of_the_http_client_is_used():
    async with (
        scripted_server(silence(), drop(), answer(200, record().content)) as server,
        httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.2)) as http_client,
    ):
        base = AsyncLlamaCloud(server.base_url, httpx_client=http_client, retry=QUICK)
        found = await AsyncAgentDataClient(Person, client=base).get_item("x")
    assert found.data == ADA
    assert len(server.received) == 3
