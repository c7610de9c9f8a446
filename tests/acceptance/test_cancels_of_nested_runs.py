"""Teams and workflows are cancelled from another node while something inside them does not stop."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.acceptance.cluster import Cluster, ask, submit
from tests.acceptance.run_trees import check_tree, rests, wait_for
from tests.acceptance.takeovers import CREW, FORK, SESSION, SINGLE, STUBBORN, asking, check_session


@pytest.mark.parametrize(
    ("runs", "message", "before", "after"),
    [
        (CREW, asking({"one": "resist z", "two": "tools b"}), {"two": "COMPLETED"}, {"one": "CANCELLED"}),
        (
            CREW,
            asking({"inner": {"ask": [{"deep": "resist z"}]}, "two": "tools b"}),
            {"two": "COMPLETED"},
            {"inner": "CANCELLED", "deep": "CANCELLED"},
        ),
        (FORK, "r / resist z / tools b", {"right": "COMPLETED"}, {"left": "CANCELLED"}),
        (STUBBORN, "z", {}, {}),
    ],
    ids=["member", "team in a team", "branch", "function"],
)
async def test_a_cancel_ends_what_does_not_stop_and_it_says_nothing_after(
    nested: Cluster, runs: str, message: str, before: dict[str, str], after: dict[str, str]
):
    running, other = nested.start_node(), nested.start_node()
    await submit(running.base_url, message, run_id="run-1", runs=runs, **SESSION)
    await wait_for(
        nested.dsn, "run-1", lambda tree: "tool z" in nested.ledger and before.items() <= tree.statuses.items()
    )
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=10) as client:
        assert (await client.post(f"{other.base_url}{runs}/run-1/cancel")).json() == {}
    tree = await wait_for(nested.dsn, "run-1", rests)
    assert time.monotonic() - began < 1
    check_tree(tree)
    kind = tree.root["component_id"]
    assert tree.statuses == {kind: "CANCELLED", **before, **after}
    done = [*nested.ledger, "tool z ended"]
    (nested.folder / "released").touch()
    await wait_for(nested.dsn, "run-1", lambda _: "tool z ended" in nested.ledger)
    # Whoever comes next in the session is not disturbed, and what was left behind neither says nor does anything more.
    answer = await ask(running.base_url, "hello", runs=SINGLE, session_id="s")
    assert answer["status"] == "COMPLETED"
    assert nested.ledger == [*done, "model single 0"]
    left = await wait_for(nested.dsn, "run-1", rests)
    assert (left.events, left.statuses) == (tree.events, tree.statuses)
    await check_session(nested.dsn, runs=2)
