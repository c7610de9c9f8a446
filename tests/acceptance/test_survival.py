"""Nodes are killed, frozen and stopped in the middle of runs; another one ends the runs, and nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from serai.client import AgentOSClient
from serai.run.agent import RunCompletedEvent, StepRestartedEvent, StreamedText
from tests.acceptance.cluster import RUNS, Cluster, Node, ask, follow, read_run, stream, submit

TOOL = "tool_call"
MODEL = "model_request"


async def collect(base_url: str, run_id: str, *, after: int = -1) -> list[dict[str, Any]]:
    async with asyncio.timeout(40):
        return [event async for event in follow(base_url, run_id, after=after)]


def check_log(events: list[dict[str, Any]]) -> None:
    """Every event once, none missing, the numbers in the frames and in the payloads the same, one end."""
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["event_index"] for event in events] == list(range(len(events)))
    assert events[0]["event"] == "RunStarted"
    ends = [event["event"] for event in events if event["event"] in ("RunCompleted", "RunError", "RunCancelled")]
    assert ends == [events[-1]["event"]] == ["RunCompleted"]


async def look(cluster: Cluster, run_id: str) -> tuple[str, int, set[str]]:
    """Return what the database holds of a run: status, how often it was claimed, and its finished steps."""
    connection = await asyncpg.connect(cluster.dsn)
    try:
        row = await connection.fetchrow("select key, status, epoch from runs where id = $1", run_id)
        assert row is not None
        steps = await connection.fetch("select operation, call from run_steps where run_key = $1", row["key"])
    finally:
        await connection.close()
    return row["status"], row["epoch"], {f"{step['operation']} {step['call'].partition('/')[0]}" for step in steps}


FIRST, SECOND = {f"{MODEL} 1", f"{TOOL} 1"}, {f"{MODEL} 2", f"{TOOL} 2"}


@pytest.mark.parametrize(
    ("fault", "window", "repeated"),
    [
        ("after_submit_commit:kill", ("RUNNING", 1, set()), None),
        ("in_tool_call/record:kill", ("RUNNING", 1, {f"{MODEL} 1"}), None),
        (f"after_step_commit/{MODEL}/2:kill", ("RUNNING", 1, FIRST), None),
        ("before_step_commit:kill", ("RUNNING", 1, set()), "model 0"),
        ("before_finish_commit:kill", ("RUNNING", 1, FIRST | SECOND), "model 2"),
        ("after_finish_commit:kill", ("COMPLETED", 1, FIRST | SECOND), None),
    ],
)
async def test_a_run_of_a_killed_node_goes_on_after_its_last_finished_step(
    cluster: Cluster, fault: str, window: tuple[str, int, set[str]], repeated: str | None
):
    doomed = cluster.start_node(fault=fault)
    survivor = cluster.start_node()
    following = asyncio.create_task(collect(survivor.base_url, "run-1"))
    await submit(doomed.base_url, "tools a b", run_id="run-1")
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    assert await look(cluster, "run-1") == window, "the kill was meant for another moment"
    events = await following
    check_log(events)
    run = await read_run(survivor.base_url, "run-1")
    assert run["status"] == "COMPLETED"
    assert run["content"] == events[-1]["content"] == "recorded a b"
    assert [tool["tool_args"] for tool in run["tools"]] == [{"label": "a"}, {"label": "b"}]
    expected = Counter({"model 0": 1, "model 1": 1, "model 2": 1, "tool a": 1, "tool b": 1})
    # Only a step whose result was not yet durable when the node died is done again.
    assert Counter(cluster.ledger) == expected + Counter([repeated] if repeated else [])


async def test_runs_that_wait_when_a_node_is_killed_have_their_turn(cluster: Cluster):
    doomed = cluster.start_node(fault="in_tool_call/record:kill")
    survivor = cluster.start_node(max_runs="1")
    following = asyncio.create_task(collect(survivor.base_url, "run-2"))
    await submit(survivor.base_url, "stream 60 0.05", run_id="run-0")
    for number in (2, 3):
        await submit(survivor.base_url, f"hello {number}", run_id=f"run-{number}", session_id="s")
    await submit(doomed.base_url, "tools a", run_id="run-1", session_id="s")
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    for number in (0, 1, 2, 3):
        while (run := await read_run(survivor.base_url, f"run-{number}"))["status"] != "COMPLETED":
            assert run["status"] in ("PENDING", "RUNNING")
            await asyncio.sleep(0.05)
    check_log(await following)
    assert Counter(cluster.ledger)["tool a"] == 1


async def test_a_model_that_numbers_its_calls_anew_in_each_turn_gets_each_calls_own_result(cluster: Cluster):
    doomed = cluster.start_node(fault=f"after_step_commit/{MODEL}/3:kill")
    survivor = cluster.start_node()
    following = asyncio.create_task(collect(survivor.base_url, "run-1"))
    await submit(doomed.base_url, "same a b c", run_id="run-1")
    events = await following
    check_log(events)
    assert events[-1]["content"] == "recorded a recorded b recorded c"
    assert [event["event"] for event in events].count("ToolCallStarted") == 3
    assert Counter(cluster.ledger)["tool a"] == Counter(cluster.ledger)["tool b"] == 1


async def test_a_model_call_cut_off_by_a_kill_starts_again_and_says_so(cluster: Cluster):
    doomed = cluster.start_node(fault="in_model_call/20:kill")
    survivor = cluster.start_node()
    following = asyncio.create_task(collect(survivor.base_url, "run-1"))
    await submit(doomed.base_url, "stream 40 0.02", run_id="run-1", stream="true")
    events = await following
    assert doomed.wait() == -signal.SIGKILL
    check_log(events)
    restart = next(event for event in events if event["event"] == "CustomEvent")
    assert restart["name"] == "step_restarted"
    kept = [
        event["content"]
        for event in events
        if event["event"] == "RunContent" and not restart["from_index"] <= event["seq"] < restart["seq"]
    ]
    before = [event for event in events if event["event"] == "RunContent" and event["seq"] < restart["seq"]]
    assert before, "the kill was meant to come after some of the answer had been delivered"
    assert "".join(kept) == events[-1]["content"] == "".join(f"w{index} " for index in range(40))


@asynccontextmanager
async def balancer(*nodes: Node) -> AsyncIterator[str]:
    """Pass connections on to the first node that takes them."""
    passing: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for node in nodes:
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", node.port)
                for way in (pass_on(reader, back), pass_on(there, writer)):
                    task = asyncio.create_task(way)
                    passing.add(task)
                    task.add_done_callback(passing.discard)
                return
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(passing):
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def test_our_client_hears_the_whole_answer_when_its_node_is_killed_in_the_middle(cluster: Cluster):
    doomed = cluster.start_node(fault="in_model_call/20:kill")
    survivor = cluster.start_node()
    text, events, voided = StreamedText(), [], []
    async with balancer(doomed, survivor) as url, AgentOSClient(base_url=url) as client:
        async with asyncio.timeout(40):
            async for event in client.run_agent_stream("worker", "stream 40 0.02", run_id="run-1"):
                events.append(event)
                if text.add(event):
                    voided.append(event)
    assert doomed.wait() == -signal.SIGKILL
    assert [event.event_index for event in events] == list(range(len(events)))
    assert [type(event) for event in voided] == [StepRestartedEvent]
    assert isinstance(events[-1], RunCompletedEvent)
    assert str(text) == events[-1].content == "".join(f"w{index} " for index in range(40))


async def test_a_killed_nodes_run_goes_on_within_three_seconds(cluster: Cluster):
    doomed = cluster.start_node()
    survivor = cluster.start_node()
    await submit(doomed.base_url, "stream 400 0.02", run_id="run-1", stream="true")
    gaps = []
    last = None
    async with asyncio.timeout(40):
        async for event in follow(survivor.base_url, "run-1"):
            now = time.monotonic()
            if last is not None:
                gaps.append(now - last)
            last = now
            if event["seq"] == 20:
                doomed.kill()
            if event["event"] == "CustomEvent":
                break
    assert max(gaps) < 3


async def test_a_frozen_nodes_run_is_taken_over_and_the_thawed_node_lets_go(cluster: Cluster):
    frozen = cluster.start_node(lease_s="2", fault="in_tool_call/record:stop")
    survivor = cluster.start_node(lease_s="2")
    following = asyncio.create_task(collect(survivor.base_url, "run-1"))
    await submit(frozen.base_url, "tools a b", run_id="run-1")
    check_log(await following)
    before = Counter(cluster.ledger)
    frozen.signal(signal.SIGCONT)
    # The thawed node works again, and what it still held of the run is refused.
    assert (await ask(frozen.base_url, "hello"))["status"] == "COMPLETED"
    assert (await read_run(frozen.base_url, "run-1"))["content"] == "recorded a b"
    check_log(await collect(frozen.base_url, "run-1"))
    assert Counter(cluster.ledger)["tool b"] == before["tool b"] == 1


async def test_a_tool_that_blocks_the_event_loop_does_not_cost_the_node_its_runs(cluster: Cluster):
    blocked = cluster.start_node(lease_s="2")
    other = cluster.start_node(lease_s="2")
    following = asyncio.create_task(collect(other.base_url, "run-1"))
    await submit(blocked.base_url, "block 4", run_id="run-1")
    check_log(await following)
    assert Counter(cluster.ledger)["tool block"] == 1


async def test_a_stopping_node_hands_its_runs_over_at_once(cluster: Cluster):
    stopping = cluster.start_node(drain_s="0.2")
    other = cluster.start_node()
    await submit(stopping.base_url, "stream 150 0.02", run_id="run-1", stream="true")
    events = []
    async with asyncio.timeout(40):
        async for event in follow(other.base_url, "run-1"):
            events.append(event)
            if event["seq"] == 10:
                stopping.signal(signal.SIGTERM)
    assert stopping.wait() == 0
    check_log(events)


async def test_a_stopping_node_lets_its_runs_end_first(cluster: Cluster):
    node = cluster.start_node(drain_s="20")
    events = []
    async with asyncio.timeout(40):
        async for event in stream(node.base_url, "stream 60 0.02"):
            events.append(event)
            if event["seq"] == 10:
                node.signal(signal.SIGTERM)
    check_log(events)
    assert node.wait() == 0
    assert Counter(cluster.ledger) == {"model 0": 1}


async def test_a_second_signal_stops_at_once_and_loses_nothing(cluster: Cluster):
    node = cluster.start_node(drain_s="60")
    await submit(node.base_url, "stream 200 0.02", run_id="run-1", stream="true")
    async with asyncio.timeout(40):
        async for event in follow(node.base_url, "run-1"):
            if event["seq"] == 10:
                node.signal(signal.SIGTERM)
                await asyncio.sleep(0.2)
                node.signal(signal.SIGTERM)
                break
    assert node.wait(timeout_s=10) == 0
    successor = cluster.start_node()
    check_log(await collect(successor.base_url, "run-1"))


async def test_who_waits_for_an_answer_of_a_stopping_node_is_told_to_ask_another(cluster: Cluster):
    node = cluster.start_node(drain_s="0.3")
    form = {"message": "stream 200 0.02", "stream": "false", "run_id": "run-1"}
    async with httpx.AsyncClient(timeout=20) as client:
        waiting = asyncio.create_task(client.post(node.base_url + RUNS, data=form))
        async for _ in follow(node.base_url, "run-1"):
            break
        node.signal(signal.SIGTERM)
        answer = await waiting
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "run-1" in answer.json()["detail"]
    assert node.wait(timeout_s=10) == 0
    successor = cluster.start_node()
    check_log(await collect(successor.base_url, "run-1"))


async def test_a_worker_without_http_ends_a_dead_servers_run(cluster: Cluster):
    server = cluster.start_node(fault="after_submit_commit:kill")
    cluster.start_worker()
    await submit(server.base_url, "tools a b", run_id="run-1")
    assert server.wait() == -signal.SIGKILL
    other = cluster.start_node(max_runs="1")
    check_log(await collect(other.base_url, "run-1"))


async def test_a_run_whose_nodes_keep_dying_ends_in_error(cluster: Cluster):
    doomed = [cluster.start_node(fault="in_tool_call/record:kill", max_takeovers="1") for _ in range(2)]
    await submit(doomed[0].base_url, "tools a", run_id="run-1")
    for node in doomed:
        assert node.wait() == -signal.SIGKILL
    last = cluster.start_node(max_takeovers="1")
    events = await collect(last.base_url, "run-1")
    assert events[-1]["event"] == "RunError"
    assert events[-1]["error_type"] == "takeover_limit"
    run = await read_run(last.base_url, "run-1")
    assert run["status"] == "ERROR"
    assert "SERAI_MAX_TAKEOVERS" in run["content"]
