"""A workflow of llama-agents-server whose state is kept here outlives its own process and our server's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.environments import clean_environment
from benchmarks.processes import ServerProcess
from tests.compat.clients.roster import STORES
from tests.compat.published_clients import run_script
from tests.postgres import data_folder

(CLIENT,) = STORES


def run_phase(server: ServerProcess, *arguments: str) -> dict[str, Any]:
    done = run_script(CLIENT, "llama_agents_server_workflow.py", server.base_url, "a-project", *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_a_waiting_workflow_goes_on_after_both_servers_were_restarted(tmp_path: Path) -> None:
    with data_folder() as folder:
        command = [sys.executable, "-m", "serai", "serve", "--port", "{port}", "--data-dir", str(folder)]
        server = ServerProcess(command, env=clean_environment(), log=tmp_path / "serai.log", folder=tmp_path)
        try:
            server.start()
            begun = run_phase(server, "begin")
            assert (begun["status"], begun["result"], begun["known"]) == ("running", None, [])
            assert begun["state"] == {"guest": "Ada", "answer": None}
            server.stop()
            server.start()
            finished = run_phase(server, "finish", begun["handler_id"])
        except BaseException:
            print(server.output())
            raise
        finally:
            server.stop()
    assert finished["known"] == [begun["handler_id"]]
    assert (finished["status"], finished["result"]) == ("completed", "Ada: The engine.")
    assert finished["state"] == {"guest": "Ada", "answer": "The engine."}
    assert finished["events"][: len(begun["events"])] == begun["events"]
    assert finished["events"][-1] == "StopEvent"
