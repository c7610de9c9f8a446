"""Nodes are killed in the middle of workflows: another one goes on, and only steps in flight are done again."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from tests.acceptance.cluster import Cluster, submit
from tests.acceptance.run_trees import said
from tests.acceptance.takeovers import FLOW, SESSION, end_well, kill_when_held

ROUNDS = {"model digger 0": 3, "model digger 1": 3}


@pytest.mark.parametrize(
    ("held", "statuses"),
    [
        (("tool r.left",), {"left": "RUNNING", "right": "COMPLETED"}),
        pytest.param(
            ("model left 1", "tool r.right"), {"left": "RUNNING", "right": "RUNNING"}, marks=pytest.mark.thorough
        ),
        pytest.param(("tool r.next3",), {"right": "COMPLETED", "digger": "COMPLETED"}, marks=pytest.mark.thorough),
        (("tool r.round3",), {"right": "COMPLETED", "digger": "RUNNING"}),
        pytest.param(("tool r.plan",), {"digger": "COMPLETED", "nested": "RUNNING"}, marks=pytest.mark.thorough),
        (("model scribe 1",), {"nested": "RUNNING", "scribe": "RUNNING"}),
        pytest.param(("tool r.brief",), {"nested": "COMPLETED"}, marks=pytest.mark.thorough),
        (("tool r.deep",), {"inner": "RUNNING", "deep": "RUNNING", "low": "COMPLETED"}),
        (("model inner 1",), {"inner": "RUNNING", "deep": "COMPLETED", "low": "COMPLETED"}),
        pytest.param(("tool r.end",), {"inner": "COMPLETED"}, marks=pytest.mark.thorough),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, tuple) else "",
)
async def test_a_workflow_goes_on_where_it_was(nested: Cluster, held: tuple[str, ...], statuses: dict[str, str]):
    doomed = nested.start_node(test_hold=",".join(held))
    nested.start_node()
    await submit(doomed.base_url, "r", run_id="run-1", runs=FLOW, **SESSION)
    left = await kill_when_held(nested, doomed, *held, stand={**statuses, "flow": "RUNNING"})
    assert left.root["epoch"] == 1
    tree = await end_well(nested, *held, times=ROUNDS)
    assert tree.output["content"] == "r is done"
    names = [event["event"] for event in tree.of(tree.root)]
    assert names.count("LoopIterationStarted") == names.count("LoopIterationCompleted") == 3
    assert [row["component_id"] for row in tree.rows].count("digger") == 3
    for row in tree.rows:
        if row["kind"] != "workflow":
            assert said(tree, row) == json.loads(row["output"])["content"]


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        pytest.param("before_step_commit/step/0:begin:kill", "tool r.begin", marks=pytest.mark.thorough),
        ("before_step_commit/step/2:rounds/3/0:next:kill", "tool r.next3"),
        ("before_finish_commit:kill", "tool r.end"),
    ],
)
async def test_a_function_whose_result_was_not_durable_is_called_again(nested: Cluster, fault: str, again: str):
    doomed = nested.start_node(fault=fault)
    nested.start_node()
    await submit(doomed.base_url, "r", run_id="run-1", runs=FLOW, **SESSION)
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    assert nested.ledger[-1] == again, "the kill was meant for another moment"
    tree = await end_well(nested, again, times=ROUNDS)
    assert tree.root["takeovers"] == 1
