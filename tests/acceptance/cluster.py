"""Nodes as real processes on one PostgreSQL, and what a client sees of them. Not a test itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.environments import clean_environment
from benchmarks.processes import Process
from tests.nursery import Launch, LaunchedServer, launch

OS_FILE = Path(__file__).parent / "acceptance_os.py"
NESTED_OS = Path(__file__).parent / "nested_os.py"
ROOT = Path(__file__).parents[2]
RUNS = "/agents/worker/runs"


class Node(LaunchedServer):
    """One `serai serve` process."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it with -9 and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, timeout_s: float = 30) -> int:
        """Wait until the process has ended; return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.poll() is not None


@dataclass
class Cluster:
    """Nodes of one database."""

    dsn: str
    folder: Path
    os_file: Path = OS_FILE
    launch: Launch = launch
    nodes: list[Node] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)

    @property
    def ledger(self) -> list[str]:
        """What models and tools really did, in order."""
        path = self.folder / "ledger"
        return path.read_text().splitlines() if path.exists() else []

    def start_node(self, **settings: str) -> Node:
        """Start a server; settings are SERAI_… variables, for example fault="in_model_call:kill"."""
        log = self.folder / f"node{len(self.nodes)}.log"
        env = self._environment(settings)
        node = Node([str(self.os_file)], launch=self.launch, env=env, log=log, folder=ROOT)
        self.nodes.append(node)
        node.start()
        return node

    def start_worker(self, **settings: str) -> Process:
        """Start a node without HTTP; returns when it is ready."""
        said, says = os.pipe()
        arguments = ["worker", str(self.os_file)]
        with (
            (self.folder / f"worker{len(self.workers)}.log").open("ab") as log,
            os.fdopen(says, "wb") as stdout,
        ):
            env = self._environment(settings)
            worker = self.launch(arguments, env=env, folder=ROOT, stdout=stdout, stderr=log)
        self.workers.append(worker)
        with os.fdopen(said, "rb") as banner:
            assert banner.readline(), "the worker ended before it was ready"
        return worker

    def stop(self) -> None:
        """Stop whatever still runs, frozen or not."""
        for node in self.nodes:
            if not node.has_ended:
                node.signal(signal.SIGCONT)
                node.kill()
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        variables = {f"SERAI_{name.upper()}": value for name, value in settings.items()}
        return clean_environment(
            SERAI_DATABASE_URL=self.dsn, SERAI_TEST_LEDGER=str(self.folder / "ledger"), **variables
        )


async def submit(base_url: str, message: str, *, run_id: str, runs: str = RUNS, **fields: str) -> None:
    """Submit a run and leave it alone; the node may die while it answers.

    With stream="true" the model's words are logged one by one, as for somebody who listens.
    """
    form = {"message": message, "run_id": run_id, "stream": "false", "background": "true", **fields}
    async with httpx.AsyncClient(timeout=20) as client:
        try:
            async with client.stream("POST", base_url + runs, data=form) as response:
                assert response.is_success, await response.aread()
        except httpx.TransportError:
            return


async def ask(base_url: str, message: str, *, runs: str = RUNS, **fields: str) -> dict[str, Any]:
    """Run and wait for the whole answer."""
    async with httpx.AsyncClient(timeout=30) as client:
        response = await client.post(base_url + runs, data={"message": message, "stream": "false", **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def stream(base_url: str, message: str, **fields: str) -> AsyncIterator[dict[str, Any]]:
    """Run and yield the events as they come."""
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("POST", base_url + RUNS, data={"message": message, "stream": "true", **fields}) as response,
    ):
        assert response.status_code == 200
        async for event in _events(response):
            yield event


async def follow(base_url: str, run_id: str, *, after: int = -1, runs: str = RUNS) -> AsyncIterator[dict[str, Any]]:
    """Follow a run, which may not be stored yet, and yield its events as they come."""
    headers = {"Last-Event-ID": str(after)}
    async with httpx.AsyncClient(timeout=30) as client:
        while True:
            async with client.stream("GET", f"{base_url}{runs}/{run_id}/events", headers=headers) as response:
                if response.status_code == 404:
                    await asyncio.sleep(0.02)
                    continue
                assert response.status_code == 200
                async for event in _events(response):
                    yield event
                return


async def read_run(base_url: str, run_id: str, *, runs: str = RUNS) -> dict[str, Any]:
    """Read a run as it stands."""
    async with httpx.AsyncClient(timeout=20) as client:
        response = await client.get(f"{base_url}{runs}/{run_id}")
    assert response.status_code == 200, response.text
    run: dict[str, Any] = response.json()
    return run


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    seq = -1
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            seq = int(line[4:])
        elif line.startswith("data: "):
            yield {**json.loads(line[6:]), "seq": seq}
