"""A run's events: typed, complete and in order, through broken connections and odd framing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from serai.client import AgentOSClient, SyncAgentOSClient
from serai.exceptions import RemoteServerUnavailableError
from serai.run.agent import (
    CustomEvent,
    RunCompletedEvent,
    RunContentEvent,
    RunStartedEvent,
    StepRestartedEvent,
    StreamedText,
    UnknownEvent,
)
from tests.unit.both_clients import QUICK, Recorder, connect, events_of, frames, run_json
from tests.unit.scripted_server import answer, drop, scripted_server, stream

BOTH = pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])

STORY = [
    {"event": "RunStarted", "run_id": "r-1"},
    {"event": "RunContent", "run_id": "r-1", "content": "Once "},
    {"event": "RunContent", "run_id": "r-1", "content": "upon\u2028a time"},
    {"event": "RunCompleted", "run_id": "r-1", "content": "Once upon\u2028a time"},
]
NAMES = [event["event"] for event in STORY]
FOLLOW = "GET /agents/a/runs/r-1/events"


def sse(body: bytes) -> httpx.Response:
    return httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})


def names(events: list[Any]) -> list[str]:
    return [event.event for event in events]


@BOTH
async def test_events_are_typed_and_complete(kind):
    server = Recorder(sse(frames(*STORY, first=None)))
    events = await events_of(connect(kind, server).run_agent_stream(agent_id="a", message="tell", run_id="r-1"))
    assert [type(event) for event in events] == [RunStartedEvent, RunContentEvent, RunContentEvent, RunCompletedEvent]
    assert "".join(event.content for event in events[1:3]) == events[3].content
    assert b"stream=true" in server.requests[0].content
    assert server.requests[0].headers["accept"] == "text/event-stream"


@BOTH
async def test_what_is_no_event_is_skipped_and_the_unknown_is_kept(kind):
    body = b': heartbeat\n\ndata: [DONE]\n\ndata: [1]\n\ndata: null\n\nevent: Novel\ndata: {"x": 1}\n\n'
    server = Recorder(
        sse(body + b'data:{"event":"CustomEvent","name":"step_restarted"}\n\n' + frames(STORY[3], first=None))
    )
    events = await events_of(connect(kind, server).run_agent_stream("a", "x"))
    assert [type(event) for event in events] == [UnknownEvent, CustomEvent, RunCompletedEvent]
    assert (events[0].event, events[0].x, events[1].name) == ("Novel", 1, "step_restarted")


@BOTH
async def test_the_sequence_of_an_event_is_its_index(kind):
    server = Recorder(sse(frames(*STORY)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert [event.event_index for event in events] == [0, 1, 2, 3]


@BOTH
async def test_a_refused_stream_raises_before_its_first_event(kind):
    server = Recorder(httpx.Response(404, json={"detail": "Agent not found"}))
    with pytest.raises(httpx.HTTPStatusError, match="Agent not found"):
        await events_of(connect(kind, server).run_agent_stream("nobody", "x"))


@BOTH
async def test_a_busy_server_is_asked_again_for_a_stream(kind):
    server = Recorder(httpx.Response(503, headers={"retry-after": "0"}), sse(frames(*STORY)))
    assert names(await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))) == NAMES


@BOTH
async def test_a_stream_that_ends_too_early_is_taken_up_where_it_broke(kind):
    server = Recorder(sse(frames(*STORY[:2])), sse(frames(*STORY[1:], first=1)))
    events = await events_of(connect(kind, server, headers={"x": "y"}).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert server.asked == ["POST /agents/a/runs", "GET /agents/a/runs/r-1/events"]
    assert server.requests[1].headers["last-event-id"] == "1"
    assert server.requests[1].headers["x"] == "y"


@BOTH
async def test_the_end_of_a_members_run_is_not_the_end_of_the_stream(kind):
    member = {"event": "RunCompleted", "run_id": "other"}
    server = Recorder(sse(frames(STORY[0], member)), sse(frames(STORY[3], first=2)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == ["RunStarted", "RunCompleted", "RunCompleted"]


@BOTH
async def test_reattaching_gives_up_when_nothing_new_comes(kind):
    server = Recorder(sse(frames(*STORY[:2])), httpx.ConnectError("refused"))
    with pytest.raises(RemoteServerUnavailableError, match="refused"):
        await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert len(server.requests) == QUICK.max_reconnects


@BOTH
async def test_following_starts_after_the_index_given(kind):
    server = Recorder(sse(frames(*STORY[2:], first=2)))
    events = await events_of(connect(kind, server).follow_agent_run("a", "r-1", after=1))
    assert names(events) == NAMES[2:]
    assert server.asked == ["GET /agents/a/runs/r-1/events"]
    assert server.requests[0].headers["last-event-id"] == "1"


@BOTH
async def test_following_a_run_that_has_ended_from_its_last_event_yields_nothing(kind):
    server = Recorder(sse(b": ok\n\n"), run_json("COMPLETED"), sse(b": ok\n\n"))
    assert await events_of(connect(kind, server).follow_agent_run("a", "r-1", after=3)) == []
    assert server.asked == [FOLLOW, "GET /agents/a/runs/r-1", FOLLOW]


@BOTH
async def test_what_a_run_said_between_the_end_of_a_stream_and_the_question_for_its_state_is_not_lost(kind):
    server = Recorder(sse(b": ok\n\n"), run_json("COMPLETED"), sse(frames(*STORY[2:], first=2)))
    events = await events_of(connect(kind, server).follow_agent_run("a", "r-1", after=1))
    assert names(events) == NAMES[2:]


@BOTH
async def test_a_stream_that_ends_before_its_first_event_is_followed_from_the_start(kind):
    server = Recorder(sse(b": ok\n\n"), run_json("COMPLETED"), sse(frames(*STORY)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert server.asked == ["POST /agents/a/runs", "GET /agents/a/runs/r-1", FOLLOW]


PAUSE = {"event": "RunPaused", "run_id": "r-1"}
CONTINUED = [{"event": "RunContinued", "run_id": "r-1"}, STORY[3]]
PAUSED_LOG = [*STORY[:2], PAUSE, *CONTINUED]


@BOTH
async def test_a_pause_ends_the_stream_in_which_it_happens(kind):
    server = Recorder(sse(frames(*PAUSED_LOG[:3])))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events)[-1] == "RunPaused"
    assert len(server.requests) == 1


@BOTH
async def test_a_pause_in_the_middle_of_a_log_is_not_its_end(kind):
    server = Recorder(sse(frames(*PAUSED_LOG[:3])), run_json("RUNNING"), sse(frames(*CONTINUED, first=3)))
    events = await events_of(connect(kind, server).follow_agent_run("a", "r-1"))
    assert [event.event_index for event in events] == [0, 1, 2, 3, 4]
    assert names(events) == [event["event"] for event in PAUSED_LOG]


@BOTH
async def test_following_a_run_that_is_paused_ends_at_its_pause(kind):
    server = Recorder(sse(frames(*PAUSED_LOG[:3])), run_json("PAUSED"), sse(b": ok\n\n"))
    events = await events_of(connect(kind, server).follow_agent_run("a", "r-1"))
    assert names(events)[-1] == "RunPaused"
    assert server.requests[-1].headers["last-event-id"] == "2"


@BOTH
async def test_a_run_that_paused_and_went_on_while_its_stream_was_broken_is_followed_to_its_end(kind):
    server = Recorder(
        sse(frames(*PAUSED_LOG[:2])), sse(frames(PAUSE, first=2)), run_json("PAUSED"), sse(frames(*CONTINUED, first=3))
    )
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert [event.event_index for event in events] == [0, 1, 2, 3, 4]


async def test_a_connection_dropped_after_an_old_pause_is_taken_up():
    log = frames(*PAUSED_LOG)
    async with (
        scripted_server(
            stream(log[: log.index(b"id: 3")], end="dropped"), drop(), stream(log[log.index(b"id: 3") :])
        ) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        events = await events_of(client.follow_agent_run("a", "r-1"))
    assert names(events) == [event["event"] for event in PAUSED_LOG]


@BOTH
async def test_a_broken_stream_of_a_continued_run_is_taken_up_where_it_broke(kind):
    server = Recorder(sse(frames(CONTINUED[0], first=3)), sse(frames(CONTINUED[1], first=4)))
    events = await events_of(connect(kind, server).continue_agent_run_stream("a", "r-1", []))
    assert names(events) == ["RunContinued", "RunCompleted"]
    assert server.asked == ["POST /agents/a/runs/r-1/continue", FOLLOW]
    assert server.requests[1].headers["last-event-id"] == "3"


@BOTH
async def test_a_lost_stream_of_a_continued_run_is_not_asked_for_again_when_the_server_knows_no_keys(kind):
    server = Recorder(httpx.ReadError("cut"), httpx.Response(422), run_json("COMPLETED"))
    with pytest.raises(RemoteServerUnavailableError, match="dropped"):
        await events_of(connect(kind, server).continue_agent_run_stream("a", "r-1", [], "s"))
    assert server.asked.count("POST /agents/a/runs/r-1/continue") == 1


@BOTH
async def test_a_stream_of_content_only_stays_one_when_it_is_taken_up(kind):
    server = Recorder(
        sse(frames(STORY[1], first=1)), sse(frames({"event": "ModelRequestStarted"}, *STORY[2:], first=2))
    )
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1", stream_events=False))
    assert names(events) == ["RunContent", "RunContent", "RunCompleted"]
    assert b"stream_events=false" in server.requests[0].content


@BOTH
async def test_a_restarted_step_voids_the_text_since_the_index_it_names(kind):
    piece: dict[str, Any] = {"event": "RunContent", "run_id": "r-1"}
    log: list[dict[str, Any]] = [
        STORY[0],
        {**piece, "content": "It is "},
        {**piece, "content": "ten"},
        {"event": "CustomEvent", "run_id": "r-1", "name": "step_restarted", "from_index": 2},
        {**piece, "content": "eleven"},
        {**piece, "content": " by a member", "run_id": "other"},
        STORY[3],
    ]
    text = StreamedText()
    events = await events_of(connect(kind, Recorder(sse(frames(*log)))).run_agent_stream("a", "x", run_id="r-1"))
    voided = [event for event in events if text.add(event)]
    assert str(text) == "It is eleven"
    assert [type(event) for event in voided] == [StepRestartedEvent]
    assert isinstance(voided[0], CustomEvent)


@BOTH
async def test_a_server_that_ends_a_stream_to_restart_is_followed_after_it(kind):
    server = Recorder(sse(b": ok\n\n"), run_json("RUNNING"), sse(frames(*STORY[2:], first=2)))
    events = await events_of(connect(kind, server).follow_agent_run("a", "r-1", after=1))
    assert names(events) == NAMES[2:]


@BOTH
async def test_a_stream_lost_before_its_first_event_is_followed_when_the_run_exists(kind):
    server = Recorder(httpx.ReadError("cut"), run_json("RUNNING"), sse(frames(*STORY)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert server.asked == ["POST /agents/a/runs", "GET /agents/a/runs/r-1", "GET /agents/a/runs/r-1/events"]


@BOTH
async def test_a_stream_lost_before_its_first_event_is_asked_for_again_when_there_is_no_run(kind):
    server = Recorder(httpx.ReadTimeout("silence"), httpx.Response(404), sse(frames(*STORY)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert server.requests[0].headers["idempotency-key"] == server.requests[2].headers["idempotency-key"]


@BOTH
async def test_a_stream_that_a_gateway_lost_is_followed_when_the_run_exists(kind):
    server = Recorder(httpx.Response(504), run_json("RUNNING"), sse(frames(*STORY)))
    events = await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert server.asked.count("POST /agents/a/runs") == 1


@BOTH
async def test_a_stream_that_a_gateway_lost_is_an_error_when_the_server_cannot_say(kind):
    server = Recorder(httpx.Response(504), httpx.Response(422))
    with pytest.raises(httpx.HTTPStatusError, match="504"):
        await events_of(connect(kind, server).run_agent_stream("a", "x", run_id="r-1"))
    assert len(server.requests) == 2


@BOTH
async def test_a_continued_stream_lost_before_its_first_event_is_asked_for_again_with_its_key(kind):
    server = Recorder(httpx.ReadError("cut"), run_json("RUNNING"), sse(frames(*STORY, first=9)))
    events = await events_of(connect(kind, server).continue_agent_run_stream("a", "r-1", []))
    assert names(events) == NAMES
    assert server.asked[2] == "POST /agents/a/runs/r-1/continue"
    assert server.requests[0].headers["idempotency-key"] == server.requests[2].headers["idempotency-key"]


async def test_frames_cut_anywhere_on_a_socket_arrive_whole():
    body = frames(*STORY)
    async with (
        scripted_server(stream(*(body[i : i + 1] for i in range(len(body))))) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        assert names(await events_of(client.run_agent_stream("a", "x", run_id="r-1"))) == NAMES


async def test_a_stream_broken_on_a_socket_is_taken_up_without_gap_or_repetition():
    first = frames(*STORY)
    cut = first.index(b"upon")
    rest = frames(*STORY[2:], first=2)
    async with (
        scripted_server(
            stream(first[:cut], end="dropped"),
            drop(),
            answer(503, b"{}"),
            stream(rest[:30], end="dropped"),
            stream(rest),
        ) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        events = await events_of(client.run_agent_stream("a", "x", run_id="r-1"))
    assert names(events) == NAMES
    assert [event.event_index for event in events] == [0, 1, 2, 3]
    assert [request.headers.get("last-event-id") for request in server.received] == [None, "1", "1", "1", "1"]


async def test_the_blocking_client_takes_up_a_broken_stream_on_a_socket_too():
    first = frames(*STORY)

    def read(base_url: str) -> list[str]:
        with SyncAgentOSClient(base_url, retry=QUICK) as client:
            return [event.event for event in client.run_agent_stream("a", "x", run_id="r-1")]

    async with scripted_server(stream(first[:200], end="dropped"), stream(first)) as server:
        assert await asyncio.to_thread(read, server.base_url) == NAMES


async def test_a_broken_stream_without_ids_is_an_error_after_what_it_has_brought():
    body = frames(*STORY, first=None)
    async with (
        scripted_server(stream(body[: body.index(b"upon")], end="dropped")) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        events = client.run_agent_stream("a", "x", run_id="r-1")
        seen = [await anext(events), await anext(events)]
        with pytest.raises(RemoteServerUnavailableError, match="dropped"):
            await anext(events)
    assert names(seen) == NAMES[:2]
    assert len(server.received) == 1


async def test_a_stream_that_falls_silent_is_taken_up():
    async with (
        scripted_server(stream(frames(*STORY[:2]), end="silent"), stream(frames(*STORY[2:], first=2))) as server,
        AgentOSClient(server.base_url, stream_idle_timeout=0.05, retry=QUICK) as client,
    ):
        assert names(await events_of(client.run_agent_stream("a", "x", run_id="r-1"))) == NAMES


async def test_a_stream_left_early_closes_its_connection():
    async with (
        scripted_server(stream(frames(*STORY[:1])), answer(200, b"[]")) as server,
        AgentOSClient(server.base_url, retry=QUICK) as client,
    ):
        events = client.run_agent_stream("a", "x", run_id="r-1")
        assert (await anext(events)).event == "RunStarted"
        await events.aclose()
        assert await client.list_agents() == []
