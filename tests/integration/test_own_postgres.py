"""A server on the PostgreSQL it brings along: what happens to both when one of them dies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx

from benchmarks.environments import clean_environment
from benchmarks.processes import postgres_pid
from tests.nursery import Launch, LaunchedServer
from tests.postgres import data_folder

RUNS = "/agents/my-agent/runs"


def demo(folder: Path, tmp_path: Path, launch: Launch) -> LaunchedServer:
    log = tmp_path / "server.log"
    arguments = ["--data-dir", str(folder)]
    return LaunchedServer(arguments, launch=launch, env=clean_environment(), log=log, folder=tmp_path)


async def served(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request again as long as the server says to try later."""
    async with asyncio.timeout(60):
        while (answer := await client.request(method, path, **options)).status_code == 503:
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.1)
    return answer


async def test_a_server_starts_its_postgresql_again_when_it_dies(tmp_path: Path, launcher: Launch):
    with data_folder() as folder:
        server = demo(folder, tmp_path, launcher)
        server.start()
        try:
            async with httpx.AsyncClient(base_url=server.base_url, timeout=20) as client:
                form = {"message": "hello", "stream": "false"}
                before = (await client.post(RUNS, data=form)).json()["run_id"]
                died = postgres_pid(folder)
                assert died is not None
                os.kill(died, signal.SIGKILL)
                refused = await client.get("/ready")
                assert refused.status_code in (200, 503)
                answer = await served(client, "GET", f"{RUNS}/{before}")
                assert answer.json()["status"] == "COMPLETED"
                # Its old processes outlive it for a moment: what one request finds the next one may miss.
                assert (await served(client, "POST", RUNS, data=form)).json()["status"] == "COMPLETED"
        finally:
            server.stop()
        assert not (folder / "postmaster.pid").exists()


async def test_what_was_answered_survives_kill_9_of_the_server(tmp_path: Path, launcher: Launch):
    with data_folder() as folder:
        server = demo(folder, tmp_path, launcher)
        server.start()
        form = {"message": "hello", "stream": "false"}
        async with httpx.AsyncClient(timeout=20) as client:
            answered = (await client.post(server.base_url + RUNS, data=form)).json()["run_id"]
        os.kill(server.pid, signal.SIGKILL)
        successor = demo(folder, tmp_path, launcher)
        successor.start()
        try:
            async with httpx.AsyncClient(timeout=20) as client:
                assert (await client.get(f"{successor.base_url}{RUNS}/{answered}")).json()["status"] == "COMPLETED"
        finally:
            successor.stop()
            server.stop()
        assert postgres_pid(folder) is None
