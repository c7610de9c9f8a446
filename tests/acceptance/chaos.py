"""Kills nodes at random while they run agents, then looks at every trace they left. Not a test itself.

By hand: ``uv run python -m tests.acceptance.chaos --seconds 600``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx

from tests.acceptance.cluster import RUNS, Cluster, Node
from tests.postgres import PostgresServer, fresh_database, running_server

LEASE_S = 4.0
ENDS = ("COMPLETED", "ERROR", "CANCELLED", "PAUSED")
_EVENTS = """
select array_agg(seq order by seq) as seqs, array_agg(name order by seq) as names,
       max(epoch) as last_epoch, bool_and(rises) as rises
from (select *, epoch >= lag(epoch, 1, 0) over (partition by run_key order by seq) as rises from run_events) as events
where run_key = $1"""


@dataclass
class Chaos:
    """What was planned, and what happened.

    Args:
        cluster: an empty one.
        seed: of all that is left to chance.
        nodes: how many run at a time.
        sessions: how many the runs are spread over.
        freezes: the share of nodes that are frozen for longer than their lease instead of killed.
    """

    cluster: Cluster
    seed: int
    nodes: int = 3
    sessions: int = 10
    freezes: float = 0.0
    kills: int = 0
    frozen: int = 0
    submitted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._alive: list[Node] = []

    async def run(self, *, runs: int, kills: int, pause_s: tuple[float, float]) -> None:
        """Submit runs and kill nodes side by side; return when each run has been taken and each killing is done."""
        self._alive = await asyncio.gather(*(self._start_node() for _ in range(self.nodes)))
        await asyncio.gather(self._submit_all(runs, span_s=kills * sum(pause_s) / 2), self._kill_all(kills, pause_s))

    async def wait_until_quiet(self, *, timeout_s: float) -> None:
        """Return once every run rests.

        Raises:
            AssertionError: some do not in time; the message names them.
        """
        connection = await asyncpg.connect(self.cluster.dsn)
        try:
            deadline = time.monotonic() + timeout_s
            sql = "select id, status, epoch, takeovers, node_id from runs where status <> all($1) order by id"
            while open_runs := await connection.fetch(sql, ENDS):
                assert time.monotonic() < deadline, f"still open after {timeout_s} s: {open_runs}"
                await asyncio.sleep(0.1)
        finally:
            await connection.close()

    async def _start_node(self) -> Node:
        return await asyncio.to_thread(self.cluster.start_node, lease_s=str(LEASE_S), max_takeovers="1000")

    async def _submit_all(self, runs: int, *, span_s: float) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            for number in range(runs):
                labels = [f"r{number}.{step}" for step in range(self.chance.randint(3, 12))]
                message = "tools " + " ".join(labels)
                if self.chance.random() < 0.25:
                    message = f"stream {self.chance.randint(50, 150)} 0.02"
                self.submitted[f"run-{number}"] = message
                await self._submit(client, f"run-{number}", message)
                await asyncio.sleep(self.chance.random() * 2 * span_s / runs)

    async def _submit(self, client: httpx.AsyncClient, run_id: str, message: str) -> None:
        """Submit as a client does: again, under the same key, until some node has answered."""
        form = {
            "message": message,
            "run_id": run_id,
            "session_id": f"s-{self.chance.randrange(self.sessions)}",
            "stream": "false",
            "background": "true",
        }
        while True:
            node = self.chance.choice(self._alive)
            try:
                response = await client.post(node.base_url + RUNS, data=form, headers={"Idempotency-Key": run_id})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if response.status_code == 503:
                await asyncio.sleep(0.05)
                continue
            assert response.is_success, response.text
            return

    async def _kill_all(self, kills: int, pause_s: tuple[float, float]) -> None:
        for _ in range(kills):
            await asyncio.sleep(self.chance.uniform(*pause_s))
            doomed = self.chance.choice(self._alive)
            if self.chance.random() < self.freezes:
                await self._freeze(doomed)
                continue
            self._alive.remove(doomed)
            await asyncio.to_thread(doomed.kill)
            self.kills += 1
            self._alive.append(await self._start_node())

    async def _freeze(self, node: Node) -> None:
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE_S * 1.5)
        node.signal(signal.SIGCONT)
        self.frozen += 1


async def check(chaos: Chaos) -> Counter[str]:
    """Look at the database and the ledger; return how often what was done again.

    Raises:
        AssertionError: a promise was broken; the message says which.
    """
    ledger = Counter(line for line in chaos.cluster.ledger if line.startswith("tool "))
    connection = await asyncpg.connect(chaos.cluster.dsn)
    try:
        rows = {row["id"]: row for row in await connection.fetch("select * from runs")}
        assert rows.keys() == chaos.submitted.keys(), "every run that was asked for is there, once"
        done: Counter[str] = Counter()
        for run_id, message in chaos.submitted.items():
            row = rows[run_id]
            assert row["status"] == "COMPLETED", f"{run_id} is {row['status']}: {row['output']!r}"
            await _check_log(connection, row)
            labels = message.split()[1:] if message.startswith("tools ") else []
            again = await _check_tools(connection, row, [(label, ledger[f"tool {label}"]) for label in labels])
            done.update({"tools": len(labels), "tools again": again})
            done["takeovers"] += row["takeovers"]
        await _check_sessions(connection)
    finally:
        await connection.close()
    done["runs"] = len(rows)
    done.update({"nodes killed": chaos.kills, "nodes frozen": chaos.frozen})
    return done


async def _check_log(connection: asyncpg.Connection[asyncpg.Record], row: asyncpg.Record) -> None:
    log = await connection.fetchrow(_EVENTS, row["key"])
    assert log is not None
    assert log["seqs"] == list(range(len(log["seqs"]))), f"{row['id']}: the log has a gap"
    assert log["rises"], f"{row['id']}: an event of a lost claim came after a newer one's"
    names = log["names"]
    assert names[0] == "RunStarted"
    assert [name for name in names if name in ("RunStarted", "RunCompleted")] == ["RunStarted", "RunCompleted"]
    assert names[-1] == "RunCompleted"


async def _check_tools(
    connection: asyncpg.Connection[asyncpg.Record], row: asyncpg.Record, calls: list[tuple[str, int]]
) -> int:
    """Check how often each tool of a run was called; return how many calls were made again."""
    told = "select count(*) from run_events where run_key = $1 and name = 'ToolCallCompleted'"
    assert await connection.fetchval(told, row["key"]) == len(calls), f"{row['id']}: a tool call was completed twice"
    # The claim under which a result became durable; later claims must not have called the tool again.
    # Results that were still on their way when the run ended are no longer kept: any claim may have made those.
    sql = "select epoch from run_steps where run_key = $1 and operation like '%call_tool%' order by created_at, epoch"
    epochs = [step["epoch"] for step in await connection.fetch(sql, row["key"])]
    bounds = epochs + [row["epoch"]] * (len(calls) - len(epochs))
    for (label, times), bound in zip(calls, bounds, strict=True):
        assert 1 <= times <= bound, f"{row['id']} called {label} {times} times; it was durable under claim {bound}"
    again = sum(times - 1 for _, times in calls)
    assert again <= row["takeovers"], f"{row['id']} was taken over {row['takeovers']} times and repeated {again} calls"
    return again


async def _check_sessions(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    assert await connection.fetchval("select count(*) from sessions where active_run_key is not null") == 0
    sql = "select count(*) from runs where ready or (status = 'PENDING')"
    assert await connection.fetchval(sql) == 0
    overlaps = """
    select count(*) from runs as first join runs as second
        on first.project_id = second.project_id and first.session_id = second.session_id
       and first.position < second.position and second.started_at < first.ended_at"""
    assert await connection.fetchval(overlaps) == 0, "two runs of one session ran at the same time"


async def _survive(server: PostgresServer, folder: Path, *, seconds: float, seed: int) -> Counter[str]:
    async with fresh_database(server) as dsn:
        cluster = Cluster(dsn, folder)
        chaos = Chaos(cluster, seed, sessions=40, freezes=0.2)
        try:
            await chaos.run(runs=int(seconds * 2), kills=max(1, int(seconds / 5)), pause_s=(1.0, 5.0))
            await chaos.wait_until_quiet(timeout_s=120)
            return await check(chaos)
        finally:
            cluster.stop()


def main() -> None:
    """Run chaos for some time on a PostgreSQL of its own, and print what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long nodes are killed, roughly")
    parser.add_argument("--seed", type=int, default=None, help="of all that is left to chance")
    asked = parser.parse_args()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    with running_server() as server, tempfile.TemporaryDirectory(prefix="serai-chaos-") as folder:
        done = asyncio.run(_survive(server, Path(folder), seconds=asked.seconds, seed=seed))
    print(", ".join(f"{count} {what}" for what, count in sorted(done.items())))


if __name__ == "__main__":
    main()
