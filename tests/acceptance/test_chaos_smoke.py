"""A little chaos: nodes die at random while runs go on, and every promise still holds."""

from __future__ import annotations

from tests.acceptance.chaos import Chaos, check
from tests.acceptance.cluster import Cluster


async def test_runs_survive_nodes_that_die_at_random(nested: Cluster):
    chaos = Chaos(nested, seed=20_261_121)
    await chaos.run(runs=30, kills=4, pause_s=(1.0, 3.0))
    await chaos.wait_until_quiet(timeout_s=60)
    done = await check(chaos)
    assert done["runs"] == 30
    assert done["nodes killed"] == 4
    assert done["takeovers"] > 0, "the kills were meant to hit runs"
