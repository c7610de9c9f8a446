"""Kills nodes in the middle of teams and workflows, and looks at what others make of them. Not a test itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from tests.acceptance.cluster import Cluster, Node
from tests.acceptance.run_trees import Tree, check_tokens, check_tree, rests, wait_for

CREW: Final = "/teams/crew/runs"
DESK: Final = "/teams/desk/runs"
FLOW: Final = "/workflows/flow/runs"
CAREFUL: Final = "/workflows/careful/runs"
FORK: Final = "/workflows/fork/runs"
SESSION: Final = {"session_id": "s", "stream": "true"}


def asking(*rounds: dict[str, Any]) -> str:
    """Return what makes a leader give these tasks to its members, round after round."""
    return json.dumps({"ask": rounds})


async def kill_when_held(cluster: Cluster, node: Node, *held: str, **statuses: str) -> Tree:
    """Kill a node that stands still in what it holds, when the runs inside run-1 stand so; return how it left them."""
    models = sum(what.startswith("model") for what in held)

    def stands(tree: Tree) -> bool:
        talking = [row for row in tree.rows if tree.of(row) and tree.of(row)[-1]["event"].endswith("RunContent")]
        is_there = set(held) <= set(cluster.ledger) and len(talking) >= models
        return is_there and statuses.items() <= tree.statuses.items()

    await wait_for(cluster.dsn, "run-1", stands)
    await asyncio.to_thread(node.kill)
    return await wait_for(cluster.dsn, "run-1", stands)


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
