"""Two nodes on one PostgreSQL: what one runs can be followed, left and resumed through the other."""

from __future__ import annotations

import asyncio
from collections import Counter

from serai.storage.embedded import EmbeddedPostgres
from tests.acceptance.cluster import Cluster, ask, follow, read_run, stream, submit


async def test_a_run_is_followed_live_through_another_node(cluster: Cluster):
    runs, follows = cluster.start_node(), cluster.start_node()
    seen_while_running = 0
    through_other = []

    async def follow_other() -> None:
        nonlocal seen_while_running
        async for event in follow(follows.base_url, "run-1"):
            through_other.append(event)
            if not ended.is_set():
                seen_while_running += 1

    ended = asyncio.Event()
    following = asyncio.create_task(follow_other())
    direct = [event async for event in stream(runs.base_url, "stream 50 0.02", run_id="run-1")]
    ended.set()
    await asyncio.wait_for(following, 20)
    assert through_other == direct
    assert seen_while_running > 30


async def test_a_follower_resumes_from_any_number_on_any_node(cluster: Cluster):
    nodes = [cluster.start_node(), cluster.start_node()]
    await submit(nodes[0].base_url, "stream 60 0.02", run_id="run-1", stream="true")
    seen: list[int] = []
    while not seen or seen[-1] < 64:
        for node in nodes:
            taken = 0
            async for event in follow(node.base_url, "run-1", after=seen[-1] if seen else -1):
                seen.append(event["seq"])
                taken += 1
                if taken == 9:
                    break
    assert seen == list(range(65))


async def test_closing_the_connection_leaves_the_run_alone(cluster: Cluster):
    node = cluster.start_node()
    async for event in stream(node.base_url, "stream 40 0.02", run_id="run-1"):
        if event["seq"] == 5:
            break
    events = [event async for event in follow(node.base_url, "run-1")]
    assert events[-1]["event"] == "RunCompleted"
    assert Counter(cluster.ledger) == {"model 0": 1}


async def test_runs_of_one_session_take_turns_across_nodes_and_see_each_other(cluster: Cluster):
    nodes = [cluster.start_node(), cluster.start_node()]
    answers = await asyncio.gather(
        *(ask(nodes[index % 2].base_url, "count", session_id="s", user_id="u") for index in range(10))
    )
    assert sorted(answer["content"] for answer in answers) == sorted(f"counted {number + 1}" for number in range(10))
    last = await ask(nodes[0].base_url, "history", session_id="s", num_history_runs="100")
    assert last["content"] == "seen 20"
    assert last["session_state"] == {"count": 10}


async def test_the_run_survives_a_restart_of_postgresql(own_cluster: Cluster, own_postgres: EmbeddedPostgres):
    node = own_cluster.start_node()
    events = []
    async with asyncio.timeout(60):
        async for event in stream(node.base_url, "stream 100 0.02", run_id="run-1"):
            events.append(event)
            if event["seq"] == 20:
                await asyncio.to_thread(own_postgres.stop)
                await asyncio.to_thread(own_postgres.start)
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["event"] == "RunCompleted"
    assert (await read_run(node.base_url, "run-1"))["status"] == "COMPLETED"
    assert Counter(own_cluster.ledger) == {"model 0": 1}
