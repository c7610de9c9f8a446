"""A node is killed in the middle of a team: the trace of its run is one tree, and shows who went on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from tests.acceptance.cluster import Cluster, submit
from tests.acceptance.takeovers import CREW, SESSION, asking, end_well, kill_when_held
from tests.run_values import until_true


def _nodes(tree: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in tree:
        yield node
        yield from _nodes(node.get("spans", []))


async def test_a_team_taken_over_after_a_kill_is_one_tree_with_the_takeover_in_it(nested: Cluster):
    doomed = nested.start_node(test_hold="tool b")
    survivor = nested.start_node()
    message = asking({"one": "tools a", "two": "tools b"})
    await submit(doomed.base_url, message, run_id="run-1", runs=CREW, **SESSION)
    await kill_when_held(nested, doomed, "tool b", stand={"one": "COMPLETED", "two": "RUNNING"})
    await end_well(nested, "tool b")
    async with httpx.AsyncClient(base_url=survivor.base_url, timeout=20) as client:

        async def ended() -> dict[str, Any] | None:
            page = (await client.get("/traces", params={"run_id": "run-1"})).json()
            found = [summary for summary in page["data"] if summary["status"] != "UNSET"]
            return found[0] if found else None

        summary = await until_true(ended)
        trace = (await client.get(f"/traces/{summary['trace_id']}")).json()
    [root] = trace["tree"]
    assert (root["type"], root["name"], root["status"], trace["status"]) == ("TEAM", "crew", "OK", "OK")
    nodes = list(_nodes(trace["tree"]))
    assert len(nodes) == trace["total_spans"] == len({node["id"] for node in nodes})
    assert [node["type"] for node in root["spans"]].count("TAKEOVER") == 1
    takeover = next(node for node in nodes if node["type"] == "TAKEOVER")
    assert trace["start_time"] < takeover["start_time"] < trace["end_time"]
    calls = [node for node in root["spans"] if node["type"] == "TOOL"]
    assert sorted(inner["name"] for call in calls for inner in call["spans"]) == ["one", "two"]
    for call in calls:
        [member] = call["spans"]
        kinds = [(node["type"], node["status"]) for node in member["spans"]]
        assert kinds == [("LLM", "OK"), ("TOOL", "OK"), ("LLM", "OK")], member
        outputs = [node.get("output") for node in member["spans"]]
        assert outputs[1] == {"one": "recorded a", "two": "recorded b"}[member["name"]]
