"""Every place of a node is taken by runs that wait for runs inside them: nothing stalls, also when a node dies."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import httpx

from tests.acceptance.cluster import Cluster, Node
from tests.acceptance.run_trees import Tree, check_tokens, check_tree, rests, wait_for
from tests.acceptance.takeovers import CREW, FORK, SINGLE, asking

EACH = range(8)


async def submit_all(nodes: list[Node], wanted: dict[str, tuple[str, str]]) -> None:
    """Submit runs, each in a session of its own, to the nodes in turn."""
    async with httpx.AsyncClient(timeout=30) as client:
        for number, (run_id, (runs, message)) in enumerate(wanted.items()):
            form = {"message": message, "run_id": run_id, "session_id": run_id, "stream": "false", "background": "true"}
            answer = await client.post(nodes[number % len(nodes)].base_url + runs, data=form)
            assert answer.is_success, answer.text


async def end_all(cluster: Cluster, wanted: dict[str, tuple[str, str]]) -> list[Tree]:
    """Wait for the end of all, and check what each left."""
    trees = [await wait_for(cluster.dsn, run_id, rests, timeout_s=60) for run_id in wanted]
    connection = await asyncpg.connect(cluster.dsn)
    try:
        for tree in trees:
            check_tree(tree)
            assert set(tree.statuses.values()) == {"COMPLETED"}, tree.statuses
            await check_tokens(connection, tree.root["session_id"])
        assert await connection.fetchval("select count(*) from sessions where active_run_key is not null") == 0
    finally:
        await connection.close()
    return trees


def of_teams(member: str = "two") -> dict[str, tuple[str, str]]:
    """Return teams of two members."""
    tasks = {f"team-{n}": {"one": f"tools t{n}.a t{n}.b", member: f"tools t{n}.c t{n}.d"} for n in EACH}
    return {run_id: (CREW, asking(task)) for run_id, task in tasks.items()}


def of_workflows() -> dict[str, tuple[str, str]]:
    """Return workflows of two branches."""
    return {f"flow-{n}": (FORK, f"f{n} / tools f{n}.a f{n}.b / tools f{n}.c f{n}.d") for n in EACH}


def check_labels(cluster: Cluster, trees: list[Tree]) -> Counter[str]:
    """Check that each tool was called, and only those in flight once more for each takeover; return the calls."""
    calls = Counter(line.removeprefix("tool ") for line in cluster.ledger if line.startswith("tool "))
    takeovers = {tree.root["id"]: tree.root["takeovers"] for tree in trees}
    for run_id, most in takeovers.items():
        short = run_id[0] + run_id.rpartition("-")[2]
        times = [calls[f"{short}.{letter}"] for letter in "abcd"]
        assert all(1 <= each <= 1 + most for each in times), f"{run_id}: {times}"
        # One call of each of the two sides may have been in flight.
        assert times[0] + times[1] <= 2 + most, f"{run_id}: {times}"
        assert times[2] + times[3] <= 2 + most, f"{run_id}: {times}"
    return calls


async def test_parents_that_wait_for_runs_inside_take_no_places_from_them(nested: Cluster):
    node = nested.start_node(max_runs="4")
    wanted = {**of_teams(), **of_workflows()}
    await submit_all([node], wanted)
    trees = await end_all(nested, wanted)
    assert set(check_labels(nested, trees).values()) == {1}


async def test_a_member_of_limited_concurrency_stalls_no_team(nested: Cluster):
    node = nested.start_node(max_runs="4")
    alone = {f"alone-{n}": (SINGLE, f"tools a{n}.a a{n}.b") for n in EACH}
    wanted = dict(pair for pairs in zip(of_teams("single").items(), alone.items(), strict=True) for pair in pairs)
    await submit_all([node], wanted)
    await end_all(nested, wanted)
    assert set(Counter(line for line in nested.ledger if line.startswith("tool ")).values()) == {1}


async def test_runs_inside_runs_go_on_when_one_of_two_full_nodes_is_killed(nested: Cluster):
    held = ",".join(f"tool t{n}.d" for n in EACH)
    doomed, survivor = nested.start_node(max_runs="4", test_hold=held), nested.start_node(max_runs="4")
    wanted = {**of_teams(), **of_workflows()}
    await submit_all([doomed, survivor], wanted)
    async with asyncio.timeout(40):
        while sum(f"tool t{n}.d" in nested.ledger for n in EACH) < 2:  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.02)
    await asyncio.to_thread(doomed.kill)
    trees = await end_all(nested, wanted)
    check_labels(nested, trees)
    assert sum(tree.root["takeovers"] for tree in trees) >= 2, "the node held some when it was killed"
