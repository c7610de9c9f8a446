"""Nodes die around the pauses of runs inside runs: no answer is lost, and nothing that was finished is done again."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter

import pytest

from tests.acceptance.cluster import Cluster, submit
from tests.acceptance.run_trees import wait_for
from tests.acceptance.takeovers import (
    CAREFUL,
    CREW,
    SESSION,
    allow,
    asking,
    end_well,
    kill_when_held,
    pause,
    wait_for_pause,
)

CLEANING = "r / delete /x / tools b"
"""What the two branches of the careful workflow do; its third step asks for itself."""


@pytest.mark.parametrize(
    ("runs", "message", "statuses"),
    [
        (CREW, asking({"one": "delete /x", "two": "tools b"}), {"one": "PAUSED", "two": "RUNNING"}),
        (CAREFUL, CLEANING, {"left": "PAUSED", "right": "RUNNING"}),
    ],
    ids=["team", "workflow"],
)
async def test_a_pause_of_a_run_inside_outlives_the_node_before_its_root_pauses(
    nested: Cluster, runs: str, message: str, statuses: dict[str, str]
):
    doomed = nested.start_node(test_hold="tool b")
    survivor = nested.start_node()
    await submit(doomed.base_url, message, run_id="run-1", runs=runs, **SESSION)
    await kill_when_held(nested, doomed, "tool b", stand=statuses)
    paused = await wait_for_pause(nested)
    assert paused.root["takeovers"] == 1
    await allow(survivor, paused, runs)
    await end_well(nested, "tool b")
    assert "tool delete /x" in nested.ledger


@pytest.mark.parametrize(
    ("runs", "message", "again"),
    [(CREW, asking({"one": "delete /x"}), "model one 0"), (CAREFUL, "r / delete /x / hello", "model left 0")],
    ids=["team", "workflow"],
)
async def test_a_pause_that_was_not_stored_comes_again(nested: Cluster, runs: str, message: str, again: str):
    doomed = nested.start_node(fault="before_finish_commit:kill")
    survivor = nested.start_node()
    await submit(doomed.base_url, message, run_id="run-1", runs=runs, **SESSION)
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    assert (await wait_for(nested.dsn, "run-1", lambda _: True)).root["status"] == "RUNNING"
    await allow(survivor, await wait_for_pause(nested), runs)
    repeated = {what for what, times in Counter(nested.ledger).items() if times > 1}
    assert repeated <= {again, "model right 0"}, "only steps that were not durable yet are done again"
    await end_well(nested, *repeated)


@pytest.mark.parametrize(
    ("runs", "message", "held", "steps"),
    [
        (CREW, asking({"one": "delete /x", "two": "tools b"}), "tool delete /x", 0),
        pytest.param(
            CREW, asking({"one": "delete /x", "two": "tools b"}), "model one 1", 0, marks=pytest.mark.thorough
        ),
        (CREW, asking({"one": "delete /x", "two": "tools b"}), "model crew 1", 0),
        (CREW, asking({"inner": {"ask": [{"deep": "delete /x"}]}}), "tool delete /x", 0),
        pytest.param(
            CREW, asking({"inner": {"ask": [{"deep": "delete /x"}]}}), "model inner 1", 0, marks=pytest.mark.thorough
        ),
        # Of the careful workflow's steps the first and one branch are done before the pause.
        (CAREFUL, CLEANING, "tool delete /x", 3),
        pytest.param(CAREFUL, CLEANING, "tool r.check", 3, marks=pytest.mark.thorough),
        pytest.param(CAREFUL, CLEANING, "model left 1", 3, marks=pytest.mark.thorough),
        pytest.param(CAREFUL, CLEANING, "tool r.end", 4, marks=pytest.mark.thorough),
    ],
    ids=lambda value: value if str(value).startswith(("tool", "model")) else "",
)
async def test_a_continued_run_inside_goes_on_at_another_node(
    nested: Cluster, runs: str, message: str, held: str, steps: int
):
    survivor = nested.start_node()
    paused = await pause(nested, survivor, message, runs)
    doomed = nested.start_node(test_hold=held)
    continuing = asyncio.create_task(allow(doomed, paused, runs))
    left = await kill_when_held(nested, doomed, held, steps=steps)
    assert (left.root["segment"], left.root["status"]) == (1, "RUNNING")
    await continuing
    tree = await end_well(nested, held)
    names = [event["event"] for event in tree.events]
    assert names.count("StepContinued") == names.count("StepExecutorContinued") == (runs == CAREFUL)


async def test_answers_to_two_members_may_reach_two_nodes(nested: Cluster):
    doomed, survivor = nested.start_node(), nested.start_node()
    paused = await pause(nested, doomed, asking({"one": "delete /x", "two": "delete /y"}), CREW)
    await allow(doomed, paused, CREW, only=0)
    await asyncio.to_thread(doomed.kill)
    still = await wait_for_pause(nested)
    assert [wanted.get("confirmation") for wanted in still.output["requirements"]] == [True, None]
    await allow(survivor, still, CREW, only=1)
    await end_well(nested)
    assert {"tool delete /x", "tool delete /y"} <= set(nested.ledger)


@pytest.mark.parametrize(
    ("runs", "message", "name"),
    [(CREW, asking({"one": "delete /x /y", "two": "tools b"}), "one"), (CAREFUL, "r / delete /x /y / tools b", "left")],
    ids=["team", "workflow"],
)
async def test_a_run_inside_that_pauses_again_after_a_takeover_asks_again(
    nested: Cluster, runs: str, message: str, name: str
):
    survivor = nested.start_node()
    paused = await pause(nested, survivor, message, runs)
    held = f"model {name} 1"
    doomed = nested.start_node(test_hold=held)
    continuing = asyncio.create_task(allow(doomed, paused, runs))
    await kill_when_held(nested, doomed, held)
    await continuing
    again = await wait_for_pause(nested, segment=1)
    assert "/y" in json.dumps(again.output)
    await allow(survivor, again, runs)
    tree = await end_well(nested, held)
    assert tree.root["segment"] == 2
