"""Kills nodes at random while they run agents, teams and workflows, then looks at every trace. Not a test itself.

By hand: ``uv run python -m tests.acceptance.chaos --seconds 600``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.acceptance.chaos_plans import Plan, draw_plan
from tests.acceptance.cluster import NESTED_OS, Cluster, Node
from tests.acceptance.run_trees import NAMES, Connection, Tree, check_tokens, check_tree, read_tree
from tests.acceptance.takeovers import yes_to
from tests.postgres import PostgresServer, fresh_database, running_server
from tests.run_values import open_database, until

LEASE_S = 4.0
_DETACHED = {"stream": "false", "background": "true"}
# The scripted model takes a prompt after an unfinished turn for what a tool handed over: it sees no earlier runs.
_ALONE = {"add_history_to_context": "false"}
ENDS = ("COMPLETED", "ERROR", "CANCELLED", "PAUSED")
_ENDS = [f"{prefix}{end}" for prefix in NAMES.values() for end in ("Completed", "Error", "Cancelled")]
_RISES = """
select bool_and(rises)
from (select epoch >= lag(epoch, 1, 0) over (order by seq) as rises from run_events where run_key = $1) as events"""


@dataclass
class Chaos:
    """What was planned, and what happened.

    Args:
        cluster: an empty one, of the OS with teams and workflows.
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
    submitted: dict[str, Plan] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    followed: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._alive: dict[str, Node] = {}
        self._started = 0

    async def run(self, *, runs: int, kills: int, pause_s: tuple[float, float]) -> None:
        """Submit runs, continue, cancel and follow some, and kill nodes meanwhile; return when all is done."""
        await asyncio.gather(*(self._start_node() for _ in range(self.nodes)))
        async with httpx.AsyncClient(timeout=10) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._submit_all(client, tasks, runs, span_s=kills * sum(pause_s) / 2))
            tasks.create_task(self._kill_all(kills, pause_s))

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

    async def _start_node(self) -> None:
        self._started += 1
        name = f"node-{self._started}"
        options = {"lease_s": str(LEASE_S), "max_takeovers": "1000", "node_name": name}
        self._alive[name] = await asyncio.to_thread(self.cluster.start_node, **options)

    async def _submit_all(
        self, client: httpx.AsyncClient, tasks: asyncio.TaskGroup, runs: int, *, span_s: float
    ) -> None:
        for number in range(runs):
            run_id, plan = f"run-{number}", draw_plan(self.chance, number)
            self.submitted[run_id] = plan
            session_id = f"s-{self.chance.randrange(self.sessions)}-{plan.kind}"
            form = {"message": plan.message, "run_id": run_id, "session_id": session_id}
            await self._post(client, plan.runs, {**form, **_DETACHED, **_ALONE}, key=run_id)
            if plan.pauses:
                tasks.create_task(self._continue(client, run_id))
            elif self.chance.random() < 0.1:
                self.cancelled.add(run_id)
                tasks.create_task(self._cancel(client, run_id, after_s=self.chance.random() * 2))
            if self.chance.random() < 0.3:
                tasks.create_task(self._follow(client, run_id))
            await asyncio.sleep(self.chance.random() * 2 * span_s / runs)

    async def _post(self, client: httpx.AsyncClient, path: str, form: dict[str, str], *, key: str) -> None:
        """Send as a client does: again, under the same key, until some node has answered."""
        while True:
            url = self._any_url() + path
            try:
                response = await client.post(url, data=form, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if response.status_code == 503:
                await asyncio.sleep(0.05)
                continue
            assert response.is_success, response.text
            return

    async def _continue(self, client: httpx.AsyncClient, run_id: str) -> None:
        while (run := await self._read(client, run_id)).get("status") not in ENDS:  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.2)
        if run["status"] != "PAUSED":
            return  # `check` finds what became of it
        form = {**yes_to(run), **_DETACHED}
        await self._post(client, f"{self._path(run_id)}/continue", form, key=f"continue-{run_id}")

    async def _cancel(self, client: httpx.AsyncClient, run_id: str, *, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._post(client, f"{self._path(run_id)}/cancel", {}, key=f"cancel-{run_id}")

    async def _read(self, client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
        """Return a run as some node shows it; nothing when none does."""
        try:
            response = await client.get(self._any_url() + self._path(run_id))
        except httpx.TransportError:
            return {}
        run: dict[str, Any] = response.json() if response.is_success else {}
        return run

    async def _follow(self, client: httpx.AsyncClient, run_id: str) -> None:
        """Follow a run to its end, at another node whenever one dies, and note the numbers of the events seen."""
        seen = self.followed.setdefault(run_id, [])
        has_ended = False
        while not has_ended:
            url = f"{self._any_url()}{self._path(run_id)}/events"
            headers = {"Last-Event-ID": str(seen[-1] if seen else -1)}
            with suppress(httpx.TransportError):
                async with client.stream("GET", url, headers=headers) as response:
                    async for line in response.aiter_lines():
                        if line.startswith("id: "):
                            seen.append(int(line[4:]))
                        elif line.startswith("data: "):
                            event = json.loads(line[6:])
                            has_ended = event.get("run_id") == run_id and event["event"] in _ENDS
            await asyncio.sleep(0.05)

    def _any_url(self) -> str:
        return self.chance.choice(list(self._alive.values())).base_url

    def _path(self, run_id: str) -> str:
        return f"{self.submitted[run_id].runs}/{run_id}"

    async def _kill_all(self, kills: int, pause_s: tuple[float, float]) -> None:
        for _ in range(kills):
            await asyncio.sleep(self.chance.uniform(*pause_s))
            name = await self._busy_node() or self.chance.choice(sorted(self._alive))
            doomed = self._alive[name]
            if self.chance.random() < self.freezes:
                await self._freeze(doomed)
                continue
            del self._alive[name]
            await asyncio.to_thread(doomed.kill)
            self.kills += 1
            await self._start_node()

    async def _busy_node(self) -> str | None:
        """Return the name of a node that works on a run just now; None when none does for a second."""
        sql = "select nodes.name from runs join nodes on nodes.id = node_id where status = 'RUNNING' and name = any($1)"
        async with open_database(self.cluster.dsn) as database:
            with suppress(TimeoutError):
                return str(await until(database, sql, list(self._alive), timeout_s=1))
        return None

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
        ids = await connection.fetch("select id from runs where parent_key is null")
        assert {row["id"] for row in ids} == chaos.submitted.keys(), "every run that was asked for is there, once"
        done: Counter[str] = Counter()
        for run_id, plan in chaos.submitted.items():
            tree = await read_tree(connection, run_id)
            assert tree is not None
            status = tree.root["status"]
            may_be = ("COMPLETED", "CANCELLED") if run_id in chaos.cancelled else ("COMPLETED",)
            assert status in may_be, f"{run_id} is {status}: {tree.root['output']!r}"
            await _check_log(connection, tree)
            if run_id in chaos.followed:
                assert chaos.followed[run_id] == [event["seq"] for event in tree.events], f"a follower missed {run_id}"
            done.update({plan.kind: 1, "cancelled": status == "CANCELLED", "followed": run_id in chaos.followed})
            if status == "CANCELLED":
                continue
            again = await _check_tools(connection, tree, plan, ledger)
            calls = len(plan.calls) + len(plan.steps)
            done.update({"tools": calls, "tools again": again, "takeovers": tree.takeovers})
        await _check_sessions(connection)
    finally:
        await connection.close()
    done["runs"] = len(ids)
    done.update({"nodes killed": chaos.kills, "nodes frozen": chaos.frozen})
    return done


async def _check_log(connection: Connection, tree: Tree) -> None:
    check_tree(tree)
    assert await connection.fetchval(_RISES, tree.root["key"]), "an event of a lost claim came after a newer one's"
    await check_tokens(connection, tree.root["session_id"])


async def _check_tools(connection: Connection, tree: Tree, plan: Plan, ledger: Counter[str]) -> int:
    """Check how often each tool and function of a run was called; return how many calls were made again."""
    run_id, takeovers = tree.root["id"], tree.takeovers
    told = [event["event"] for event in tree.events].count("ToolCallCompleted")
    assert told == len(plan.calls), f"{run_id}: a tool call was completed twice, or never"
    calls = {label: ledger[f"tool {label}"] for label in plan.calls + plan.steps}
    for label, times in calls.items():
        assert 1 <= times <= tree.root["epoch"], f"{run_id} called {label} {times} times"
    again = sum(calls.values()) - len(calls)
    assert again <= takeovers * plan.width, f"{run_id} was taken over {takeovers} times and repeated {again} calls"
    if plan.kind == "agents":
        await _check_epochs(connection, tree.root, [(label, calls[label]) for label in plan.calls])
    return again


async def _check_epochs(connection: Connection, row: dict[str, Any], calls: list[tuple[str, int]]) -> None:
    """Check that no later claim called a tool whose result was durable.

    Results that were still on their way when the run ended are no longer kept: any claim may have made those.
    """
    sql = "select epoch from run_steps where run_key = $1 and operation = 'tool_call' order by created_at, epoch"
    epochs = [step["epoch"] for step in await connection.fetch(sql, row["key"])]
    bounds = epochs + [row["epoch"]] * (len(calls) - len(epochs))
    for (label, times), bound in zip(calls, bounds, strict=True):
        assert times <= bound, f"{row['id']} called {label} {times} times; it was durable under claim {bound}"


async def _check_sessions(connection: Connection) -> None:
    assert await connection.fetchval("select count(*) from sessions where active_run_key is not null") == 0
    sql = "select count(*) from runs where ready or (status = 'PENDING')"
    assert await connection.fetchval(sql) == 0
    overlaps = """
    select count(*) from runs as first join runs as second
        on first.project_id = second.project_id and first.session_id = second.session_id
       and first.position < second.position and second.started_at < first.ended_at
       and first.segment = 0 and second.segment = 0 and first.parent_key is null and second.parent_key is null"""
    assert await connection.fetchval(overlaps) == 0, "two runs of one session ran at the same time"


async def _survive(server: PostgresServer, folder: Path, *, seconds: float, seed: int) -> Counter[str]:
    async with fresh_database(server) as dsn:
        cluster = Cluster(dsn, folder, os_file=NESTED_OS)
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
