"""A node is killed in the middle of an eval; another one ends it."""

from __future__ import annotations

import httpx

from tests.acceptance.cluster import Cluster
from tests.run_values import open_database, until

ASKED = {"agent_id": "worker", "eval_type": "performance", "input": "stream 10 0.03", "num_iterations": 4}


async def test_a_killed_nodes_eval_is_ended_by_another_from_where_it_was(cluster: Cluster):
    doomed = cluster.start_node(lease_s="2")
    async with open_database(cluster.dsn) as database:
        async with httpx.AsyncClient(base_url=doomed.base_url) as client:
            begun = await client.post("/eval-runs?background=true", json=ASKED)
        assert begun.status_code == 202, begun.text
        await until(database, "select finished >= 2 from eval_runs")
        doomed.kill()
        survivor = cluster.start_node(lease_s="2")
        await until(database, "select data is not null from eval_runs", timeout_s=20)
        assert await database.fetchval("select count(*) from runs where status = 'COMPLETED'") == 4
    async with httpx.AsyncClient(base_url=survivor.base_url) as client:
        found = (await client.get(f"/eval-runs/{begun.json()['id']}")).json()
    assert (found["status"], found["progress"]) == ("COMPLETED", {"finished": 4, "of": 4})
    assert len(found["eval_data"]["run_times"]) == 4
    assert cluster.ledger.count("model 0") in (4, 5), "only the run that was cut off is done again"
