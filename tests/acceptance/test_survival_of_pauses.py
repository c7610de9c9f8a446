"""Paused runs, parallel tools, tools that must not be repeated, and code that changed, across nodes that die."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.acceptance.cluster import RUNS, Cluster, Node, ask, read_run, submit
from tests.acceptance.test_survival import collect


async def proceed(node: Node, run_id: str, *tools: dict[str, Any], **fields: str) -> dict[str, Any]:
    """Continue a paused run and wait for its answer."""
    data = {"tools": json.dumps(tools), "stream": "false", **fields}
    async with httpx.AsyncClient(timeout=30) as client:
        response = await client.post(f"{node.base_url}{RUNS}/{run_id}/continue", data=data)
    assert response.status_code in (200, 202), response.text
    run: dict[str, Any] = response.json()
    return run


async def rest(node: Node, run_id: str) -> dict[str, Any]:
    """Return a run once it rests."""
    async with asyncio.timeout(30):
        while (run := await read_run(node.base_url, run_id))["status"] in ("PENDING", "RUNNING"):  # noqa: ASYNC110 - far away
            await asyncio.sleep(0.02)
    return run


def check_numbers(events: list[dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["event_index"] for event in events] == list(range(len(events)))


async def test_two_tools_in_parallel_are_finished_by_another_node(cluster: Cluster):
    doomed = cluster.start_node(fault="before_step_commit/tool_call/1/call_b:kill")
    survivor = cluster.start_node()
    following = asyncio.create_task(collect(survivor.base_url, "run-1"))
    await submit(doomed.base_url, "parallel a b", run_id="run-1")
    events = await following
    assert doomed.wait() == -signal.SIGKILL
    check_numbers(events)
    run = await read_run(survivor.base_url, "run-1")
    assert run["content"] == "recorded a recorded b"
    ledger = Counter(cluster.ledger)
    assert ledger["model 0"] == ledger["model 1"] == 1
    # Neither result was durable: both calls were in flight, and each was made again under its own key.
    assert ledger["tool a"] <= 2
    assert ledger["tool b"] <= 2


async def test_a_paused_run_goes_on_at_another_node_when_its_own_is_dead(cluster: Cluster):
    doomed = cluster.start_node()
    survivor = cluster.start_node()
    run = await ask(doomed.base_url, "delete /x", run_id="run-1")
    assert run["status"] == "PAUSED"
    doomed.kill()
    done = await proceed(survivor, "run-1", {"tool_call_id": "delete-1", "confirmed": True})
    assert (done["status"], done["content"]) == ("COMPLETED", "Done.")
    assert Counter(cluster.ledger) == Counter({"model 0": 1, "tool delete /x": 1, "model 1": 1})
    check_numbers(await collect(survivor.base_url, "run-1"))


@pytest.mark.parametrize("fault", ["in_tool_call/delete:kill", "after_step_commit/model_request/2:kill"])
async def test_a_continued_run_survives_the_death_of_its_node(cluster: Cluster, fault: str):
    survivor = cluster.start_node()
    run = await ask(survivor.base_url, "delete /x", run_id="run-1")
    doomed = cluster.start_node(fault=fault)
    following = asyncio.create_task(collect(survivor.base_url, "run-1", after=7))
    with suppress(httpx.TransportError):
        await proceed(doomed, run["run_id"], {"tool_call_id": "delete-1", "confirmed": True}, background="true")
    done = await rest(survivor, "run-1")
    assert (done["status"], done["content"]) == ("COMPLETED", "Done.")
    assert doomed.wait() == -signal.SIGKILL
    assert Counter(cluster.ledger)["tool delete /x"] == 1
    assert Counter(cluster.ledger)["model 0"] == 1
    await following
    check_numbers(await collect(survivor.base_url, "run-1"))


async def test_a_tool_that_must_not_be_repeated_asks_a_person_instead(cluster: Cluster):
    doomed = cluster.start_node(fault="before_step_commit/tool_call/1/pay-1:kill")
    survivor = cluster.start_node()
    await submit(doomed.base_url, "once", run_id="run-1")
    assert doomed.wait() == -signal.SIGKILL
    run = await rest(survivor, "run-1")
    assert run["status"] == "PAUSED"
    assert "may have run already" in run["content"]
    assert run["tools"][0]["requires_confirmation"] is True
    assert Counter(cluster.ledger)["tool pay"] == 1
    done = await proceed(survivor, "run-1", {"tool_call_id": "pay-1", "confirmed": True})
    assert done["content"] == "It says: paid 5"
    assert Counter(cluster.ledger)["tool pay"] == 2, "the person wanted it"


async def test_a_tool_that_must_not_be_repeated_can_be_let_be(cluster: Cluster):
    doomed = cluster.start_node(fault="before_step_commit/tool_call/1/pay-1:kill")
    survivor = cluster.start_node()
    await submit(doomed.base_url, "once", run_id="run-1")
    assert (await rest(survivor, "run-1"))["status"] == "PAUSED"
    note = {"tool_call_id": "pay-1", "confirmed": False, "confirmation_note": "It was paid."}
    done = await proceed(survivor, "run-1", note)
    assert done["content"] == "It says: It was paid."
    assert Counter(cluster.ledger)["tool pay"] == 1


async def test_a_run_whose_code_changed_goes_on_from_its_stored_messages(cluster: Cluster):
    doomed = cluster.start_node(fault="after_step_commit/model_request/3:kill")
    cluster.start_node(test_version="2")
    survivor = cluster.nodes[1]
    await submit(doomed.base_url, "tools a b c", run_id="run-1")
    run = await rest(survivor, "run-1")
    assert (run["status"], run["content"]) == ("COMPLETED", "recorded a b c")
    assert "run_goes_on_from_messages" in (cluster.folder / "node1.log").read_text()
    assert [tool["result"] for tool in run["tools"]] == ["recorded a", "recorded b", "recorded c"]
    assert Counter(cluster.ledger) == Counter({f"model {n}": 1 for n in range(4)} | {f"tool {c}": 1 for c in "abc"})
    assert [m["role"] for m in run["messages"]] == ["user"] + ["assistant", "tool"] * 3 + ["assistant"]


async def test_a_cancel_reaches_a_run_of_another_node_within_a_second(cluster: Cluster):
    running = cluster.start_node()
    other = cluster.start_node()
    await submit(running.base_url, "stream 400 0.05", run_id="run-1", stream="false", background="true")
    while (await read_run(other.base_url, "run-1"))["status"] != "RUNNING":  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=10) as client:
        response = await client.post(f"{other.base_url}{RUNS}/run-1/cancel")
    assert response.json() == {}
    run = await rest(other, "run-1")
    assert time.monotonic() - began < 1
    assert run["status"] == "CANCELLED"
    assert run["content"].startswith("w0 w1 ")


async def test_a_cancelled_run_of_a_dead_node_is_not_taken_up_again(cluster: Cluster):
    frozen = cluster.start_node(lease_s="2", fault="in_tool_call/record:stop")
    survivor = cluster.start_node(lease_s="2")
    await submit(frozen.base_url, "tools a b", run_id="run-1")
    async with httpx.AsyncClient(timeout=10) as client:
        await client.post(f"{survivor.base_url}{RUNS}/run-1/cancel")
    run = await rest(survivor, "run-1")
    assert run["status"] == "CANCELLED"
    assert Counter(cluster.ledger) == Counter({"model 0": 1}), "the node stood still before the tool did anything"


async def test_the_takeover_limit_keeps_what_was_said(cluster: Cluster):
    doomed = cluster.start_node(fault="in_model_call/20:kill", max_takeovers="0")
    survivor = cluster.start_node(max_takeovers="0")
    await submit(doomed.base_url, "stream 40 0.02", run_id="run-1", stream="true")
    run = await rest(survivor, "run-1")
    assert run["status"] == "ERROR"
    assert run["content"].startswith("w0 w1 ")
    events = await collect(survivor.base_url, "run-1")
    assert "SERAI_MAX_TAKEOVERS" in events[-1]["content"]
