"""Workflows across nodes that are killed: no finished step is done again, the log has each event once."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.cluster import Cluster, Node, follow, read_run, submit

RUNS = "/workflows/line/runs"
BEFORE_PAUSE = Counter({"first": 1, "left": 1, "model": 1, "again": 2, "until": 2})
AFTER_PAUSE = Counter({"guarded": 1, "deep": 1, "model": 1, "last": 1})
CONTENT = "last(Echo: deep(guarded(again({'left': 'left(first(go))', 'ask': 'Echo: first(go)'}))))"


@pytest.fixture
def workflows(cluster: Cluster) -> Cluster:
    cluster.os_file = Path(__file__).parent / "workflow_os.py"
    return cluster


async def collect(node: Node, *, after: int = -1) -> list[dict[str, Any]]:
    async with asyncio.timeout(40):
        return [event async for event in follow(node.base_url, "run-1", after=after, runs=RUNS)]


async def proceed(node: Node, run: dict[str, Any]) -> None:
    """Confirm what the run waits for; the node may die while it goes on."""
    answers = [{"step_id": wanted["step_id"], "confirmed": True} for wanted in run["step_requirements"]]
    form = {"step_requirements": json.dumps(answers), "stream": "false", "background": "true"}
    async with httpx.AsyncClient(timeout=30) as client:
        response = await client.post(f"{node.base_url}{RUNS}/run-1/continue", data=form)
    assert response.is_success, response.text


def check_log(events: list[dict[str, Any]]) -> None:
    """Every number once, no step begun or ended twice, no run either."""
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["event_index"] for event in events] == list(range(len(events)))
    said = [
        (event["event"], event["run_id"], event.get("step_id"), event.get("iteration"))
        for event in events
        if event["event"].endswith(("Started", "Completed", "Continued")) and "ModelRequest" not in event["event"]
    ]
    assert [one for one, times in Counter(said).items() if times > 1] == []


async def test_a_workflow_goes_on_at_another_node_when_its_own_is_dead(workflows: Cluster):
    doomed, survivor = workflows.start_node(), workflows.start_node()
    await submit(doomed.base_url, "go", run_id="run-1", runs=RUNS)
    assert (await collect(survivor))[-1]["event"] == "WorkflowPaused"
    doomed.kill()
    await proceed(survivor, await read_run(survivor.base_url, "run-1", runs=RUNS))
    events = await collect(survivor)
    while events[-1]["event"] != "WorkflowCompleted":
        events += await collect(survivor, after=events[-1]["seq"])
    check_log(events)
    run = await read_run(survivor.base_url, "run-1", runs=RUNS)
    assert (run["status"], run["content"]) == ("COMPLETED", CONTENT)
    assert Counter(workflows.ledger) == BEFORE_PAUSE + AFTER_PAUSE


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [
        pytest.param("in_tool_call/first:kill", {}, marks=pytest.mark.thorough),
        ("before_step_commit/step/0:first:kill", {"first": 1}),
        ("after_step_commit/step/2:rounds/1/0:again:kill", {}),
        pytest.param("before_step_commit/step/2:rounds/2/0:again:kill", {"again": 1}, marks=pytest.mark.thorough),
        pytest.param("before_step_commit/decision/2:rounds|until|1:kill", {"until": 1}, marks=pytest.mark.thorough),
        ("before_finish_commit:kill", {"until": 1}),
    ],
)
async def test_a_killed_workflow_repeats_no_finished_step(workflows: Cluster, fault: str, repeated: dict[str, int]):
    doomed = workflows.start_node(fault=fault)
    survivor = workflows.start_node()
    following = asyncio.create_task(collect(survivor))
    await submit(doomed.base_url, "go", run_id="run-1", runs=RUNS)
    events = await following
    assert doomed.wait() == -signal.SIGKILL
    assert events[-1]["event"] == "WorkflowPaused"
    check_log(events)
    done = Counter(workflows.ledger)
    # What was not durable yet when the node died is done again, at most.
    assert BEFORE_PAUSE <= done <= BEFORE_PAUSE + Counter(repeated)


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [
        ("in_tool_call/guarded:kill", {}),
        pytest.param("before_step_commit/step/0:deep:kill", {"deep": 1}, marks=pytest.mark.thorough),
        ("in_model_call:kill", {"model": 1}),
        pytest.param("before_step_commit/step/5:last:kill", {"last": 1}, marks=pytest.mark.thorough),
        ("before_finish_commit:kill", {"last": 1}),
    ],
)
async def test_a_continued_workflow_survives_the_death_of_its_node(
    workflows: Cluster, fault: str, repeated: dict[str, int]
):
    survivor = workflows.start_node()
    await submit(survivor.base_url, "go", run_id="run-1", runs=RUNS)
    before = await collect(survivor)
    run = await read_run(survivor.base_url, "run-1", runs=RUNS)
    doomed = workflows.start_node(fault=fault)
    with suppress(httpx.TransportError):
        await proceed(doomed, run)
    events = await collect(survivor, after=before[-1]["seq"])
    assert doomed.wait() == -signal.SIGKILL
    check_log([*before, *events])
    done = await read_run(survivor.base_url, "run-1", runs=RUNS)
    assert (done["status"], done["content"]) == ("COMPLETED", CONTENT)
    ledger = Counter(workflows.ledger)
    assert BEFORE_PAUSE + AFTER_PAUSE <= ledger <= BEFORE_PAUSE + AFTER_PAUSE + Counter(repeated)
