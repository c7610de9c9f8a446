"""A plain run whose answer is lost: the client finds the run, or sends it again, and never runs it twice."""

from __future__ import annotations

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from tests.unit.both_clients import QUICK, Recorder, connect, result_of, run_json
from tests.unit.scripted_server import answer, drop, scripted_server, silence

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
LOST = pytest.mark.parametrize(
    "loss", [httpx.ReadTimeout("silence"), httpx.ReadError("cut"), httpx.RemoteProtocolError("cut")], ids=repr
)


def not_found() -> httpx.Response:
    return httpx.Response(404, json={"detail": "Run not found"})


def needs_session() -> httpx.Response:
    return httpx.Response(422, json={"detail": [{"loc": ["query", "session_id"], "msg": "Field required"}]})


@BOTH
@LOST
async def test_a_run_that_goes_on_is_waited_for(kind, loss):
    server = Recorder(loss, run_json("PENDING"), run_json("RUNNING"), run_json("COMPLETED"))
    result = await result_of(connect(kind, server).run_agent("a", "2+2", run_id="r-1"))
    assert (result.status, result.content) == ("COMPLETED", "4")
    assert server.asked == ["POST /agents/a/runs", *["GET /agents/a/runs/r-1"] * 3]


@BOTH
@LOST
async def test_a_run_that_never_arrived_is_sent_again_with_the_same_key(kind, loss):
    server = Recorder(loss, not_found(), run_json())
    await result_of(connect(kind, server).run_agent("a", "2+2", run_id="r-1"))
    assert server.asked == ["POST /agents/a/runs", "GET /agents/a/runs/r-1", "POST /agents/a/runs"]
    first, _, second = server.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.content == second.content


@BOTH
async def test_a_run_is_sent_three_times_at_most(kind):
    def handler(request: httpx.Request) -> httpx.Response:
        posts.append(request.method)
        if request.method == "GET":
            return not_found()
        raise httpx.ReadError("cut")

    posts: list[str] = []
    with pytest.raises(RemoteServerUnavailableError, match="dropped"):
        await result_of(connect(kind, handler).run_agent("a", "2+2"))
    assert posts == ["POST", "GET"] * 3


@BOTH
async def test_a_run_without_connection_is_sent_again_without_a_question(kind):
    server = Recorder(httpx.ConnectError("refused"), run_json())
    await result_of(connect(kind, server).run_agent("a", "x"))
    assert server.asked == ["POST /agents/a/runs"] * 2


@BOTH
async def test_an_overloaded_server_is_asked_again_after_the_time_it_names(kind):
    server = Recorder(httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(429), run_json())
    assert (await result_of(connect(kind, server).run_agent("a", "x"))).status == "COMPLETED"
    assert server.asked == ["POST /agents/a/runs"] * 3


@BOTH
async def test_a_gateway_that_lost_the_answer_counts_as_silence(kind):
    server = Recorder(httpx.Response(504), run_json("RUNNING"), run_json())
    assert (await result_of(connect(kind, server).run_agent("a", "x", run_id="r-1"))).status == "COMPLETED"
    assert server.asked[0] == "POST /agents/a/runs"
    assert server.asked.count("POST /agents/a/runs") == 1


@BOTH
@pytest.mark.parametrize("status", [400, 404, 409, 500])
async def test_a_refusal_is_final(kind, status):
    server = Recorder(httpx.Response(status, json={"detail": "no"}))
    with pytest.raises(httpx.HTTPStatusError, match="no"):
        await result_of(connect(kind, server).run_agent("a", "x"))
    assert len(server.requests) == 1


@BOTH
async def test_a_server_that_needs_the_session_is_asked_with_it(kind):
    server = Recorder(httpx.ReadTimeout("silence"), needs_session(), run_json())
    result = await result_of(connect(kind, server).run_agent("a", "x", run_id="r-1", session_id="s 1"))
    assert result.status == "COMPLETED"
    assert str(server.requests[2].url) == "http://os.test/agents/a/runs/r-1?session_id=s+1"


@BOTH
async def test_a_silent_server_that_cannot_say_whether_it_has_the_run_is_not_asked_to_run_it_twice(kind):
    server = Recorder(httpx.ReadTimeout("silence"), needs_session(), not_found())
    with pytest.raises(RemoteServerUnavailableError, match="did not answer in time"):
        await result_of(connect(kind, server).run_agent("a", "x", session_id="s"))
    assert server.asked.count("POST /agents/a/runs") == 1


@BOTH
async def test_the_wait_for_a_run_has_a_limit(kind):
    server = Recorder(httpx.ReadTimeout("silence"), run_json("RUNNING"))
    with pytest.raises(RemoteServerUnavailableError, match=r"Run r-1 has not ended within 0\.01 s"):
        await result_of(connect(kind, server).run_agent("a", "x", run_id="r-1", run_timeout=0.01))


@BOTH
async def test_a_background_run_is_looked_up_but_not_waited_for(kind):
    server = Recorder(httpx.ReadTimeout("silence"), run_json("RUNNING"))
    assert (await result_of(connect(kind, server).run_agent("a", "x", background=True))).status == "RUNNING"


@BOTH
async def test_a_continued_run_that_is_still_paused_is_continued_again_with_the_same_key(kind):
    server = Recorder(httpx.ReadError("cut"), run_json("PAUSED"), run_json())
    result = await result_of(connect(kind, server).continue_agent_run("a", "r-1", []))
    assert result.status == "COMPLETED"
    assert server.requests[0].headers["idempotency-key"] == server.requests[2].headers["idempotency-key"]


@BOTH
async def test_a_continued_run_that_goes_on_is_waited_for_until_it_pauses_again(kind):
    server = Recorder(httpx.ReadTimeout("silence"), run_json("RUNNING"), run_json("PAUSED"))
    assert (await result_of(connect(kind, server).continue_agent_run("a", "r-1", []))).is_paused
    assert server.asked.count("POST /agents/a/runs/r-1/continue") == 1


@BOTH
async def test_a_continued_run_is_not_sent_again_to_a_server_that_shows_it_paused_until_it_has_ended(kind):
    server = Recorder(httpx.ReadError("cut"), needs_session(), run_json("PAUSED"))
    with pytest.raises(RemoteServerUnavailableError, match="dropped"):
        await result_of(connect(kind, server).continue_agent_run("a", "r-1", [], "s"))
    assert server.asked.count("POST /agents/a/runs/r-1/continue") == 1


@BOTH
async def test_a_cancel_is_repeated_with_its_key(kind):
    server = Recorder(httpx.ReadError("cut"), httpx.Response(502), httpx.Response(200, json={}))
    assert await result_of(connect(kind, server).cancel_agent_run("a", "r-1", session_id="s")) is None
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert [str(request.url) for request in server.requests] == [
        "http://os.test/agents/a/runs/r-1/cancel?session_id=s"
    ] * 3


@BOTH
async def test_the_search_for_a_run_outlasts_a_restart_of_the_server(kind):
    refused = httpx.ConnectError("refused")
    server = Recorder(httpx.ReadError("cut"), refused, refused, refused, refused, run_json())
    assert (await result_of(connect(kind, server).run_agent("a", "x"))).status == "COMPLETED"


async def test_a_slow_answer_on_a_socket_becomes_a_search_for_the_run():
    body = run_json().content
    async with (
        scripted_server(silence(), answer(200, body)) as server,
        AgentOSClient(server.base_url, timeout=0.05, retry=QUICK) as client,
    ):
        result = await client.run_agent("a", "2+2", run_id="r-1")
    assert result.content == "4"
    assert [request.target for request in server.received] == ["/agents/a/runs", "/agents/a/runs/r-1"]


async def test_a_connection_dropped_on_a_socket_becomes_a_search_for_the_run():
    async with (
        scripted_server(drop(), answer(404, b"{}"), answer(200, run_json().content)) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        result = await client.run_agent("a", "2+2", run_id="r-1")
    assert result.content == "4"
    assert [request.method for request in server.received] == ["POST", "GET", "POST"]


async def test_connections_are_kept_between_calls():
    async with (
        scripted_server(answer(200, b"[]"), answer(404, b"{}"), answer(200, b"[]")) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        await client.list_agents()
        with pytest.raises(httpx.HTTPStatusError):
            await client.list_agents()
        await client.list_agents()
    assert len(server.received) == 3
    assert server.connections == 1
