"""Kills nodes in the middle of teams and workflows, and looks at what others make of them. Not a test itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg
import httpx

from tests.acceptance.cluster import Cluster, Node, submit
from tests.acceptance.run_trees import Tree, check_tokens, check_tree, rests, wait_for

CREW: Final = "/teams/crew/runs"
DESK: Final = "/teams/desk/runs"
FLOW: Final = "/workflows/flow/runs"
CAREFUL: Final = "/workflows/careful/runs"
FORK: Final = "/workflows/fork/runs"
SINGLE: Final = "/agents/single/runs"
STUBBORN: Final = "/workflows/stubborn/runs"
SESSION: Final = {"session_id": "s", "stream": "true"}


def asking(*rounds: dict[str, Any]) -> str:
    """Return what makes a leader give these tasks to its members, round after round."""
    return json.dumps({"ask": rounds})


async def kill_when_held(
    cluster: Cluster, node: Node, *held: str, steps: int = 0, stand: Mapping[str, str] | None = None
) -> Tree:
    """Kill a node that stands still in what it holds; return how it left run-1.

    Args:
        cluster: where it runs.
        node: which one.
        *held: what it stands still in.
        steps: how many steps of the workflow are told to be completed before.
        stand: the status that runs inside it have before, by component.
    """
    models = sum(what.startswith("model") for what in held)

    def stands(tree: Tree) -> bool:
        talking = [row for row in tree.rows if tree.of(row) and tree.of(row)[-1]["event"].endswith("RunContent")]
        is_there = set(held) <= set(cluster.ledger) and len(talking) >= models
        told = [event["event"] for event in tree.events].count("StepCompleted")
        return is_there and told >= steps and (stand or {}).items() <= tree.statuses.items()

    await wait_for(cluster.dsn, "run-1", stands)
    await asyncio.to_thread(node.kill)
    return await wait_for(cluster.dsn, "run-1", stands)


async def pause(cluster: Cluster, node: Node, message: str, runs: str) -> Tree:
    """Do run-1 until it pauses, and return it."""
    await submit(node.base_url, message, run_id="run-1", runs=runs, **SESSION)
    return await wait_for_pause(cluster)


async def wait_for_pause(cluster: Cluster, *, segment: int = 0) -> Tree:
    """Wait until run-1 is paused, check what it left, and return it."""
    tree = await wait_for(cluster.dsn, "run-1", lambda tree: rests(tree) and tree.root["segment"] == segment)
    assert tree.root["status"] == "PAUSED", tree.root["output"]
    check_tree(tree)
    await check_session(cluster.dsn)
    return tree


async def allow(node: Node, tree: Tree, runs: str, *, only: int | None = None) -> None:
    """Continue run-1 with a yes to all that it waits for, or to one thing of it; the node may die meanwhile."""
    form = {**yes_to(tree.output, only=only), "stream": "true"}
    async with httpx.AsyncClient(timeout=20) as client:
        with suppress(httpx.TransportError):
            async with client.stream("POST", f"{node.base_url}{runs}/run-1/continue", data=form) as response:
                assert response.is_success, await response.aread()


def yes_to(run: Mapping[str, Any], *, only: int | None = None) -> dict[str, str]:
    """Return the form that allows all that a paused run waits for, or one thing of it."""
    field = "step_requirements" if "workflow_id" in run else "requirements"
    wanted = [_yes(requirement) for requirement in run[field]]
    return {field: json.dumps(wanted if only is None else [wanted[only]])}


def _yes(requirement: dict[str, Any]) -> dict[str, Any]:
    """Return the least that allows what a requirement asks."""
    if "step_id" not in requirement:
        return {"id": requirement["id"], "confirmation": True}
    if not requirement["requires_executor_input"]:
        return {"step_id": requirement["step_id"], "confirmed": True}
    inside = [_yes(wanted) for wanted in requirement["executor_requirements"]]
    return {"step_id": requirement["step_id"], "executor_requirements": inside}


async def end_well(cluster: Cluster, *again: str, times: Mapping[str, int] | None = None, runs: int = 1) -> Tree:
    """Wait for the end of run-1 and check all that it left: what was done, the log, the rows, the session.

    Args:
        cluster: where it runs.
        *again: what was in flight when a node died: these and nothing else are done twice.
        times: what is done more than once anyway.
        runs: how many its session has.
    """
    tree = await wait_for(cluster.dsn, "run-1", rests)
    check_tree(tree)
    assert set(tree.statuses.values()) == {"COMPLETED"}, (tree.statuses, tree.root["output"])
    ledger = Counter(cluster.ledger)
    assert ledger == Counter({**dict.fromkeys(ledger, 1), **(times or {})}) + Counter(again)
    await check_session(cluster.dsn, runs=runs)
    return tree


async def check_session(dsn: str, *, runs: int = 1) -> None:
    """Check that the session counts its runs and tokens, and that nobody works in it."""
    connection = await asyncpg.connect(dsn)
    try:
        await check_tokens(connection, "s")
        assert await connection.fetchval("select run_count from sessions where active_run_key is null") == runs
    finally:
        await connection.close()
