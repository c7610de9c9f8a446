"""Nodes are killed while members of teams work: another one goes on, and only what was in flight is done again."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter

import httpx
import pytest

from tests.acceptance.cluster import Cluster, ask, submit
from tests.acceptance.run_trees import check_tree, rests, said, wait_for
from tests.acceptance.takeovers import CREW, DESK, SESSION, SINGLE, asking, check_session, end_well, kill_when_held


@pytest.mark.parametrize(
    ("held", "statuses"),
    [
        (("tool b",), {"one": "COMPLETED", "two": "RUNNING"}),
        (("tool a", "model two 1"), {"one": "RUNNING", "two": "RUNNING"}),
    ],
    ids=["one of two", "both"],
)
async def test_only_members_in_flight_go_on_at_another_node(
    nested: Cluster, held: tuple[str, ...], statuses: dict[str, str]
):
    doomed = nested.start_node(test_hold=",".join(held))
    nested.start_node()
    await submit(doomed.base_url, asking({"one": "tools a", "two": "tools b"}), run_id="run-1", runs=CREW, **SESSION)
    left = await kill_when_held(nested, doomed, *held, stand=statuses)
    assert left.root["epoch"] == 1
    tree = await end_well(nested, *held)
    assert [response["content"] for response in tree.output["member_responses"]] == [
        "I ask. I say: recorded a ",
        "I ask. I say: recorded b ",
    ]
    for row in tree.rows:
        assert said(tree, row) == json.loads(row["output"])["content"]


@pytest.mark.parametrize(
    "held",
    [
        "tool d",
        "model deep 1",
        *(pytest.param(f"model {name} 1", marks=pytest.mark.thorough) for name in ("inner", "crew")),
    ],
)
async def test_a_team_inside_a_team_goes_on_where_it_was(nested: Cluster, held: str):
    doomed = nested.start_node(test_hold=held)
    nested.start_node()
    message = asking({"inner": {"ask": [{"deep": "tools d"}]}, "one": "tools a"})
    await submit(doomed.base_url, message, run_id="run-1", runs=CREW, **SESSION)
    left = await kill_when_held(nested, doomed, held, stand={"one": "COMPLETED"})
    ends = {"model inner 1": ["deep"], "model crew 1": ["deep", "inner"]}
    assert {row["component_id"] for row in left.rows if row["status"] == "COMPLETED"} == {"one", *ends.get(held, ())}
    tree = await end_well(nested, held)
    assert tree.output["content"] == "I ask. I say: I ask. I say: I ask. I say: recorded d | I ask. I say: recorded a "
    for row in tree.rows:
        assert said(tree, row) == json.loads(row["output"])["content"]
    restarts = [event for event in tree.events if event["event"] == "CustomEvent"]
    assert len(restarts) == held.startswith("model"), "a model that was cut off says so, nobody else does"


@pytest.mark.parametrize(
    ("runs", "fault", "again"),
    [
        (CREW, "before_step_commit/tool_call/1/0-one:kill", {"model one 1"}),
        (CREW, "before_finish_commit:kill", {"model crew 1"}),
        pytest.param(CREW, "after_finish_commit:kill", set(), marks=pytest.mark.thorough),
        pytest.param(DESK, "before_step_commit/tool_call/1/0-one:kill", {"model one 1"}, marks=pytest.mark.thorough),
        (DESK, "before_finish_commit:kill", {"model one 1"}),
    ],
)
async def test_a_kill_at_a_commit_of_a_team_repeats_no_finished_step(
    nested: Cluster, runs: str, fault: str, again: set[str]
):
    doomed = nested.start_node(fault=fault)
    nested.start_node()
    await submit(doomed.base_url, asking({"one": "tools a"}), run_id="run-1", runs=runs, **SESSION)
    assert await asyncio.to_thread(doomed.wait) == -signal.SIGKILL
    left = await wait_for(nested.dsn, "run-1", lambda _: True)
    assert left.root["status"] == ("COMPLETED" if fault.startswith("after") else "RUNNING")
    await wait_for(nested.dsn, "run-1", rests)
    repeated = {what for what, times in Counter(nested.ledger).items() if times > 1}
    assert repeated <= again
    tree = await end_well(nested, *repeated)
    assert said(tree, tree.root) == tree.output["content"]


async def test_a_frozen_nodes_team_is_taken_over_and_the_thawed_node_lets_go(nested: Cluster):
    frozen = nested.start_node(lease_s="2", fault="in_tool_call/record:stop")
    survivor = nested.start_node(lease_s="2")
    message = asking({"one": "tools a", "inner": {"ask": [{"deep": "tools d"}]}})
    await submit(frozen.base_url, message, run_id="run-1", runs=CREW, **SESSION)
    ended = await wait_for(nested.dsn, "run-1", rests)
    before = Counter(nested.ledger)
    frozen.signal(signal.SIGCONT)
    # The thawed node works again; what it still held of the run and its members is refused.
    for node in (frozen, survivor):
        assert (await ask(node.base_url, "hello", runs=SINGLE, session_id="other"))["status"] == "COMPLETED"
    tree = await wait_for(nested.dsn, "run-1", rests)
    assert (tree.root["epoch"], tree.events, tree.rows) == (2, ended.events, ended.rows)
    check_tree(tree)
    assert set(tree.statuses.values()) == {"COMPLETED"}
    again = Counter(nested.ledger) - before
    assert again.pop("model single 0") == 2
    assert again.keys() <= {"tool a", "tool d", "model deep 0"}, "it ends what was in flight, and begins nothing"
    await check_session(nested.dsn)


@pytest.mark.parametrize("end", ["CANCELLED", "ERROR"])
async def test_a_team_that_is_not_taken_up_again_ends_with_its_members(nested: Cluster, end: str):
    doomed = nested.start_node(lease_s="2", test_hold="tool b", max_takeovers="0")
    survivor = nested.start_node(lease_s="2", max_takeovers="0")
    message = asking({"one": "tools a", "two": "tools b", "inner": {"ask": [{"deep": "delete /x"}]}})
    await submit(doomed.base_url, message, run_id="run-1", runs=CREW, **SESSION)
    stand = {"one": "COMPLETED", "two": "RUNNING", "inner": "PAUSED"}
    if end == "CANCELLED":
        await wait_for(nested.dsn, "run-1", lambda tree: stand.items() <= tree.statuses.items())
        doomed.signal(signal.SIGSTOP)
        async with httpx.AsyncClient(timeout=10) as client:
            await client.post(f"{survivor.base_url}{CREW}/run-1/cancel")
    else:
        await kill_when_held(nested, doomed, "tool b", stand=stand)
    tree = await wait_for(nested.dsn, "run-1", rests)
    check_tree(tree)
    assert tree.statuses == {"crew": end, "one": "COMPLETED", "two": end, "inner": end, "deep": end}
    assert Counter(nested.ledger).most_common(1)[0][1] == 1, "nothing is done again"
    await check_session(nested.dsn)


@pytest.mark.parametrize("held", ["tool a", "model one 1"])
async def test_a_member_that_speaks_for_its_team_goes_on_at_another_node(nested: Cluster, held: str):
    doomed = nested.start_node(test_hold=held)
    nested.start_node()
    await submit(doomed.base_url, asking({"one": "tools a"}), run_id="run-1", runs=DESK, **SESSION)
    await kill_when_held(nested, doomed, held, stand={"one": "RUNNING"})
    tree = await end_well(nested, held)
    assert said(tree, tree.root) == tree.output["content"] == "I ask. I ask. I say: recorded a "
